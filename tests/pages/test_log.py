"""A sequence and a hostile header go down every path that can fail; the log has neither, and no line of the visitor's."""

import io
import logging

import pytest
from streamlit.testing.v1 import AppTest

from esmviz.errors import ModelUnavailableError, OutOfMemoryError
from esmviz.jobs import Queue
from esmviz.models.fake import FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.ui import monitoring, resources
from esmviz.workbench import Workbench
from tests.pages.test_pages import PAGES, settled

SECRET = "MKVLAWGHKTWYRRSTPLMKVLAWGH"
HEADER = "x\x1b[31m![h](http://evil.test)<script>2026-01-01 00:00:00 ERROR esmviz: FORGED"
FASTA = f">{HEADER}\n{SECRET}\n>two\nACDEFGHIKLMNPQ\n".encode()
TOLD = (SECRET, SECRET[:10], "evil.test", "\x1b")


class Talkative(FakeBackend):
    """Fails with everything it knows in its message."""

    error: type[BaseException] = ValueError

    def _run(self, records, request):
        raise self.error(f"cannot read {records[0].sequence} of {records[0].id} {records[0].description}")
        yield


@pytest.fixture(params=["plain", "json"])
def stream(request, monkeypatch):
    """What is written to the log of a server; the loggers are put back at the end."""
    loggers = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
    loggers = [logger for logger in loggers if isinstance(logger, logging.Logger)]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    factory = logging.getLogRecordFactory()
    monkeypatch.setenv("ESMVIZ_LOG_FORMAT", request.param)
    import streamlit.logger

    monkeypatch.setattr(streamlit.logger, "setup_formatter", streamlit.logger.setup_formatter)
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    monitoring.open_log()
    yield stream
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
    logging.setLogRecordFactory(factory)


@pytest.fixture
def opened(monkeypatch):
    """Opens a page with those proteins on a backend that fails so."""

    def opening(page, error=None):
        backend = Talkative() if error else FakeBackend()
        backend.error = error
        queue = Queue(watch=monitoring.job_over)
        bench = Workbench(Settings(default_model="fake"), models=FakeModels(backend), queue=queue)
        monkeypatch.setattr(resources, "_shared", lambda: bench)
        at = settled(AppTest.from_file(str(PAGES / "home.py"), default_timeout=120).run())
        at = settled(at.file_uploader(key="upload").upload("mine.fasta", FASTA).run())
        return settled(at.switch_page(f"pages/{page}.py").run()) if page != "home" else at

    return opening


def check(stream, *expected):
    text = stream.getvalue()
    for word in expected:
        assert word in text
    for secret in TOLD:
        assert secret not in text
    assert not any(line.startswith("2026-01-01") for line in text.splitlines())


@pytest.mark.parametrize(
    "error", [ValueError, MemoryError, KeyError, OSError, OutOfMemoryError, ModelUnavailableError]
)
def test_a_model_that_fails(stream, opened, error):
    at = opened("home", error)
    assert at.error
    foreseen = issubclass(error, OutOfMemoryError | ModelUnavailableError)
    check(stream, *([] if foreseen else ["reference", error.__name__]))


@pytest.mark.parametrize(
    "content",
    [
        b">h\n" + SECRET.encode() + b"1\n",
        b"\x00" + FASTA,
        b"",
        SECRET.encode() * 3000,
        b">a\n" + SECRET.encode() + b"\xff",
    ],
)
def test_an_upload_that_is_refused(stream, opened, content):
    at = opened("home")
    settled(at.file_uploader(key="upload").upload(f"{SECRET}.fasta", content).run())
    check(stream)


def test_labels_and_pastes_and_links_that_are_refused(stream, opened):
    at = opened("home")
    settled(at.text_area(key="paste").set_value(f">{HEADER}\n{SECRET}9\n").run())
    settled(at.file_uploader(key="labels").upload("l.csv", f"{SECRET},{HEADER}\n".encode() * 2).run())
    at.query_params["protein"] = HEADER
    settled(at.run())
    at.query_params["model"] = HEADER
    settled(at.run())
    check(stream)


def test_a_page_that_fails_outside_of_its_frame(stream):
    def script():
        message = "MKVLAWG" + "HKTWYRRSTPLMKVLAWGH http://evil" + ".test \x1b"  # a trace quotes lines of code
        raise ValueError(message)

    AppTest.from_function(script).run()
    check(stream, "ValueError")


def test_what_streamlit_hands_over_gets_a_number(stream, opened):
    def script():
        from esmviz.ui import errors

        errors.show_unforeseen(ValueError("MKVLAWGHKTWYRR" + "STPLMKVLAWGH"))

    at = AppTest.from_function(script).run()
    [error] = at.error
    reference = error.value.replace("\\", "").split("log is ")[1][:8]
    check(stream, f"{reference}")


@pytest.mark.parametrize("level", ["warning", "error", "exception"])
def test_what_a_library_logs_with_an_exception(stream, level):
    try:
        raise RuntimeError(SECRET)
    except RuntimeError:
        getattr(logging.getLogger("uvicorn.error"), level)("failed", exc_info=True)
    check(stream, "RuntimeError")


def test_every_line_is_a_line(stream, opened):
    opened("home", ValueError)
    logging.getLogger("streamlit.web").warning("origin=%s", f"a\n{HEADER}")
    if stream.getvalue().startswith("{"):
        import json

        for line in stream.getvalue().splitlines():
            json.loads(line)
    else:
        assert "\n" + HEADER not in stream.getvalue()
