"""The figures of the exhibits for one column of a journal, as a zip: a file for each, and the legends."""

from __future__ import annotations

import hashlib
import html
import io
import json
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

from esmviz import export
from esmviz.exhibit import Exhibit, Picture
from esmviz.report.images import Format, images
from esmviz.report.journals import JOURNALS, Sheet, laid_out
from esmviz.report.methods import one_line, subject

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold: equal content gives equal bytes


@dataclass(frozen=True)
class Print:
    """What the figures are made for."""

    journal: str
    column: str
    form: Format
    dpi: int = 300

    @property
    def words(self) -> str:
        """As the legends say it."""
        width = JOURNALS[self.journal].widths[self.column]
        sharp = f", {self.dpi} dpi" if self.form == "png" else ""
        return f"{self.journal}, {self.column} ({width:g} mm), {self.form.upper()}{sharp}"


def figures_zip(
    exhibits: Sequence[Exhibit],
    to: Print,
    *,
    browser: str,
    report: Callable[[int, int], None] = lambda *_: None,
) -> bytes:
    """Every figure of the exhibits.

    Parameters
    ----------
    browser : str
        Path of a Chromium.
    report : callable
        Told how many are drawn, of how many; it may raise to end the drawing.

    Raises
    ------
    DrawingError
        As ``images`` does.
    """
    shown = [(exhibit, picture) for exhibit in exhibits for picture in exhibit.pictures]
    sheets = [laid_out(picture.figure, JOURNALS[to.journal], to.column) for _, picture in shown]
    buffer, legends = io.BytesIO(), [f"Figures for {to.words}.", ""]
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        report(0, len(shown))
        with closing(images(sheets, to.form, dpi=to.dpi, browser=browser)) as drawn:
            for number, (image, sheet, (exhibit, picture)) in enumerate(
                zip(drawn, sheets, shown, strict=True), 1
            ):
                name = f"{number}-{export.download_name(picture.file_name or picture.name, suffix=to.form)}"
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), image, zipfile.ZIP_DEFLATED)
                legends += _legend(number, name, image, sheet, exhibit, picture)
                report(number, len(shown))
        text = "\n".join(legends).encode("utf-8", "replace")
        archive.writestr(zipfile.ZipInfo("legends.txt", _EPOCH), text, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _legend(
    number: int, name: str, image: bytes, sheet: Sheet, exhibit: Exhibit, picture: Picture
) -> list[str]:
    """What stood below the figure on the page, and how large it is."""
    width, height = sheet.mm
    return [
        f"Figure {number}. {one_line(picture.alt)}. {subject(exhibit.records, exhibit.source)}. {caption(picture)}",
        f"{name}: {width:.1f} x {height:.1f} mm, SHA-256 {hashlib.sha256(image).hexdigest()}",
        "",
    ]


def caption(picture: Picture) -> str:
    """The caption of a figure as plain text in one line."""
    notes = json.loads(picture.figure)["layout"].get("annotations", [])
    texts = [note["text"] for note in notes if note.get("name") == "caption"]
    return one_line(html.unescape(" ".join(texts).replace("<br>", " · ")), 1000)
