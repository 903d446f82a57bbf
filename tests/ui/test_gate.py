"""Nobody past the door who has not signed in: pages, files, uploads, websockets; and the ways in and out."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from esmviz.errors import AccessError
from esmviz.settings import Settings
from esmviz.ui import access, gate, logins, visitor
from esmviz.ui.access import Door
from esmviz.ui.gate import Gate

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse"
PAGE = {"accept": "text/html,*/*"}
OWN = {**PAGE, "sec-fetch-site": "same-origin"}


async def echo(websocket):
    await websocket.accept()
    await websocket.send_text("in")
    await websocket.close()


def served(settings, base=""):
    """A small app behind the gate: a page, a file, an upload, a probe and a websocket."""
    routes = [
        Route(f"{base}/", lambda request: HTMLResponse("the page")),
        Route(f"{base}/logits", lambda request: HTMLResponse("logits")),
        Route(f"{base}/media/x.csv", lambda request: PlainTextResponse("a,b")),
        Route(f"{base}/_stcore/upload_file/a/b", lambda request: PlainTextResponse("taken"), methods=["PUT"]),
        Route(f"{base}/auth/logout", lambda request: PlainTextResponse("left")),
        Route(f"{base}/healthz", lambda request: PlainTextResponse("ok")),
        WebSocketRoute(f"{base}/_stcore/stream", echo),
    ]
    door = Door(settings)
    app = Starlette(routes=routes, middleware=[Middleware(Gate, door=door)])
    return TestClient(app, follow_redirects=False), door


@pytest.fixture
def client():
    return served(Settings(password=PASSWORD))[0]


def sign_in(client, password=PASSWORD, **form):
    return client.post("/sign-in", data={"password": password, **form})


def test_without_a_login_everything_is_open():
    client, door = served(Settings())
    assert not door.is_locked
    assert client.get("/", headers=PAGE).text == "the page"
    with client.websocket_connect("/_stcore/stream") as websocket:
        assert websocket.receive_text() == "in"


def test_a_page_leads_to_the_way_in_and_back(client):
    answer = client.get("/logits?protein=a&layer=2", headers=PAGE)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Flogits%3Fprotein%3Da%26layer%3D2"
    page = client.get(answer.headers["location"], headers=PAGE)
    assert 'value="/logits?protein=a&amp;layer=2"' in page.text
    assert page.headers["cache-control"] == "no-store"
    answer = sign_in(client, next="/logits?protein=a&layer=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/logits?protein=a&layer=2"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert client.get("/logits", headers=PAGE).text == "logits"


@pytest.mark.parametrize("path", ["/", "/logits", "/media/x.csv", "/_stcore/upload_file/a/b", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"])
def test_nothing_else_is_served_before(client, path, method):
    answer = client.request(method, path)
    assert answer.status_code == 401
    assert answer.text == ("" if method == "HEAD" else "Sign in first.")


def test_no_websocket_before_and_one_after(client):
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/_stcore/stream"):
        pass
    assert refused.value.code == 1008
    sign_in(client)
    with client.websocket_connect("/_stcore/stream") as websocket:
        assert websocket.receive_text() == "in"


def test_probes_need_no_login(client):
    assert client.get("/healthz").text == "ok"


def test_who_leaves_is_out_with_the_old_cookie_too(client):
    sign_in(client)
    cookie = client.cookies[logins.COOKIE]
    answer = client.get("/sign-out", headers=OWN)
    assert answer.headers["location"] == "/sign-in"
    client.cookies.set(logins.COOKIE, cookie)
    assert client.get("/media/x.csv").status_code == 401


def test_who_leaves_in_one_tab_is_out_in_all():
    async def play():
        lines = gate.Connections()
        arrived = asyncio.Queue()
        mine, others = (lines.until_ended((name, ""), arrived.get) for name in ("mine", "other"))
        await arrived.put("hello")
        assert await mine() == "hello"
        waiting, other = asyncio.ensure_future(mine()), asyncio.ensure_future(others())
        await asyncio.sleep(0)
        lines.end(("mine", ""))
        assert await waiting == {"type": "websocket.disconnect", "code": 1008}
        await arrived.put("still here")
        assert await other == "still here"

    asyncio.run(play())


ELSEWHERE = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},  # another name under the same domain
    {"sec-fetch-site": "same-site", "referer": "http://testserver/"},
    {"referer": "http://evil.test/testserver"},
    {"referer": "http://[/"},
    {},  # a page that hides where it is
]


@pytest.mark.parametrize("other", ELSEWHERE)
@pytest.mark.parametrize("path", ["/sign-out", "/auth/logout"])
def test_another_site_signs_nobody_out(client, path, other):
    sign_in(client)
    answer = client.get(path, headers=other)
    assert (answer.status_code, answer.headers.get("set-cookie")) == (403, None)
    assert client.get("/media/x.csv").status_code == 200


@pytest.mark.parametrize("own", [{"sec-fetch-site": "none"}, {"referer": "http://testserver/logits"}])
@pytest.mark.parametrize("path", ["/sign-out", "/auth/logout"])
def test_a_click_on_an_own_page_does(client, path, own):
    sign_in(client)
    assert client.get(path, headers=own).status_code == (303 if path == "/sign-out" else 200)


def test_another_site_signs_nobody_in(client):
    other = {"sec-fetch-site": "cross-site"}
    assert client.post("/sign-in", data={"password": PASSWORD}, headers=other).status_code == 403


@pytest.mark.parametrize(
    "wanted",
    ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", "", "/\t/evil.test", "//["],
)
def test_the_way_back_leads_nowhere_else(client, wanted):
    assert sign_in(client, next=wanted).headers["location"] == "/"


def test_a_wrong_password_is_told_and_ten_are_enough(client):
    for _ in range(10):
        answer = sign_in(client, "wrong horse", next='/"><script>')
        assert answer.status_code == 403
        assert "This is not the password." in answer.text
        assert "<script>" not in answer.text
        assert "set-cookie" not in answer.headers
    answer = sign_in(client)
    assert answer.status_code == 403
    assert "Too many passwords" in answer.text
    assert "Come back in about 15 min" in answer.text


def test_a_form_without_end_is_refused(client):
    assert sign_in(client, "x" * 5000).status_code == 413


def test_passwords_of_any_letters():
    door = Door(Settings(password="pässwörd🔑"))
    assert door.admits({logins.COOKIE: door.logins.enter("pässwörd🔑", "a")})
    with pytest.raises(AccessError, match="not the password"):
        door.logins.enter("password\ud800", "a")


def test_a_login_ends_after_its_days():
    now = [0.0]
    known = logins.Logins(PASSWORD, clock=lambda: now[0])
    token = known.enter(PASSWORD, "a")
    now[0] = logins.DAYS * 24 * 3600 - 1
    assert known.knows(token)
    now[0] += 2
    assert not known.knows(token)


def test_logins_are_bounded(monkeypatch):
    monkeypatch.setattr(logins, "MOST", 3)
    known = logins.Logins(PASSWORD)
    tokens = [known.enter(PASSWORD, "a") for _ in range(5)]
    assert [known.knows(token) for token in tokens] == [False, False, True, True, True]


def test_under_a_path_of_its_own(monkeypatch):
    monkeypatch.setattr(access, "base", lambda: "/esmviz")
    client, _ = served(Settings(password=PASSWORD), base="/esmviz")
    answer = client.get("/esmviz/logits", headers=PAGE)
    assert answer.headers["location"] == "/esmviz/sign-in?next=%2Fesmviz%2Flogits"
    answer = client.post("/esmviz/sign-in", data={"password": PASSWORD, "next": "/esmviz/logits"})
    assert client.get(answer.headers["location"], headers=PAGE).text == "logits"
    assert client.get("/esmviz/healthz").text == "ok"


def test_public_snapshots_open_links_and_what_they_need_but_take_nothing():
    client, _ = served(Settings(password=PASSWORD, public_snapshots=True))
    assert client.get("/?s=abc", headers=PAGE).text == "the page"
    assert client.get("/logits", headers=PAGE).status_code == 303
    assert client.get("/media/x.csv").status_code == 200
    assert client.put("/_stcore/upload_file/a/b").status_code == 401
    with client.websocket_connect("/_stcore/stream") as websocket:
        assert websocket.receive_text() == "in"


@pytest.mark.parametrize("page", sorted((ROOT / "pages").glob("*.py")), ids=lambda path: path.stem)
def test_every_page_asks_who_looks(page):
    frames = [
        line
        for line in page.read_text().splitlines()
        if line.startswith(("with ui.opened(", "with ui.framed("))
    ]
    assert len(frames) == 1


@pytest.mark.parametrize(
    ("bound", "settings", "is_exposed"),
    [
        ("127.0.0.1", {}, False),
        ("localhost", {}, False),
        ("::1", {}, False),
        ("0.0.0.0", {}, True),
        (None, {}, True),
        ("192.0.2.7", {}, True),
        ("0.0.0.0", {"password": PASSWORD}, False),
        ("0.0.0.0", {"open_to_all": True}, False),
    ],
)
def test_a_server_that_others_reach_without_a_login_is_warned_of(
    monkeypatch, caplog, bound, settings, is_exposed
):
    monkeypatch.setattr(access, "door", lambda: Door(Settings(**settings)))
    monkeypatch.setattr(access.st, "get_option", {"server.address": bound}.get)
    access.warn_of_exposure()
    assert access.is_exposed() is is_exposed
    assert ("ESMVIZ_PASSWORD" in caplog.text) is is_exposed


def test_an_account_is_let_in_by_a_verified_address():
    said = {"email": "Ada@Lab.example", "email_verified": True}
    assert logins.is_let_in(said, "bob@x.example, ada@lab.example")
    assert logins.is_let_in(said, "@lab.example")
    for other in ({**said, "email_verified": False}, {**said, "email": "ada@evil-lab.example"}, {}):
        assert not logins.is_let_in(other, "@lab.example")
    assert not logins.is_let_in(said, " , ")


def test_an_address_is_forwarded_only_by_trusted_proxies():
    def seen(client, forwarded, proxies):
        scope = {"type": "http", "client": (client, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
        return gate.address(scope, Settings(trusted_proxies=proxies))

    assert seen("192.0.2.7", "198.51.100.1", None) == "192.0.2.7"
    assert seen("10.0.0.2", "198.51.100.1, 192.0.2.7", "10.0.0.0/8") == "192.0.2.7"
    assert seen("10.0.0.2", "198.51.100.1, 10.9.9.9", "10.0.0.0/8") == "198.51.100.1"
    assert seen("10.0.0.2", "2001:db8:1:2:3::4", "10.0.0.0/8") == "2001:db8:1:2::/64"


EVERY_ROUTE = """
import json, re, streamlit as st
from starlette.testclient import TestClient
from esmviz.ui import server
app = st.App("app.py", **server.options())
inner = app._build_starlette_app()
client, told = TestClient(inner, follow_redirects=False), {}
def walk(routes, prefix=""):
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if getattr(route, "routes", None):
            yield from walk(route.routes, path)
        yield path, sorted(getattr(route, "methods", None) or ["GET"]), type(route).__name__
