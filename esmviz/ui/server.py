"""The ASGI application around the pages: headers on every response, the models warmed up before the first visitor."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import streamlit as st
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager

from esmviz import sequences, views
from esmviz.allocator import few_arenas, give_back_at_collections, idle_threads_sleep
from esmviz.types import Provenance
from esmviz.ui import (
    access,
    cookies,
    errors,
    gate,
    headers,
    molecule,
    monitoring,
    origins,
    proxies,
    room,
    visitor,
)


class RootAddress:
    """ASGI middleware that tells the page where its server is."""

    SCRIPT = f"<head><script>{headers.ROOT_SCRIPT}</script>".encode()

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = dict(scope.get("headers", ())).get(b"accept", b"")
        if scope["type"] != "http" or b"text/html" not in wanted or st.get_option("server.baseUrlPath"):
            await self.app(scope, receive, send)
            return
        plain = [
            pair for pair in scope["headers"] if pair[0] != b"accept-encoding"
        ]  # else it comes compressed
        await self.app({**scope, "headers": plain}, receive, self._with_script(send))

    def _with_script(self, send: Send) -> Send:
        start: Message | None = None

        async def send_with_script(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message  # its length depends on the body
                return
            body = message.get("body", b"")
            if start is not None:
                changed = body.replace(b"<head>", self.SCRIPT, 1)
                await send(
                    {
                        **start,
                        "headers": [
                            longer(name, value, len(changed) - len(body)) for name, value in start["headers"]
                        ],
                    }
                )
                start, body = None, changed
            await send({**message, "body": body} if message["type"] == "http.response.body" else message)

        def longer(name: bytes, value: bytes, by: int) -> tuple[bytes, bytes]:
            return name, b"%d" % (int(value) + by) if name == b"content-length" else value

        return send_with_script


# A visitor who is already waiting gets the page first, at twice the speed; its first figure then loads the model.
FIRST_PAGE_SECONDS = 2.0


def rehearse() -> None:
    """Do once what the first page does, so that no visitor's page imports it while torch is being imported too."""
    # Plotly looks for pandas among the loaded modules and stumbles over one that another thread is still importing.
    import pandas  # noqa: F401

    inspect.stack()  # Streamlit asks for it in its first run; it looks at every loaded module, torch's thousands too
    record = sequences.example().records[0]
    expectation = np.zeros(len(record), dtype=np.float32)
    views.entropy_profile(expectation, record, Provenance("", "", "float32"))


@asynccontextmanager
async def _lifespan(_: Any) -> AsyncIterator[None]:
    from esmviz.ui.resources import workbench

    access.warn_of_exposure()
    rehearse()
    bench = workbench()
    origins.keep_to_own_names(bench.settings)
    # One limit: what is refused later anyway does not lie in memory first.
    config.set_option("server.maxUploadSize", bench.settings.max_upload_mb)
    threading.Thread(target=bench.sharing.prepare, daemon=True).start()
    if bench.settings.warm_up:
        waiting = threading.Timer(FIRST_PAGE_SECONDS, bench.warm_up)
        waiting.daemon = True
        waiting.start()
    yield
    monitoring.READY.end()


def options() -> dict[str, Any]:
    """What ``st.App`` is called with."""
    # Before the first run of st.navigation a deep link such as /logits would execute the page file alone.
    PagesManager.uses_pages_directory = False
    monitoring.open_log()
    few_arenas()
    idle_threads_sleep()
    give_back_at_collections()
    fences = (
        proxies.ProxiedScheme,
        RootAddress,
        headers.SecurityHeaders,
        origins.SameOrigin,
        cookies.HostCookies,
    )
    guards = (*fences, visitor.VisitorCookie, gate.Gate, room.Room, monitoring.NoFrameworkMetrics)
    middleware = [Middleware(guard) for guard in guards]
    return {
        "lifespan": _lifespan,
        "middleware": middleware,
        "routes": [*molecule.routes(), *monitoring.routes()],
        "on_script_error": errors.show_unforeseen,
        "secrets": access.provider_secrets(access.door().settings),
    }
