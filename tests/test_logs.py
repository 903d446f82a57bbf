"""The log: no message of a foreign exception, no line that a visitor made."""

import io
import json
import logging

import pytest

from esmviz import logs

SECRET = "MKVLAWGHKTWYSECRET"
FORGED = "nothing\n2026-01-01 00:00:00 ERROR esmviz: forged\r\x1b[31m"


@pytest.fixture
def written(monkeypatch):
    """Configures the log and hands over what is written to it; the process is left as it was."""
    root, ours = logging.getLogger(), logging.getLogger("esmviz")
    before = root.handlers[:], logging.getLogRecordFactory(), ours.level
    stream = io.StringIO()

    def configured(format):
        logs.configure(format).setStream(stream)
        return stream

    yield configured
    root.handlers[:] = before[0]
    logging.setLogRecordFactory(before[1])
    ours.setLevel(before[2])


def fail():
    raise ValueError(f"bad letter in {SECRET}")


@pytest.mark.parametrize("format", ["plain", "json"])
def test_a_foreign_exception_is_told_by_class_and_place(written, format):
    stream = written(format)
    try:
        fail()
    except ValueError:
        logging.getLogger("some.library").exception("it failed")
    text = stream.getvalue()
    assert SECRET not in text
    assert "ValueError" in text
    assert "in fail" in text


@pytest.mark.parametrize("format", ["plain", "json"])
def test_an_unforeseen_error_has_a_reference_number(written, format):
    stream = written(format)
    try:
        fail()
    except ValueError as error:
        reference = logs.unforeseen(logging.getLogger("esmviz"), error)
    assert SECRET not in stream.getvalue()
    assert reference in stream.getvalue()
    assert "in fail" in stream.getvalue()


@pytest.mark.parametrize("format", ["plain", "json"])
def test_a_visitors_text_cannot_begin_a_line(written, format):
    stream = written(format)
    logging.getLogger("streamlit.web").warning("origin=%s", FORGED)
    [line] = stream.getvalue().splitlines()
    assert "\x1b" not in line


def test_a_json_line_holds_its_fields(written):
    stream = written("json")
    fields = {"model": "mini", "outcome": "done", "n_residues": 146}
    logging.getLogger("esmviz.jobs").info("job", extra={"fields": fields})
    try:
        fail()
    except ValueError as error:
        reference = logs.unforeseen(logging.getLogger("esmviz"), error)
    job, unforeseen = map(json.loads, stream.getvalue().splitlines())
    assert job == {"time": job["time"], "level": "info", "logger": "esmviz.jobs", "message": "job", **fields}
    assert unforeseen["reference"] == reference
    assert unforeseen["error"] == "ValueError"
    assert "in fail" in unforeseen["trace"]


def test_plain_lines_say_nothing_of_every_job(written):
    stream = written("plain")
    logging.getLogger("esmviz.jobs").info("job", extra={"fields": {"model": "mini"}})
    assert stream.getvalue() == ""
