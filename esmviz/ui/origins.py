"""No page of another site talks to the app through a visitor's browser, whatever name it has itself or gives to us."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from esmviz.addresses import is_loopback
from esmviz.settings import Settings

REFUSAL = "This request comes from a page of another site."
UNNAMED = (
    "This server does not go by the name in this address. On its own machine it is localhost; "
    "an address that a proxy gives it belongs into ESMVIZ_PUBLIC_URL."
)
HERE = ("localhost", "127.0.0.1", "::1")


def keep_to_own_names(settings: Settings) -> None:
    """Let a server for this machine alone go by this machine's names and that of the settings, unless it is told others.

    The name of another site can be made to lead here at any time (DNS rebinding): its page would then be of our origin.
    """
    bound = st.get_option("server.address")
    is_at_home = bound is not None and is_loopback(str(bound))
    if is_at_home and not settings.trusted_proxies and not st.get_option("server.allowedHosts"):
        public = urlsplit(settings.public_url or "").hostname
        config.set_option("server.allowedHosts", [*HERE, str(bound), *filter(None, [public])])


class SameOrigin:
    """ASGI middleware that refuses what a page of another origin asks.

    Streamlit would let any page on ``localhost`` open its websocket, and to judge an origin that it does not know it asks
    a host on the internet for this server's own address, while every other visitor waits.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = "" if is_ours(headers) else REFUSAL
        if not is_host_allowed(headers.get("host")):
            refusal = UNNAMED
        if not refusal:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(refusal, 403)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[:120]})


def is_own_click(headers: Headers) -> bool:
    """Whether a visitor asked for an address on a page of this server, or typed it: what a link or a picture elsewhere
    asks for is not their wish. Browsers say so under https and on localhost; without, they name the page they come from.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    try:
        return urlsplit(headers.get("referer", "")).netloc == headers.get("host")
    except ValueError:
        return False


def is_ours(headers: Headers) -> bool:
    """Whether a request comes from a page of this server, of one that the settings of Streamlit allow, or from none."""
    origin = headers.get("origin")
    if origin is None or not st.get_option("server.enableCORS"):
        return True
    try:
        place, name = urlsplit(origin).netloc, urlsplit(origin).hostname
    except ValueError:
        return False
    if not name:  # also the origin "null" of a sandboxed page
        return False
    is_named = config.is_manually_set(
        "browser.serverAddress"
    )  # a proxy may call us otherwise than the visitor does
    return (
        place == headers.get("host")
        or origin in st.get_option("server.corsAllowedOrigins")
        or (is_named and name == st.get_option("browser.serverAddress"))
    )
