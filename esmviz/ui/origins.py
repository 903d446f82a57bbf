"""No page of another site talks to the app through a visitor's browser."""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit import config

REFUSAL = "This request comes from a page of another site."


class SameOrigin:
    """ASGI middleware that refuses what a page of another origin asks.

    Streamlit would let any page on ``localhost`` open its websocket, and to judge an origin that it does not know it asks
    a host on the internet for this server's own address, while every other visitor waits.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or is_ours(Headers(scope=scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(REFUSAL, 403)(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": REFUSAL})


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
