"""Uploads and websockets for which there is no room are refused, and what is over is counted no more."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from esmviz.models import memory
from esmviz.models.fake import FakeModels
from esmviz.settings import Settings
from esmviz.ui import room
from esmviz.ui.room import UPLOADERS, Room
from esmviz.ui.shelf import TABS
from esmviz.workbench import Workbench

MB = 1 << 20
SETTINGS = Settings(max_upload_mb=1, visitors_per_address=1)


class Streamlit:
    """Keeps every upload under the name it is given, and every connection open, as Streamlit does."""

    def __init__(self, settings=SETTINGS):
        self.kept, self.is_roomy = defaultdict(dict), True
        routes = [
            Route("/_stcore/upload_file/{tab}/{name}", self.take, methods=["PUT", "DELETE"]),
            WebSocketRoute("/_stcore/stream", self.stay),
            WebSocketRoute("/_stcore/listen", self.listen),
        ]
        guard = Middleware(
            Room, settings=settings, has_room=lambda n_bytes: self.is_roomy, held=lambda tab: self.kept[tab]
        )
        self.client = TestClient(Starlette(routes=routes, middleware=[guard]))

    async def take(self, request):
        self.kept[request.path_params["tab"]][request.path_params["name"]] = len(await request.body())
        return PlainTextResponse("taken")

    async def stay(self, websocket):
        await websocket.accept()
        await websocket.receive_text()

    async def listen(self, websocket):
        """Two messages, and how long they were together."""
        await websocket.accept()
        first, second = await websocket.receive_bytes(), await websocket.receive_bytes()
        await websocket.send_text(str(len(first) + len(second)))

    def put(self, tab, name, n_bytes):
        return self.client.put(f"/_stcore/upload_file/{tab}/{name}", content=bytes(n_bytes))


def test_a_tab_that_uploads_again_and_again_is_stopped_and_another_is_not():
    server = Streamlit()
    answers = [server.put("ann", f"file{n}", MB) for n in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [413] * 2
    assert "4 MB already" in answers[-1].text
    assert sum(server.kept["ann"].values()) == 4 * MB
    assert server.put("bob", "file", MB).status_code == 200


def test_the_same_file_again_takes_no_more_room():
    server = Streamlit()
    assert {server.put("ann", "file", MB).status_code for _ in range(9)} == {200}


def test_an_upload_that_does_not_say_its_size_counts_as_the_largest():
    server = Streamlit()
    server.kept["ann"] = {"earlier": 3 * MB + 1}
    asked = server.client.put("/_stcore/upload_file/ann/file", content=iter([b"x"]))
    assert asked.status_code == 413


def race(tabs, settings, has_room):
    """Answers to an upload from each of the tabs, none of which ends before all others were answered or taken."""
    answers = []

    async def answer(message):
        answers.append(message.get("status"))

    async def run():
        may_end = asyncio.Event()

        async def take(scope, receive, send):
            await may_end.wait()
            await PlainTextResponse("taken")(scope, receive, send)

        guarded = Room(take, settings, has_room, lambda tab: {})
        scopes = [
            {"type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{tab}/{n}", "headers": []}
            for n, tab in enumerate(tabs)
        ]
        asked = [asyncio.create_task(guarded(scope, None, answer)) for scope in scopes]
        await asyncio.wait(asked, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        may_end.set()
        await asyncio.gather(*asked)

    asyncio.run(run())
    return sorted(filter(None, answers))


def test_uploads_at_the_same_time_are_added_up():
    assert race(["ann"] * 6, SETTINGS, lambda n_bytes: True) == [200] * 4 + [413] * 2


def test_uploads_of_several_tabs_at_the_same_time_leave_the_reserve_free(fake, monkeypatch):
    settings = Settings(default_model="fake", max_upload_mb=6, memory_reserve_mb=500)
    bench = Workbench(settings, models=FakeModels(fake))
    monkeypatch.setattr(memory, "free_bytes", lambda device: 510 * MB)  # none of them has arrived
    assert race(["ann", "bob", "eve"], settings, bench.has_room) == [200, 503, 503]
    assert race(["ann", "ann", "bob"], settings, bench.has_room) == [200, 503, 503]
    assert race(["ann"], Settings(max_upload_mb=11), bench.has_room) == [503]


def test_uploads_from_one_address_at_the_same_time_are_bounded_whatever_their_tabs_claim():
    tabs = [f"tab{n}" for n in range(7)]
    assert race(tabs, SETTINGS, lambda n_bytes: True) == [200] * UPLOADERS + [429] * 3


def test_an_upload_that_sends_nothing_is_ended_and_counted_no_more(monkeypatch):
    monkeypatch.setattr(room, "GRACE", 0.05)
    monkeypatch.setattr(room, "LEAST_RATE", MB << 10)
    answers = []

    async def answer(message):
        answers.append(message)

    async def run():
        async def take(scope, receive, send):
            await receive()

        guarded = Room(take, SETTINGS, lambda n_bytes: True, lambda tab: {})
        scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/ann/1", "headers": []}
        await guarded(scope, asyncio.Event().wait, answer)
        return guarded

    guarded = asyncio.run(run())
    assert answers[0]["status"] == 408
    assert b"too slowly" in answers[1]["body"]
    assert not guarded._coming
    assert not guarded._sending


def test_an_answer_that_has_begun_is_not_ended(monkeypatch):
    monkeypatch.setattr(room, "GRACE", 0.05)
    monkeypatch.setattr(room, "LEAST_RATE", MB << 10)
    answers = []

    async def answer(message):
        answers.append(message)

    async def take(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.2)
        await send({"type": "http.response.body", "body": b"taken"})

    scope = {"type": "http", "method": "PUT", "path": "/_stcore/upload_file/ann/1", "headers": []}
    asyncio.run(Room(take, SETTINGS, lambda n_bytes: True, lambda tab: {})(scope, None, answer))
    assert [message.get("status") for message in answers] == [200, None]
    assert answers[1]["body"] == b"taken"


def test_no_upload_while_memory_is_short():
    server = Streamlit()
    server.is_roomy = False
    answer = server.put("ann", "file", 10)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "too little free memory" in answer.text
    assert not server.kept["ann"]
    server.is_roomy = True
    assert server.put("ann", "file", 10).status_code == 200


def test_an_address_has_so_many_connections_and_those_that_closed_count_no_more():
    server = Streamlit()
    tabs = [server.client.websocket_connect("/_stcore/stream") for _ in range(TABS)]
    for tab in tabs:
        tab.__enter__()
    with pytest.raises(WebSocketDisconnect) as refused, server.client.websocket_connect("/_stcore/stream"):
        pass
    assert refused.value.code == 1013
    tabs[0].send_text("bye")
    tabs[0].__exit__(None, None, None)
    with server.client.websocket_connect("/_stcore/stream") as another:
        another.send_text("bye")
    for tab in tabs[1:]:
        tab.send_text("bye")
        tab.__exit__(None, None, None)


def said(server, *sizes):
    """The code a websocket is closed with once it has said so much; None where it is heard to its end."""
    try:
        with server.client.websocket_connect("/_stcore/listen") as tab:
            for size in sizes:
                tab.send_bytes(bytes(size))
            assert tab.receive_text() == str(sum(sizes))
    except WebSocketDisconnect as refused:
        return refused.code
    return None


def test_what_a_page_says_is_bounded_and_forgotten_with_it():
    server = Streamlit()
    assert said(server, 3 * MB, 9 * 1000) is None
    assert said(server, 1000, UPLOADERS * MB + 1) == 1009
    assert said(server, UPLOADERS * MB, 10) is None  # what went before counts no more
    server.is_roomy = False
    assert said(server, MB + 1, 10) == 1009
    assert said(server, MB, 10) is None


def test_what_a_tab_holds_is_what_streamlit_keeps_of_it(monkeypatch):
    kept = MemoryUploadedFileManager("/_stcore/upload_file")
    kept.add_file("ann", UploadedFileRec("one", "a.fasta", "text/plain", b"12345"))
    kept.add_file("ann", UploadedFileRec("two", "b.fasta", "text/plain", b"123"))
    monkeypatch.setattr(room.runtime, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=kept))
    assert (room._held("ann"), room._held("bob")) == ({"one": 5, "two": 3}, {})
    kept.remove_session_files("ann")
    assert room._held("ann") == {}
