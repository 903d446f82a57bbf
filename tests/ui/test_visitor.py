"""The cookie that tells one browser from another."""

import hashlib
from http.cookies import SimpleCookie

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from esmviz.ui import server, visitor

PAGE = {"accept": "text/html,*/*"}


@pytest.fixture
def app():
    """A page, a page that the browser has already, a file and a failure, behind the middleware."""
    routes = [
        Route("/", lambda request: HTMLResponse("<p>", headers={"cache-control": "no-cache"})),
        Route("/same", lambda request: Response(status_code=304)),
        Route("/file", lambda request: PlainTextResponse("x")),
        Route("/failed", lambda request: HTMLResponse("<p>", status_code=500)),
    ]
    return Starlette(routes=routes, middleware=[Middleware(visitor.VisitorCookie)])


def cookie(response):
    return SimpleCookie(response.headers.get("set-cookie", "")).get(visitor.COOKIE)


@pytest.mark.parametrize("path", ["/", "/same"])
def test_the_page_brings_a_cookie_that_no_script_reads(app, path):
    response = TestClient(app).get(path, headers=PAGE)
    given = cookie(response)
    assert len(bytes.fromhex(given.value)) == 16
    assert given["httponly"] is True
    assert given["samesite"] == "Lax"
    assert given["path"] == "/"
    assert not given["secure"]
    assert response.headers["cache-control"] == "private, no-cache"


def test_an_encrypted_page_keeps_it_encrypted(app):
    assert cookie(TestClient(app, base_url="https://testserver").get("/", headers=PAGE))["secure"] is True


@pytest.mark.parametrize(
    ("path", "accept"), [("/file", "*/*"), ("/failed", "text/html"), ("/", "application/json")]
)
def test_nothing_else_does(app, path, accept):
    assert cookie(TestClient(app).get(path, headers={"accept": accept})) is None


def test_a_browser_keeps_its_cookie_and_two_differ(app):
    one, other = TestClient(app), TestClient(app)
    first = cookie(one.get("/", headers=PAGE)).value
    assert cookie(one.get("/", headers=PAGE)).value == first
    assert cookie(other.get("/", headers=PAGE)).value != first


@pytest.mark.parametrize("token", ["", "x", "A" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", "é" * 32])
def test_what_is_no_cookie_of_ours_is_nobody_and_replaced(app, token):
    assert visitor.known({visitor.COOKIE: token}) is None
    response = TestClient(app).get("/", headers={**PAGE, "cookie": f"{visitor.COOKIE}={token}".encode()})
    assert len(cookie(response).value) == 32
    assert cookie(response).value != token


def test_a_browser_is_known_by_a_digest():
    token = "0123456789abcdef" * 2
    assert visitor.known({visitor.COOKIE: token}) == hashlib.sha256(token.encode()).hexdigest()
    assert visitor.known({}) is None


def test_the_app_has_the_middleware():
    assert visitor.VisitorCookie in [item.cls for item in server.options()["middleware"]]