for path, methods, kind in walk(inner.routes):
    concrete = re.sub(r"{[^}]*}", "x", path) or "/"
    if kind == "WebSocketRoute":
        try:
            with client.websocket_connect(concrete):
                told[path] = ["open"]
        except Exception as error:
            told[path] = [getattr(error, "code", str(error))]
    else:
        told[path] = sorted({client.request(method, concrete).status_code for method in methods})
print("TOLD" + json.dumps(told))
"""


def test_every_route_of_the_real_app_is_behind_it():
    done = subprocess.run(
        [sys.executable, "-c", EVERY_ROUTE],
        cwd=ROOT,
        env={**os.environ, "ESMVIZ_PASSWORD": PASSWORD, "ESMVIZ_WARM_UP": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.partition("TOLD")[2])
    assert len(told) > 15
    assert told["/_stcore/stream"] == [1008]
    closed = {path: codes for path, codes in told.items() if path not in gate.OPEN}
    assert {path for path, codes in closed.items() if codes != [401] and path != "/_stcore/stream"} == set()
    assert {"/3dmol", "/_stcore/host-config", "/media/{file_id:path}"} <= closed.keys()


def test_what_no_provider_signed_is_nobody(monkeypatch):
    monkeypatch.setattr(logins, "get_cookie_secret", lambda: "s" * 32)
    for value in ("", "x", "eyJhIjoxfQ.x.y", "é", "chunks-99999999"):
        assert logins.vouched({logins.USER_COOKIE_NAME: value}) is None
    assert logins.vouched({logins.USER_COOKIE_NAME: signed("t" * 32)}) is None
    assert logins.vouched({logins.USER_COOKIE_NAME: signed("s" * 32)})["sub"] == "1"


def signed(secret, **said):
    said = {"is_logged_in": True, "sub": "1", **said}
    return create_signed_value(secret, logins.USER_COOKIE_NAME, json.dumps(said)).decode()


@pytest.mark.parametrize(
    ("section", "providers"),
    [
        ({}, ()),
        ({"cookie_secret": "s"}, ()),
        ({"client_id": "x", "client_secret": "y"}, ("default",)),
        ({"redirect_uri": "r", "google": {"client_id": "x"}, "lab": {"client_id": "y"}}, ("google", "lab")),
    ],
)
def test_providers_of_streamlits_own_secrets_lock_the_door_too(monkeypatch, section, providers):
    monkeypatch.setattr(access, "get_secrets_auth_section", lambda: section)
    client, door = served(Settings())
    assert door.providers == providers
    assert door.is_locked is bool(providers)
    page = client.get("/sign-in", headers=PAGE).text if providers else ""
    assert [f"Sign in with {name}" in page for name in ("your account", "google", "lab")] == [
        name in providers for name in ("default", "google", "lab")
    ]


def test_a_provider_that_is_not_there_is_not_asked(client):
    assert client.get("/sign-in/with?name=evil").status_code == 404


def test_two_people_at_one_computer_are_two_visitors(monkeypatch):
    monkeypatch.setattr(logins, "get_cookie_secret", lambda: "s" * 32)
    cookie = {visitor.COOKIE: "0" * 32}
    seen = [cookie, *({**cookie, logins.USER_COOKIE_NAME: signed("s" * 32, sub=sub)} for sub in "12")]
    assert len({visitor.known(cookies) for cookies in seen}) == 3
