"""Headers of every response, and who may ask."""

import asyncio
import base64
import hashlib
import re

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from streamlit import config

from esmviz.settings import Settings
from esmviz.ui import headers, origins

HOST = "lab.example:8501"


async def hello(scope, receive, send):
    await PlainTextResponse("hello", headers={"x-frame-options": "ALLOWALL"})(scope, receive, send)


async def broken(scope, receive, send):
    raise RuntimeError("a fault of ours")


def messages(app, path="/", kind="http", **given):
    """What an application sends for one request."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": f"{kind}.connect"}

    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    asyncio.run(app({"type": kind, "path": path, "method": "GET", "headers": raw}, receive, send))
    return sent


def test_every_response_has_the_headers_in_place_of_others():
    sent = Headers(scope=messages(headers.SecurityHeaders(hello))[0])
    assert sent["content-security-policy"] == headers.policy()
    assert {name: sent[name] for name in headers.HEADERS} == headers.HEADERS
    assert sent.getlist("x-frame-options") == ["SAMEORIGIN"]
    assert sent["content-type"].startswith("text/plain")


def test_the_policy_names_no_host_and_allows_no_inline_script_but_its_own():
    rules = dict(rule.split(" ", 1) for rule in headers.policy().split("; "))
    assert not re.search(r"https?:|wss?:|\*", headers.policy())
    assert "'unsafe-inline'" not in rules["script-src"]
    digest = hashlib.sha256(headers.ROOT_SCRIPT.encode()).digest()
    assert f"'sha256-{base64.b64encode(digest).decode()}'" in rules["script-src"]
    assert rules["connect-src"] == "'self' data: blob:"


def test_a_file_may_do_nothing_and_is_kept_nowhere():
    sent = Headers(scope=messages(headers.SecurityHeaders(hello), "/media/abc.html")[0])
    assert sent["content-security-policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
    assert sent["cache-control"] == "private, no-store"


def test_a_failure_has_them_too_and_goes_on_to_the_log():
    sent = []

    async def send(message):
        sent.append(message)

    with pytest.raises(RuntimeError, match="a fault of ours"):
        asyncio.run(headers.SecurityHeaders(broken)({"type": "http", "path": "/"}, None, send))
    assert sent[0]["status"] == 500
    assert Headers(scope=sent[0])["x-content-type-options"] == "nosniff"
    assert b"fault" not in sent[1]["body"]


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"http://{HOST}", 200),
        (f"https://{HOST}", 200),
        ("http://lab.example", 403),
        ("http://localhost:3000", 403),
        (f"http://{HOST}.evil.example", 403),
        (f"http://{HOST}@evil.example", 403),
        ("null", 403),
        ("http://[", 403),
        ("", 403),
    ],
)
def test_only_pages_of_this_server_may_ask(origin, status):
    app = origins.SameOrigin(hello)
    assert messages(app, host=HOST, origin=origin)[0]["status"] == status


def test_who_sends_no_origin_is_no_page():
    assert messages(origins.SameOrigin(hello), host=HOST)[0]["status"] == 200


def test_a_foreign_websocket_is_closed_before_it_opens(monkeypatch):
    def asked(*_):
        raise AssertionError("the server asked the internet for its own address")

    monkeypatch.setattr("streamlit.net_util.get_external_ip", asked)
    app = origins.SameOrigin(broken)
    sent = messages(app, "/_stcore/stream", "websocket", host=HOST, origin="http://evil.example")
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": origins.REFUSAL}]


def test_origins_that_the_server_is_told_of_may_ask(monkeypatch):
    told = {"server.enableCORS": True, "server.corsAllowedOrigins": ["https://portal.example"]}
    monkeypatch.setattr(origins.st, "get_option", told.get)
    assert origins.is_ours(Headers({"host": HOST, "origin": "https://portal.example"}))
    assert not origins.is_ours(Headers({"host": HOST, "origin": "https://other.example"}))
    told["browser.serverAddress"] = "esm.example"
    monkeypatch.setattr(origins.config, "is_manually_set", lambda option: True)
    assert origins.is_ours(Headers({"host": "127.0.0.1:8501", "origin": "https://esm.example"}))


@pytest.mark.parametrize(
    ("bound", "settings", "given", "host", "may_ask"),
    [
        ("127.0.0.1", {}, [], "localhost:8501", True),
        ("127.0.0.1", {}, [], "[::1]:8501", True),
        ("127.0.0.1", {}, [], "rebound.evil.example:8501", False),
        ("localhost", {}, [], "rebound.evil.example", False),
        ("127.0.0.1", {}, [], "localhost.evil.example", False),
        ("127.0.0.1", {"public_url": "https://esm.example/app"}, [], "esm.example", True),
        ("127.0.0.1", {"public_url": "https://esm.example/app"}, [], "rebound.evil.example", False),
        ("127.0.0.1", {"trusted_proxies": "127.0.0.1"}, [], "esm.example", True),
        ("127.0.0.1", {}, ["*.lab.example"], "esm.lab.example", True),
        ("127.0.0.1", {}, ["*.lab.example"], "localhost:8501", False),
        ("0.0.0.0", {}, [], "esm.example", True),
        (None, {}, [], "esm.example", True),
    ],
)
def test_a_server_for_this_machine_goes_by_no_other_name(bound, settings, given, host, may_ask):
    was = {name: config.get_option(name) for name in ("server.address", "server.allowedHosts")}
    try:
        config.set_option("server.address", bound)
        config.set_option("server.allowedHosts", given)
        origins.keep_to_own_names(Settings(**settings))
        sent = messages(origins.SameOrigin(hello), host=host, origin=f"http://{host}")
        assert sent[0]["status"] == (200 if may_ask else 403)
        [closed] = messages(origins.SameOrigin(broken), kind="websocket", host="a", origin="http://b")
        assert len(closed["reason"].encode()) <= 123  # the most that a close frame holds
    finally:
        for name, value in was.items():
            config.set_option(name, value)
