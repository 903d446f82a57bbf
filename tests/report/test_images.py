"""A browser that is missing, hangs, dies or writes nonsense is an error with a way out, and nothing of it stays."""

import json
import os
import struct
import tempfile
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from esmviz import views
from esmviz.errors import DrawingError
from esmviz.report import images as drawing
from esmviz.report.images import chromium, images
from esmviz.report.journals import JOURNALS, laid_out
from esmviz.types import ProteinRecord, Provenance


@pytest.fixture
def sheet():
    values, protein = np.eye(4, dtype=np.float32), ProteinRecord("P1", "MKVL")
    figure = views.similarity_heatmap(
        values, protein, protein, Provenance("m", "r", "float32"), centered=True
    )
    return laid_out(figure.to_json(), JOURNALS["Nature"], "single column")


@pytest.fixture
def fake(tmp_path):
    """A program that a browser is replaced by; it leaves its process id behind."""

    def made(body):
        path = tmp_path / "browser"
        path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return made


def is_gone(pid):
    """Whether a process that was ended is no more; it takes the system a moment."""
    for _ in range(200):
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True  # its parent has not asked for it yet
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def test_no_browser_names_the_ways_out(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DrawingError, match="no Chromium or Chrome") as raised:
        chromium()
    assert "apt install chromium" in raised.value.hint
    assert "camera" in raised.value.hint
    with pytest.raises(DrawingError, match="at /nowhere/chrome"):
        chromium(Path("/nowhere/chrome"))


def test_a_browser_that_was_named_is_taken(fake):
    assert chromium(Path(fake("exit 0"))) == fake("exit 0")


@pytest.mark.parametrize("body", ["exec sleep 600", "exit 1", "kill -9 $$", "exec yes"])
def test_a_browser_that_hangs_or_dies_is_ended_and_said(fake, sheet, tmp_path, monkeypatch, body):
    monkeypatch.setattr(drawing, "SECONDS", 2.0)
    drawn_in = tmp_path / "temporary"
    drawn_in.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(drawn_in))
    with pytest.raises(DrawingError, match="failed, or took more than"):
        list(images([sheet], "svg", dpi=300, browser=fake(body)))
    assert not drawing._ONE_AT_A_TIME.locked()
    pid = tmp_path / "pid"
    assert not pid.exists() or is_gone(int(pid.read_text()))
    assert not list(drawn_in.iterdir())


def test_a_browser_that_dies_at_work_is_said_at_once(fake, sheet, tmp_path):
    """Long before its time is over."""
    pid, said = tmp_path / "pid", []

    def draw():
        with pytest.raises(DrawingError) as raised:
            next(images([sheet], "svg", dpi=300, browser=fake("exec sleep 600")))
        said.append(raised.value)

    thread = threading.Thread(target=draw)
    thread.start()
    while not pid.exists() or not pid.read_text().strip():
        time.sleep(0.05)
    os.kill(int(pid.read_text()), 9)
    thread.join(drawing.SECONDS / 2)
    assert said
    assert not drawing._ONE_AT_A_TIME.locked()


def test_who_waits_too_long_is_told(sheet, monkeypatch):
    monkeypatch.setattr(drawing, "WAIT_SECONDS", 0.1)
    with drawing._ONE_AT_A_TIME, pytest.raises(DrawingError, match="Other figures are being drawn"):
        list(images([sheet], "svg", dpi=300, browser="/bin/false"))


def test_the_browser_gets_none_of_our_environment(fake, sheet, tmp_path, monkeypatch):
    monkeypatch.setenv("ESMVIZ_BIOLM_TOKEN", "secret-of-ours")
    monkeypatch.setattr(drawing, "SECONDS", 10.0)
    with pytest.raises(DrawingError):
        list(images([sheet], "svg", dpi=300, browser=fake(f"env > {tmp_path}/environment; exit 1")))
    assert "secret-of-ours" not in (tmp_path / "environment").read_text()
    assert "PATH=" in (tmp_path / "environment").read_text()


def test_svg_says_its_size_in_millimetres():
    image = (
        b'<svg class="a" width="336" height="100" viewBox="0 0 555 165"><rect width="1" height="1"/></svg>'
    )
    shown = drawing._svg_in_mm(image, 89.0, 26.5).decode()
    assert shown == (
        '<svg class="a" width="89.00mm" height="26.50mm" viewBox="0 0 555 165"><rect width="1" height="1"/></svg>'
    )


def test_png_says_its_dots_per_inch():
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(13) + bytes(4)
    shown = drawing._png_with_dpi(header + b"rest", 300)
    assert shown.startswith(header)
    assert shown.endswith(b"rest")
    length, name, across, down, unit, sum32 = struct.unpack(">I4sIIBI", shown[len(header) : -4])
    assert (length, name, across, down, unit) == (9, b"pHYs", 11811, 11811, 1)
    assert sum32 == zlib.crc32(shown[len(header) + 4 : -8])


def test_what_is_asked_is_plain_json(sheet):
    asked = drawing._asked(sheet, "png", 600)
    assert asked["options"]["width"] * asked["options"]["scale"] == pytest.approx(89 / 25.4 * 600)
    json.dumps(asked)
