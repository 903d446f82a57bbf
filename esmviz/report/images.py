"""Figures as PDF, SVG and PNG of a given size on paper, drawn by this machine's own Chromium within bounds."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Literal

from esmviz.errors import DrawingError
from esmviz.report.journals import MM_PER_INCH, PX_PER_INCH, Sheet

Format = Literal["pdf", "svg", "png"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# For one image, the start of the browser with the first. A slow machine under load took 12.
SECONDS = 90.0
WAIT_SECONDS = 120.0  # for those who draw already

_ONE_AT_A_TIME = threading.Lock()  # a Chromium takes some 300 MB


def chromium(named: Path | None = None) -> str:
    """Path of the browser.

    Raises
    ------
    DrawingError
        Where there is none.
    """
    names = BROWSERS if named is None else (str(named),)
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise DrawingError(
            "There is no Chromium or Chrome on the machine that runs esmviz"
            + (f" at {named}." if named else ".")
            + " It draws PDF, SVG and PNG of a journal's size.",
            "Install one (`apt install chromium`) or name it in ESMVIZ_CHROMIUM. Without it, the camera above each figure "
            "saves SVG and PNG in your own browser, and the HTML report prints as PDF.",
        )
    return found


def images(sheets: Sequence[Sheet], form: Format, *, dpi: int, browser: str) -> Generator[bytes]:
    """Each figure as a file, as soon as it is drawn.

    Parameters
    ----------
    dpi : int
        Of a PNG, which also says so; the others are as sharp as the paper.
    browser : str
        See ``chromium``.

    Raises
    ------
    DrawingError
        When others draw for too long, when an image takes too long, or when the browser fails. Nothing of it stays behind.
    """
    if not _ONE_AT_A_TIME.acquire(timeout=WAIT_SECONDS):
        raise DrawingError("Other figures are being drawn.", "Ask again in a minute.")
    try:
        with tempfile.TemporaryDirectory(prefix="esmviz-drawing-", ignore_cleanup_errors=True) as folder:
            drawn = _drawn([_asked(sheet, form, dpi) for sheet in sheets], browser, Path(folder))
            yield from (
                _on_paper(image, sheet, form, dpi) for image, sheet in zip(drawn, sheets, strict=True)
            )
    finally:
        _ONE_AT_A_TIME.release()


def _asked(sheet: Sheet, form: Format, dpi: int) -> dict[str, Any]:
    scale = sheet.scale * dpi / PX_PER_INCH if form == "png" else sheet.scale
    options = {"format": form, "width": sheet.width, "height": sheet.height, "scale": scale}
    return {"figure": sheet.figure, "options": options}


def _drawn(asked: list[dict[str, Any]], browser: str, folder: Path) -> Generator[bytes]:
    """What the process writes, a line for each image; it and its browser are gone at the end, however that comes."""
    # Nothing of our environment: it can hold tokens.
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "TMPDIR": str(folder)}
    child = subprocess.Popen(  # nosec B603
        [sys.executable, "-m", "esmviz.report.drawing"],
        cwd=Path(__file__).resolve().parents[2],
        env={**environment, "LANG": "C.UTF-8"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it can quote a figure
        start_new_session=True,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        _within(child, lambda: _send(child, {"chromium": browser, "images": asked}))
        for _ in asked:
            line = _within(child, child.stdout.readline)
            yield base64.b64decode(json.loads(line))
    finally:
        _end(child)


def _send(child: subprocess.Popen[str], asked: dict[str, Any]) -> None:
    with child.stdin as stream:  # type: ignore[union-attr]  # it is a pipe
        json.dump(asked, stream)


def _within(child: subprocess.Popen[str], step: Callable[[], Any]) -> Any:
    """The step's result; a process that takes too long is ended, and then its pipe is."""
    clock = threading.Timer(SECONDS, _kill, [child])
    clock.start()
    try:
        result = step()
    except BrokenPipeError:
        result = ""
    finally:
        clock.cancel()
    if result == "":
        raise DrawingError(
            f"The browser that draws figures failed, or took more than {SECONDS:.0f} s for one.",
            "Ask again with fewer figures; or take the camera above the figure, which draws in your own browser.",
        )
    return result


def _kill(child: subprocess.Popen[str]) -> None:
    """End the process and all that it started: they are one group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def _end(child: subprocess.Popen[str]) -> None:
    _kill(child)
    child.wait()
    for stream in (child.stdin, child.stdout):
        with contextlib.suppress(BrokenPipeError):
            stream.close()  # type: ignore[union-attr]  # both are pipes


def _on_paper(image: bytes, sheet: Sheet, form: Format, dpi: int) -> bytes:
    """The same image, saying how large it is on paper; a PDF does already."""
    if form == "svg":
        return _svg_in_mm(image, *sheet.mm)
    return _png_with_dpi(image, dpi) if form == "png" else image


def _svg_in_mm(image: bytes, width: float, height: float) -> bytes:
    root, rest = image.decode().split(">", 1)
    root = re.sub(r'\bwidth="[^"]*"', f'width="{width:.2f}mm"', root, count=1)
    root = re.sub(r'\bheight="[^"]*"', f'height="{height:.2f}mm"', root, count=1)
    return f"{root}>{rest}".encode()


def _png_with_dpi(image: bytes, dpi: int) -> bytes:
    """With the chunk pHYs after the header: pixels a metre (PNG specification, 11.3.4.3)."""
    per_metre = round(dpi / (MM_PER_INCH / 1000))
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    chunk = struct.pack(">I", 9) + body + struct.pack(">I", zlib.crc32(body))
    header = 8 + 25  # the signature and IHDR, which comes first
    return image[:header] + chunk + image[header:]
