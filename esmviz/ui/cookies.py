"""Our cookies under https: no other host can plant them, be it a neighbour under the same domain.

A browser takes a cookie named ``__Host-…`` only from the host itself, encrypted and for all its paths. Everything else
here calls them by their plain names, which is what they are called without encryption.
"""

from __future__ import annotations

import re
from collections import Counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

VISITOR, LOGIN = "esmviz_visitor", "esmviz_login"
NEXT = "esmviz_next"  # where to, once the provider has sent the browser back to the first page
OURS = frozenset({VISITOR, LOGIN, NEXT})
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
    pairs = [pair.strip() for name, value in headers if name == b"cookie" for pair in value.split(b";")]
    counts = Counter(_name(pair) for pair in pairs)
    kept = []
    for pair in pairs:
        name = _name(pair)
        if name in OURS or (name.removeprefix(PREFIX) in OURS and counts[name] > 1):
            continue
        kept.append(pair.removeprefix(PREFIX.encode()) if name.removeprefix(PREFIX) in OURS else pair)
    others = [(name, value) for name, value in headers if name != b"cookie"]
    return [*others, (b"cookie", b"; ".join(kept))] if kept else others


def _out(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """A header of a response; a cookie of ours gets what the prefix asks for."""
    if name.lower() != b"set-cookie" or _name(value) not in OURS:
        return name, value
    text = re.sub(r"(?i);\s*(path|domain|secure)\b[^;]*", "", value.decode("latin-1"))
    return name, f"{PREFIX}{text}; Path=/; Secure".encode("latin-1")


def _name(pair: bytes) -> str:
    return pair.split(b"=", 1)[0].strip().decode("latin-1")
