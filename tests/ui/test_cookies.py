"""Our cookies have the prefix under https, which no other host can give them, and plain names within."""

import json
import random
from http.cookies import SimpleCookie

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from streamlit.web.server.starlette import starlette_auth_routes, starlette_websocket

from esmviz.ui import cookies, server, visitor
from esmviz.ui.visitor import VisitorCookie

PAGE = {"accept": "text/html,*/*"}
HOST = "__Host-esmviz_visitor"
MINE, PLANTED = "0123456789abcdef" * 2, "f" * 32
SECRET, LONG = (
    "s" * 32,
    {"is_logged_in": True, "groups": random.Random(1).randbytes(6000).hex()},
)  # compressed, it still takes several cookies


async def seen_by_websocket(websocket):
    await websocket.accept()
    await websocket.send_json(dict(websocket.cookies))
    await websocket.close()


async def login(request):
    response = HTMLResponse("<p>")
    await starlette_auth_routes._set_auth_cookie(response, LONG, {"id": "token"})
    return response


def logout(request):
    response = HTMLResponse("<p>")
    starlette_auth_routes._clear_auth_cookie(response, request)
    return response


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
            Route("/login", login),
            Route("/logout", logout),
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


@pytest.mark.parametrize("blank", ["\xa0", "\x85", "\x1f", "\xa0 ", "\t"])
@pytest.mark.parametrize("name", ["esmviz_visitor", HOST])
def test_what_starlette_takes_for_a_blank_hides_no_planted_cookie(name, blank):
    for planted in (f"{blank}{name}={PLANTED}", f"{name}{blank}={PLANTED}"):
        for header, found in ((planted, {}), (f"{HOST}={MINE}; {planted}", {"esmviz_visitor": MINE})):
            headers = cookies._in([(b"cookie", header.encode("latin-1"))])  # the test client would send UTF-8
            assert cookie_parser(Headers(raw=headers).get("cookie", ";")) == found


def test_the_login_that_streamlit_keeps_is_of_this_host_too(client, monkeypatch):
    """Signed by Streamlit, in pieces, sent through the middleware and back, and read by Streamlit."""
    monkeypatch.setattr(starlette_auth_routes, "get_cookie_secret", lambda: SECRET)
    monkeypatch.setattr(starlette_websocket, "get_cookie_secret", lambda: SECRET)
    https = client("https")
    given = [line.split("; ") for line in https.get("/login").headers.get_list("set-cookie")]
    names = [parts[0].partition("=")[0] for parts in given]
    assert {"__Host-_streamlit_user", "__Host-_streamlit_user_1", "__Host-_streamlit_user_tokens"} <= {*names}
    for parts in given:
        assert parts[0].startswith("__Host-")
        assert {"Path=/", "Secure", "HttpOnly"} <= {*parts}
        assert len(parts[0]) <= 4096  # what a browser keeps
    sent = "; ".join(parts[0] for parts in given)

    def read(header):
        return starlette_websocket._get_signed_cookie_with_chunks(seen(https, header), "_streamlit_user")

    assert json.loads(read(sent)) == LONG
    assert read(sent.replace("__Host-", "")) is None
    assert json.loads(read(f"{sent.replace('__Host-', '')}; {sent}")) == LONG
    taken = https.get("/logout", headers={"cookie": sent}).headers.get_list("set-cookie")
    assert {line.partition("=")[0] for line in taken} == {*names}
    assert all("Max-Age=0" in line and line.endswith("; Path=/; Secure") for line in taken)


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
