"""No visitor takes the room of all the others: what a tab uploads or says is bounded, and so are the connections of an
address.

Streamlit keeps every upload of an open tab under whatever name the browser gives it, and what its widgets said last, and
counts nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

from esmviz.settings import Settings
from esmviz.ui.gate import address
from esmviz.ui.place import base
from esmviz.ui.resources import workbench
from esmviz.ui.shelf import TABS

UPLOADS = "/_stcore/upload_file/"
UPLOADERS = 4  # proteins, labels, a structure, a saved session: what one tab can hold at a time
FULL = "This server has too little free memory for an upload. Please try again in a minute."
LEAST_RATE = 64 << 10  # bytes a second that an upload must come at, after a minute's grace
GRACE = 60.0
LONG = 1 << 20  # bytes of a message that is weighed: a set that was pasted, and goes along with every click
TIMES_IN_MEMORY = 8  # a text of wide letters, as bytes, decoded and kept
MUCH = "This tab has uploaded {} MB already, and this server keeps no more of one. Please reload the page and try again."

BUSY = "Other uploads from your network are under way. Please try again when they have arrived."
SLOW = "This upload came too slowly and was ended. Please try again, or with a smaller file."

_full = PlainTextResponse(FULL, 503, {"retry-after": "60"})
_busy = PlainTextResponse(BUSY, 429, {"retry-after": "20"})
_slow = PlainTextResponse(SLOW, 408, {"connection": "close"})


class Room:
    """ASGI middleware that refuses an upload, a websocket or what it says, for which there is no room.

    Parameters
    ----------
    settings, has_room, held : optional
        By default those of this process: whether there is memory for so many bytes, and bytes that a connection has
        uploaded, by name.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings | None = None,
        has_room: Callable[[int], bool] | None = None,
        held: Callable[[str], dict[str, int]] | None = None,
    ) -> None:
        self.app, self._settings = app, settings
        self._has_room = has_room or (lambda n_bytes: workbench().has_room(n_bytes))
        self._held = held or _held
        self._coming: Counter[str] = Counter()  # bytes under way, by connection
        # The same by address: a size is easily claimed, and memory made for it.
        self._sending: Counter[str] = Counter()
        self._open: Counter[str] = Counter()  # websockets, by address
        self._said: Counter[str] = Counter()  # the longest message of each, together, by address

    @property
    def settings(self) -> Settings:
        return self._settings or workbench().settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "PUT" and UPLOADS in scope["path"]:
            await self._upload(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        at = address(scope, self.settings)
        if self._open[at] >= TABS * self.settings.visitors_per_address:
            await receive()
            await send({"type": "websocket.close", "code": 1013})  # try again later
            return
        with _counted(self._open, at, 1):
            await self._listen(at, scope, receive, send)

    async def _listen(self, at: str, scope: Scope, receive: Receive, send: Send) -> None:
        """The websocket, until it says more than there is room for: the page holds what its widgets said last."""
        largest, is_over = 0, False

        async def receive_bounded() -> Message:
            nonlocal largest, is_over
            message = await receive()
            size = len(message.get("bytes") or message.get("text") or "")
            if size > largest:
                self._said[at] += size - largest
                largest = size
            if size > LONG and not await self._fits(at, size):
                is_over = True
                await send({"type": "websocket.close", "code": 1009})
                return {"type": "websocket.disconnect", "code": 1009}
            return message

        async def send_while_open(message: Message) -> None:
            if not is_over:
                await send(message)

        try:
            await self.app(scope, receive_bounded, send_while_open)
        finally:
            self._said[at] -= largest
            if not self._said[at]:
                del self._said[at]

    async def _fits(self, at: str, size: int) -> bool:
        if self._said[at] > UPLOADERS * self.settings.max_upload_mb << 20:
            return False
        return await asyncio.to_thread(self._has_room, TIMES_IN_MEMORY * size)

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection, _, name = scope["path"].removeprefix(base() + UPLOADS).partition("/")
        most = self.settings.max_upload_mb << 20
        said = Headers(scope=scope).get("content-length", "")
        size = int(said) if said.isdecimal() else most  # Streamlit stops reading there
        others = sum(n for other, n in self._held(connection).items() if other != name)
        if others + self._coming[connection] + size > UPLOADERS * most:
            await PlainTextResponse(MUCH.format(others >> 20), 413)(scope, receive, send)
            return
        at = address(scope, self.settings)
        if self._sending[at] + size > UPLOADERS * most:
            await _busy(scope, receive, send)
            return
        # Counted before anything is awaited: several come at once.
        with _counted(self._coming, connection, size), _counted(self._sending, at, size):
            has_room = await asyncio.to_thread(self._has_room, self._coming.total())
            app = self.app if has_room else _full
            await _in_time(app)(scope, receive, send)


def _in_time(app: ASGIApp) -> ASGIApp:
    """The application, ended where what it reads comes too slowly, unless it has begun to answer."""

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        begun, n_bytes, is_answered = asyncio.get_running_loop().time(), 0, False

        async def receive_in_time() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            _move(limit, begun + GRACE + n_bytes / LEAST_RATE)
            return message

        async def send_and_stay(message: Message) -> None:
            nonlocal is_answered
            is_answered = True
            _move(limit, None)
            await send(message)

        try:
            async with asyncio.timeout_at(begun + GRACE) as limit:
                await app(scope, receive_in_time, send_and_stay)
        except TimeoutError:
            if not limit.expired():
                raise
            if not is_answered:
                await _slow(scope, receive, send)

    return timed


def _move(limit: asyncio.Timeout, when: float | None) -> None:
    if not limit.expired():  # what is being ended has no other limit
        limit.reschedule(when)


@contextmanager
def _counted(counts: Counter[str], name: str, n: int) -> Iterator[None]:
    """Count while it lasts; a name that has nothing is forgotten."""
    counts[name] += n
    try:
        yield
    finally:
        counts[name] -= n
        if not counts[name]:
            del counts[name]


def _held(connection: str) -> dict[str, int]:
    """What Streamlit keeps of a connection's uploads."""
    kept = runtime.get_instance().uploaded_file_mgr.file_storage  # type: ignore[attr-defined]  # in memory, as we run it
    return {name: len(file.data) for name, file in dict(kept.get(connection, {})).items()}
