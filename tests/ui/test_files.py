"""The button for a file: what a visitor gets whose time is used up, who learns of it from nowhere else."""

import io
import zipfile
from types import SimpleNamespace

import pytest
from limits import RateLimitItemPerMinute

from esmviz.ui import files, meter
from esmviz.ui.meter import Meter
from esmviz.ui.rates import Rates

REASON = "Files took 10 seconds of the processor within 10 minutes"


@pytest.fixture
def page(monkeypatch):
    """Draws a button for a file that takes 30 seconds; ``captions`` are what stands below it."""
    spent = SimpleNamespace(seconds=0.0)
    mine = Meter(Rates(), ((RateLimitItemPerMinute(10, 10), "me"),))
    monkeypatch.setattr(meter.time, "thread_time", lambda: spent.seconds)
    monkeypatch.setattr(files, "quotas", lambda: SimpleNamespace(meter=lambda visitor: mine))
    monkeypatch.setattr(files.sessions, "current", lambda: SimpleNamespace(visitor="me/tab"))
    buttons, captions = [], []
    monkeypatch.setattr(
        files.st,
        "download_button",
        lambda label, data, *names, **options: buttons.append(SimpleNamespace(data=data, **options)),
    )
    monkeypatch.setattr(files.st, "caption", captions.append)

    def make():
        spent.seconds += 30
        return b"file"

    def draw(file_name, *, is_large=False):
        files.download("File", make, file_name, "", key="file", help="A file.", is_large=is_large)
        return buttons[-1]

    return SimpleNamespace(draw=draw, captions=captions)


@pytest.mark.parametrize("is_large", [True, False])
def test_a_button_drawn_in_time_hands_out_the_reason_once_the_time_is_used_up(page, is_large):
    button = page.draw("methods.txt", is_large=is_large)
    assert not button.disabled
    assert button.data() == b"file"
    said = button.data().decode()
    assert said.startswith(f"This file was not made. {REASON}")
    assert said.endswith("Come back in 10 minutes.\n")


def test_drawn_later_it_rests_and_says_until_when(page):
    page.draw("data.zip").data()
    button = page.draw("data.zip", is_large=True)
    assert button.disabled
    for said in (button.help, *page.captions):
        assert said.startswith(REASON)
    assert len(page.captions) == 1
    page.draw("data.csv")
    assert len(page.captions) == 1  # a row of small ones would say it three times


@pytest.mark.parametrize("name", ["data.zip", "map.npz"])
def test_the_reason_opens_as_what_its_name_says(page, name):
    button = page.draw(name)
    button.data()
    with zipfile.ZipFile(io.BytesIO(button.data())) as archive:
        assert REASON in archive.read("NOT-MADE.txt").decode()


def test_as_a_page_it_is_text():
    page = files.refused("<b>No</b>.", "report.html").decode()
    assert page.startswith("<!doctype html>")
    assert "&lt;b&gt;No&lt;/b&gt;." in page


def test_what_fails_otherwise_is_told_as_it_was(page, monkeypatch):
    def fails():
        raise OSError("disk")

    monkeypatch.setattr(files.st, "download_button", lambda label, data, *names, **options: data())
    with pytest.raises(OSError, match="disk"):
        files.download("File", fails, "data.csv", "", key="file")
