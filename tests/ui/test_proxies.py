"""Whether the browser came encrypted is said by trusted proxies alone."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from esmviz.settings import Settings
from esmviz.ui.cookies import HostCookies
from esmviz.ui.proxies import ProxiedScheme
from esmviz.ui.visitor import VisitorCookie

PAGE = {"accept": "text/html"}


def answer(peer, trusted, **headers):
    """A page, asked by a peer."""
    guards = [
        Middleware(ProxiedScheme, settings=Settings(trusted_proxies=trusted)),
        Middleware(HostCookies),
        Middleware(VisitorCookie),
    ]
    routes = [Route("/", lambda request: PlainTextResponse(request.url.scheme))]
    client = TestClient(Starlette(routes=routes, middleware=guards), client=(peer, 4711))
    return client.get("/", headers={**PAGE, **headers})


@pytest.mark.parametrize(
    ("peer", "trusted", "said", "scheme"),
    [
        ("10.0.0.5", "10.0.0.0/8", "https", "https"),
        ("10.0.0.5", "10.0.0.0/8", "http, HTTPS", "https"),
        ("10.0.0.5", "10.0.0.0/8", "https, http", "http"),  # the nearest was asked without encryption
        ("10.0.0.5", "10.0.0.0/8", "gopher", "http"),
        ("192.0.2.7", "10.0.0.0/8", "https", "http"),
        ("10.0.0.5", None, "https", "http"),
    ],
)
def test_a_trusted_proxy_is_believed_and_nobody_else(peer, trusted, said, scheme):
    asked = answer(peer, trusted, **{"x-forwarded-proto": said})
    assert asked.text == scheme
    cookie = asked.headers["set-cookie"]
    assert cookie.startswith("__Host-esmviz_visitor=") == ("; Secure" in cookie) == (scheme == "https")


def test_without_a_word_nothing_changes():
    assert answer("10.0.0.5", "10.0.0.0/8").text == "http"
