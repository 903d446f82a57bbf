"""A visitor's tab without a browser: the websocket that one opens, the messages it sends, what it keeps of the answers.

Only what this app uses of Streamlit's protocol is here: elements with their widgets, page changes, fragments that rerun
by themselves, messages that the browser holds already, uploads.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

XSRF = "_streamlit_xsrf"
MOST_BYTES = 200 << 20  # of a message
RUNS_KEPT = 2  # a browser forgets a message that this many runs did not show


@dataclass
class Shown:
    """What the tab shows after one interaction.

    Attributes
    ----------
    kinds : list of str
        The elements, as ``plotly_chart`` or ``dataframe``.
    errors : list of str
        Red boxes and tracebacks.
    waited : bool
        Whether a computation ran meanwhile, so that it was not answered from memory.
    """

    kinds: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    waited: bool = False


class Tab:
    """One tab; ``open`` before anything else. Every act returns once the page has come to rest.

    Parameters
    ----------
    url : str
        Of the server.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.n_bytes = 0
        self._http = httpx.AsyncClient(base_url=url, timeout=120)
        self._pages: dict[str, str] = {}  # url path -> hash of the script
        self._page = self._query = self._session_id = ""
        self._elements: dict[tuple[int, ...], Any] = {}
        self._widgets: dict[str, WidgetState] = {}
        self._held: dict[str, tuple[int, Any]] = {}  # message hash -> run that last showed it, element
        self._reruns: dict[str, asyncio.Task[None]] = {}  # by fragment
        self._n_runs = 0
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        await self._http.get("/", headers={"accept": "text/html"})
        await self._http.get("/_stcore/health")  # sets the cookie against forged requests
        cookies = "; ".join(f"{name}={value}" for name, value in self._http.cookies.items())
        address = urlsplit(self.url)
        self._socket = await connect(
            f"ws://{address.netloc}/_stcore/stream",
            origin=self.url,  # type: ignore[arg-type]
            subprotocols=["streamlit", self._http.cookies.get(XSRF, "none")],  # type: ignore[list-item]
            additional_headers={"Cookie": cookies},
            max_size=MOST_BYTES,
            max_queue=None,  # a browser reads while its visitor looks, and does not ping
            ping_interval=None,
            open_timeout=120,
            proxy=None,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop_reruns()
        if self._socket is not None:
            await self._socket.close()
        await self._http.aclose()

    async def open(self, page: str = "") -> Shown:
        """The first visit, or a click on a page's name."""
        self._page, self._query = self._pages.get(page, ""), ""
        self._widgets.clear()
        return await self._rerun(page_name=page)

    def options(self, key: str) -> list[str]:
        """What the selectbox of that key offers; empty where the page has none."""
        found = self._find(key)
        return list(found.options) if found is not None and hasattr(found, "options") else []

    def range(self, key: str) -> tuple[float, float] | None:
        """Ends of a slider; None where the page has none."""
        found = self._find(key)
        return None if found is None else (found.min, found.max)

    async def choose(self, key: str, text: str) -> Shown:
        """Pick an option of a selectbox."""
        self._state(key).string_value = text
        return await self._rerun()

    async def slide(self, key: str, value: float) -> Shown:
        """Move a slider."""
        state = self._state(key)
        state.ClearField("double_array_value")
        state.double_array_value.data.append(value)
        return await self._rerun()

    async def upload(self, name: str, content: bytes, key: str = "upload") -> Shown:
        """Drop a file on an uploader."""
        request = BackMsg()
        request.file_urls_request.request_id = name
        request.file_urls_request.file_names.append(name)
        request.file_urls_request.session_id = self._session_id
        await self._send(request)
        while (answer := await self._receive()).WhichOneof("type") != "file_urls_response":
            pass
        [urls] = answer.file_urls_response.file_urls
        headers = {"X-Xsrftoken": self._http.cookies.get(XSRF, "")}
        sent = await self._http.put(urls.upload_url, files={"file": (name, content)}, headers=headers)
        sent.raise_for_status()
        state = self._state(key)
        state.ClearField("file_uploader_state_value")
        info = state.file_uploader_state_value.uploaded_file_info.add()
        info.file_id, info.name, info.size = urls.file_id, name, len(content)
        info.file_urls.CopyFrom(urls)
        return await self._rerun()

    def _find(self, key: str) -> Any:
        for element in self._elements.values():
            if getattr(element, "id", "").endswith(f"-{key}"):
                return element
        return None

    def _state(self, key: str) -> WidgetState:
        found = self._find(key)
        if found is None:
            raise LookupError(f"The page has no widget {key}.")
        return self._widgets.setdefault(found.id, WidgetState(id=found.id))

    async def _rerun(self, page_name: str = "", fragment: str = "") -> Shown:
        await self._ask(page_name, fragment)
        shown, has_begun = Shown(), False  # what came while the visitor looked is of an earlier run
        while True:
            message = await self._receive()
            kind = message.WhichOneof("type")
            if kind == "new_session" and not message.metadata.run.fragment_ids:
                has_begun = True
            if kind == "auto_rerun":
                shown.waited = True
            if not has_begun:
                continue
            if kind == "script_finished" and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                if not self._reruns:
                    return self._at_rest(shown)
            elif (
                kind == "script_finished"
                and message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR
            ):
                raise RuntimeError("A page does not compile.")
            elif kind == "session_event" and message.session_event.HasField("script_compilation_exception"):
                raise RuntimeError(message.session_event.script_compilation_exception.message)

    def _at_rest(self, shown: Shown) -> Shown:
        self._held = {key: held for key, held in self._held.items() if self._n_runs - held[0] < RUNS_KEPT}
        for element in self._elements.values():
            kind = type(element).__name__
            shown.kinds.append(kind)
            if kind == "Exception":
                shown.errors.append(f"{element.type}: {element.message}")
            elif kind == "Alert" and element.format == Alert.ERROR:
                shown.errors.append(element.body)
        return shown

    async def _ask(self, page_name: str = "", fragment: str = "", is_auto: bool = False) -> None:
        request = BackMsg()
        client = request.rerun_script
        client.query_string, client.page_script_hash, client.page_name = self._query, self._page, page_name
        client.fragment_id, client.is_auto_rerun = fragment, is_auto
        client.widget_states.widgets.extend(self._widgets.values())
        client.cached_message_hashes.extend(self._held)
        client.context_info.timezone, client.context_info.locale = "Europe/Berlin", "en"
        await self._send(request)

    async def _send(self, request: BackMsg) -> None:
        assert self._socket is not None
        await self._socket.send(request.SerializeToString())

    async def _receive(self) -> ForwardMsg:
        assert self._socket is not None
        data = await self._socket.recv()
        assert isinstance(data, bytes)
        self.n_bytes += len(data)
        message = ForwardMsg.FromString(data)
        self._note(message)
        return message

    def _note(self, message: ForwardMsg) -> None:
        match message.WhichOneof("type"):
            case "new_session":
                self._session_id = message.new_session.initialize.session_id or self._session_id
                self._page = message.new_session.page_script_hash
                if not message.metadata.run.fragment_ids:
                    self._stop_reruns()
                    self._elements.clear()
                    self._n_runs += 1
            case "navigation":
                self._pages = {
                    page.url_pathname: page.page_script_hash for page in message.navigation.app_pages
                }
                for page in message.navigation.app_pages:
                    if page.is_default:
                        self._pages[""] = page.page_script_hash
            case "page_info_changed":
                self._query = message.page_info_changed.query_string
            case "delta" | "ref_hash":
                self._place(message)
            case "auto_rerun":
                self._begin_reruns(message.auto_rerun.fragment_id, message.auto_rerun.interval)

    def _place(self, message: ForwardMsg) -> None:
        path = tuple(message.metadata.delta_path)
        if message.WhichOneof("type") == "ref_hash":
            element = self._held[message.ref_hash][
                1
            ]  # what the server refers to was held, or this is a fault
            self._held[message.ref_hash] = self._n_runs, element
        elif message.delta.WhichOneof("type") != "new_element":
            self._elements = {p: e for p, e in self._elements.items() if p[: len(path)] != path}
            return
        else:
            new = message.delta.new_element
            element = getattr(new, new.WhichOneof("type") or "", None)
            if message.metadata.cacheable:
                self._held[message.hash] = self._n_runs, element
        self._elements[path] = element
        self._follow(element)

    def _follow(self, element: Any) -> None:
        """A value that the server sets is the widget's from then on."""
        if not getattr(element, "set_value", False) or element.id not in self._widgets:
            return
        state = self._widgets[element.id]
        if type(element).__name__ == "Selectbox":
            state.string_value = element.raw_value
        elif type(element).__name__ == "Slider":
            state.double_array_value.data[:] = element.value

    def _begin_reruns(self, fragment: str, seconds: float) -> None:
        async def again() -> None:
            while True:
                await asyncio.sleep(seconds)
                await self._ask(fragment=fragment, is_auto=True)

        if fragment not in self._reruns:
            self._reruns[fragment] = asyncio.create_task(again())

    def _stop_reruns(self) -> None:
        for task in self._reruns.values():
            task.cancel()
        self._reruns.clear()
