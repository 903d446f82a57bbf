"""Our cookies under https: no other host can plant them, be it a neighbour under the same domain.

A browser takes a cookie named ``__Host-…`` only from the host itself, encrypted and for all its paths. Everything else
here calls them by their plain names, which is what they are called without encryption.
"""

from __future__ import annotations

import re
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.web.server.starlette.starlette_server_config import (
    SESSION_COOKIE_NAME,
    TOKENS_COOKIE_NAME,
    USER_COOKIE_NAME,
)

VISITOR, LOGIN = "esmviz_visitor", "esmviz_login"
NEXT = "esmviz_next"  # where to, once the provider has sent the browser back to the first page
# Streamlit's are of the login through a provider. Its XSRF cookie is read by the page's script, by its plain name.
OURS = frozenset({VISITOR, LOGIN, NEXT, SESSION_COOKIE_NAME, TOKENS_COOKIE_NAME, USER_COOKIE_NAME})
PREFIX = "__Host-"


class HostCookies:
    """ASGI middleware that gives our cookies the prefix on the way out and takes it off on the way in.

    Under https a plain one is nobody's, and so is one that comes twice.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("scheme") not in ("https", "wss"):
            await self.app(scope, receive, send)
            return

        async def send_with_prefix(message: Message) -> None:
            if message["type"] in (
                "http.response.start",
                "websocket.accept",
                "websocket.http.response.start",
            ):
                message = {**message, "headers": [_out(*pair) for pair in message.get("headers", ())]}
            await send(message)

        await self.app({**scope, "headers": _in(scope["headers"])}, receive, send_with_prefix)


def _in(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers of a request with only those of our cookies that have the prefix, without it."""
    texts = [value.decode("latin-1") for name, value in headers if name == b"cookie"]
    pairs = [pair.strip(" ") for text in texts for pair in text.split(";")]
    counts = Counter(pair.partition("=")[0] for pair in pairs)
    kept = []
    for pair in pairs:
        name = _name(pair).removeprefix(PREFIX)
        if not _is_ours(name):
            kept.append(pair)
        elif pair.startswith(f"{PREFIX}{name}=") and counts[PREFIX + name] == 1:
            kept.append(pair.removeprefix(PREFIX))
    others = [(name, value) for name, value in headers if name != b"cookie"]
    return [*others, (b"cookie", "; ".join(kept).encode("latin-1"))] if kept else others


def _out(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header of a response; a cookie of ours gets what the prefix asks for."""
    text = value.decode("latin-1")
    if name.lower() != b"set-cookie" or not _is_ours(_name(text)):
        return name, value
    text = re.sub(r"(?i);\s*(path|domain|secure)\b[^;]*", "", text)
    return name, f"{PREFIX}{text}; Path=/; Secure".encode("latin-1")


def _name(pair: str) -> str:
    """As Starlette reads it, which takes more than ASCII for blanks."""
    return pair.partition("=")[0].strip()


def _is_ours(name: str) -> bool:
    """Streamlit cuts a long cookie into pieces, with numbers behind its name."""
    return re.sub(r"_[0-9]+\Z", "", name) in OURS
