"""What a trusted proxy says of how the browser came: encrypted or not."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from esmviz.addresses import contains, networks
from esmviz.settings import Settings
from esmviz.ui.resources import workbench

ENCRYPTED = {"http": "https", "websocket": "wss"}


class ProxiedScheme:
    """ASGI middleware that believes ``X-Forwarded-Proto`` of ``ESMVIZ_TRUSTED_PROXIES``: cookies are encrypted then.

    uvicorn does so for a proxy on this machine alone, and puts another address in its place, so that what it believed
    stays. Of several words the last is the nearest proxy's own.
    """

    def __init__(self, app: ASGIApp, settings: Settings | None = None) -> None:
        self.app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ENCRYPTED and self._is_encrypted(scope):
            scope = {**scope, "scheme": ENCRYPTED[scope["type"]]}
        await self.app(scope, receive, send)

    def _is_encrypted(self, scope: Scope) -> bool:
        trusted = (self._settings or workbench().settings).trusted_proxies
        if not trusted or not scope.get("client"):
            return False
        said = Headers(scope=scope).getlist("x-forwarded-proto")
        words = [word.strip().lower() for word in ",".join(said).split(",")]
        return words[-1] in ("https", "wss") and contains(
            networks(trusted, "ESMVIZ_TRUSTED_PROXIES"), scope["client"][0]
        )
