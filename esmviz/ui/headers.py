"""What every response says of itself to the browser: where its page may fetch from, and who may use or frame it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import file_util

# The page looks for its server's address in the folder of a deep link such as /logits first, and logs an error.
ROOT_SCRIPT = "window.__streamlit = {BACKEND_BASE_URL: location.origin}"

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "same-origin",  # with no-referrer our own forms would come from an origin called null
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# A file that is opened instead of saved runs nothing and reaches nothing.
OF_FILES = "default-src 'none'; sandbox; frame-ancestors 'none'"

_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@cache
def policy() -> str:
    """The content security policy of the page.

    Everything comes from this server, so that no text of a visitor can make another visitor's browser call a foreign
    host; ``connect-src 'self'`` holds for websockets, too. 'unsafe-eval': plotly compiles its WebGL points by
    ``new Function``. Styles are inline since Streamlit writes them with scripts, without a nonce.
    """
    return (
        f"default-src 'self'; script-src 'self' {' '.join(_hashes())} 'unsafe-eval' blob:; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; frame-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
    )


def _hashes() -> list[str]:
    """Of the scripts that stand in the page itself: no other inline script runs."""
    page = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    digests = [hashlib.sha256(script.encode()).digest() for script in [ROOT_SCRIPT, *_INLINE.findall(page)]]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


class SecurityHeaders:
    """ASGI middleware that sets the headers of every HTTP response, also where the app fails."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_file = "/media/" in scope.get("path", "")
        has_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_started
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                has_started = True
                headers = MutableHeaders(scope=message)
                headers.update({"content-security-policy": OF_FILES if is_file else policy(), **HEADERS})
                if is_file:
                    headers.setdefault("cache-control", "private, no-store")
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            if scope["type"] == "http" and not has_started:
                failed = PlainTextResponse("Something went wrong. The server's log says what.", 500)
                await failed(scope, receive, send_with_headers)
            raise  # for the log
