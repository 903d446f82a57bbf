"""Who looks at a page, without a name: one random cookie for each browser."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from esmviz.ui.cookies import VISITOR as COOKIE
from esmviz.ui.logins import vouched
from esmviz.ui.place import base

DAYS = 365

_TOKEN = re.compile(r"[0-9a-f]{32}")  # 128 random bits


def browser() -> str | None:
    """This visitor's browser in a run of a script; None where there is none, or it takes no cookies."""
    return known(st.context.cookies)


def known(cookies: Mapping[str, str]) -> str | None:
    """The browser that sent these cookies: a digest, since who knows the cookie itself is that visitor.

    Two people who sign in at one computer are two visitors.
    """
    token = str(cookies.get(COOKIE))
    if not _TOKEN.fullmatch(token):
        return None
    account = (vouched(cookies) or {}).get("sub", "")
    return hashlib.sha256(f"{token}{account}".encode()).hexdigest()


class VisitorCookie:
    """ASGI middleware that gives every browser its cookie, with the page itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                headers = MutableHeaders(scope=message)
                headers.append("set-cookie", cookie)
                headers["cache-control"] = "private, no-cache"  # no proxy hands one visitor's to another
            await send(message)

        if scope["type"] != "http" or "text/html" not in Headers(scope=scope).get("accept", ""):
            await self.app(scope, receive, send)
            return
        cookie = _set_cookie(scope)
        await self.app(scope, receive, send_with_cookie)


def _set_cookie(scope: Scope) -> str:
    """The header that sets the cookie, or lets the one there is live on."""
    given = cookie_parser(Headers(scope=scope).get("cookie", "")).get(COOKIE, "")
    token = given if _TOKEN.fullmatch(given) else secrets.token_hex(16)
    return set_cookie(COOKIE, token, scope, seconds=DAYS * 24 * 3600)


def set_cookie(name: str, value: str, scope: Scope, *, seconds: int) -> str:
    """A ``Set-Cookie`` header that no script can read and no other site sends; encrypted pages keep it encrypted."""
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{name}={value}; Path={base() or '/'}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
