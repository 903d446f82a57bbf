"""Our cookies have the prefix under https, which no other host can give them, and plain names within."""

from http.cookies import SimpleCookie

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient

from esmviz.ui import cookies, server, visitor
from esmviz.ui.visitor import VisitorCookie

PAGE = {"accept": "text/html,*/*"}
HOST = "__Host-esmviz_visitor"
MINE, PLANTED = "0123456789abcdef" * 2, "f" * 32


async def seen_by_websocket(websocket):
    await websocket.accept()
    await websocket.send_json(dict(websocket.cookies))
    await websocket.close()


def left(request):
    response = HTMLResponse("<p>")
    response.delete_cookie(cookies.LOGIN, path="/esmviz", domain="example.org")
    response.set_cookie("_streamlit_xsrf", "x", path="/esmviz")
    return response


@pytest.fixture
def client():
    def made(scheme):
        routes = [
            Route("/", lambda request: HTMLResponse("<p>")),
            Route("/left", left),
            Route("/seen", lambda request: JSONResponse(dict(request.cookies))),
            WebSocketRoute("/stream", seen_by_websocket),
        ]
        guards = [Middleware(cookies.HostCookies), Middleware(VisitorCookie)]
        return TestClient(Starlette(routes=routes, middleware=guards), base_url=f"{scheme}://testserver")

    return made


def seen(client, header):
    scheme = {"http": "ws", "https": "wss"}[client.base_url.scheme]
    with client.websocket_connect(f"{scheme}://testserver/stream", headers={"cookie": header}) as websocket:
        by_websocket = websocket.receive_json()
    by_http = client.get("/seen", headers={"cookie": header}).json()
    assert by_http == by_websocket
    return by_http


def test_under_https_the_cookie_is_of_this_host_alone(client):
    response = client("https").get("/", headers=PAGE)
    [morsel] = SimpleCookie(response.headers["set-cookie"]).values()
    assert morsel.key == HOST
    assert (morsel["path"], morsel["domain"], morsel["secure"], morsel["httponly"]) == ("/", "", True, True)
    assert int(morsel["max-age"]) == visitor.DAYS * 24 * 3600


@pytest.mark.parametrize("base", ["", "esmviz"])
def test_under_a_path_of_the_server_too(client, monkeypatch, base):
    monkeypatch.setattr(visitor, "base", lambda: f"/{base}" if base else "")
    [plain] = SimpleCookie(client("http").get("/", headers=PAGE).headers["set-cookie"]).values()
    assert (plain.key, plain["path"], plain["secure"]) == ("esmviz_visitor", f"/{base}", "")
    [hosts] = SimpleCookie(client("https").get("/", headers=PAGE).headers["set-cookie"]).values()
    assert (hosts.key, hosts["path"]) == (HOST, "/")


def test_what_a_neighbour_planted_is_not_seen_under_https(client):
    https = client("https")
    assert seen(https, f"esmviz_visitor={PLANTED}") == {}
    assert seen(https, f"esmviz_visitor={PLANTED}; {HOST}={MINE}; a=b") == {"esmviz_visitor": MINE, "a": "b"}
    assert seen(https, f"{HOST}={PLANTED}; {HOST}={MINE}") == {}
    assert seen(https, f"__host-esmviz_visitor={PLANTED}") == {"__host-esmviz_visitor": PLANTED}
    response = https.get("/", headers={**PAGE, "cookie": f"esmviz_visitor={PLANTED}"})
    assert PLANTED not in response.headers["set-cookie"]


def test_a_browser_keeps_its_cookie_under_https(client):
    https = client("https")
    first = https.get("/", headers=PAGE).headers["set-cookie"]
    assert https.get("/", headers=PAGE).headers["set-cookie"] == first


def test_a_cookie_is_taken_back_as_it_was_given(client):
    response = client("https").get("/left")
    ours, theirs = response.headers.get_list("set-cookie")
    [morsel] = SimpleCookie(ours).values()
    assert morsel.key == "__Host-esmviz_login"
    assert (morsel["max-age"], morsel["path"], morsel["domain"], morsel["secure"]) == ("0", "/", "", True)
    assert theirs.startswith("_streamlit_xsrf=x; Path=/esmviz")


def test_without_encryption_names_are_plain(client):
    assert seen(client("http"), f"esmviz_visitor={MINE}; a=b") == {"esmviz_visitor": MINE, "a": "b"}


def test_the_app_has_it_before_all_who_read_cookies():
    guards = [item.cls for item in server.options()["middleware"]]
    assert guards.index(cookies.HostCookies) < guards.index(VisitorCookie) < guards.index(server.gate.Gate)
