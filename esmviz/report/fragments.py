"""The parts of the report as HTML. Everything that could come from outside goes through ``escape``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from esmviz.exhibit import CAUTION, Exhibit, Facts, Molecule, Picture, Piece, Table, caution_of
from esmviz.report.escapes import json_in_html, printable
from esmviz.report.methods import Passage, subject
from esmviz.report.molecules import molecule
from esmviz.report.references import Reference
from esmviz.types import ProteinRecord

MOST_ROWS = 200  # of a table; all of them are in the archive

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Section:
    """A part with its entry in the contents; ``html`` is safe, ``heading`` is text."""

    anchor: str
    heading: str
    html: str


def _section(anchor: str, heading: str, body: str) -> Section:
    html = f'<section id="{anchor}">\n<h2>{escape(heading)}</h2>\n{body}\n</section>'
    return Section(anchor, heading, html)


def inputs(records: Sequence[ProteinRecord], with_sequences: bool) -> Section:
    """The proteins, with or without their sequences."""
    columns: dict[str, Sequence[Any]] = {
        "protein": [record.id for record in records],
        "residues": [len(record) for record in records],
    }
    if any(record.description for record in records):
        columns["description"] = [record.description for record in records]
    body = table(columns, "Proteins")
    if with_sequences:
        listed = "\n".join(
            f"<h3>{escape(printable(record.id))}</h3>\n<div class='sequence'>{escape(ruled(record.sequence))}</div>"
            for record in records
        )
        body += f"\n<details>\n<summary>Sequences</summary>\n{listed}\n</details>"
    else:
        body += (
            '\n<p class="note">Their sequences were left out on request. Figures and tables along a protein name its '
            "residues.</p>"
        )
    return _section("inputs", "Proteins", body)


def ruled(sequence: str) -> str:
    """A sequence in blocks of ten, six a line, with the number of the first residue.

    >>> print(ruled("MKVLAWGHACDEF"))
    1 MKVLAWGHAC DEF
    """
    width = len(str(len(sequence)))
    starts = range(0, len(sequence), 60)
    rows = [
        " ".join(sequence[at : at + 10] for at in range(start, min(start + 60, len(sequence)), 10))
        for start in starts
    ]
    return "\n".join(f"{start + 1:>{width}} {row}" for start, row in zip(starts, rows, strict=True))


def exhibit(shown: Exhibit, number: int, is_one_of_several: bool = False) -> Section:
    """A page of the app as it stood; ``is_one_of_several`` of that page, which the heading then tells apart."""
    lead = (
        f'<p class="lead">{escape(subject(shown.records, shown.source))}; {escape(_when(shown.created))}</p>'
    )
    parts = [_piece(piece, f"figure-{number}-{place}") for place, piece in enumerate(shown.pieces, 1)]
    heading = f"{shown.page.capitalize()}: {shown.title}"
    if is_one_of_several:
        alts = " and ".join(picture.alt for picture in shown.pictures)
        heading += f" {alts}: {subject(shown.records, shown.source)}"
    return _section(f"exhibit-{number}", heading, "\n".join([lead, *parts, _settings(shown)]))


def _when(created: str) -> str:
    return created.replace("T", " ").replace("+00:00", " UTC")


def _piece(piece: Piece, anchor: str) -> str:
    match piece:
        case Picture():
            return _picture(piece, anchor)
        case Table():
            note = f'<p class="note">{escape(printable(piece.note))}</p>' if piece.note else ""
            return f"<h3>{escape(printable(piece.title))}</h3>\n{table(piece.columns, piece.title)}{note}"
        case Facts():
            words = caution_of(piece)
            return _caution(words) if words else _pairs(piece.values)
        case Molecule():
            return molecule(piece, anchor)


def _caution(words: str) -> str:
    return f'<p class="caution"><strong>{CAUTION}.</strong> {escape(printable(words))}</p>'


def _picture(picture: Picture, anchor: str) -> str:
    reading = _reading(*picture.reading) if picture.reading else ""
    return (
        f'<figure aria-label="{escape(printable(picture.alt))}">\n'
        f'<div class="figure" id="{anchor}" data-name="{escape(_plain_name(picture.name))}"></div>\n'
        f'<script type="application/json" id="{anchor}-data">{json_in_html(picture.figure)}</script>\n'
        f"<figcaption>{escape(printable(picture.alt))}</figcaption>\n</figure>\n{reading}"
    )


def _plain_name(name: str) -> str:
    return "esmviz-" + re.sub(r"[^A-Za-z0-9]+", "-", name)


def _reading(text: str, citation: str, doi: str) -> str:
    """How to read it; of its Markdown, which is ours, a link becomes its text."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("**", "")
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in words.split("\n\n"))
    source = f'<p class="note">{escape(citation)} doi:{escape(doi)}</p>'
    return f"<details>\n<summary>How to read this</summary>\n{paragraphs}{source}\n</details>"


def table(columns: Columns, title: str) -> str:
    """The first rows of a table, in a box that the keyboard reaches and scrolls."""
    names = list(columns)
    values = [list(column)[:MOST_ROWS] for column in columns.values()]
    n_rows = max((len(column) for column in columns.values()), default=0)
    kinds = [' class="number"' if column and _is_number(column[0]) else "" for column in values]
    head = "".join(
        f'<th scope="col"{kind}>{escape(printable(n))}</th>' for n, kind in zip(names, kinds, strict=True)
    )
    rows = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in zip(*values, strict=True))
    cut = (
        f'<p class="note">The first {MOST_ROWS} of {n_rows:,} rows; all are in the data archive.</p>'
        if n_rows > MOST_ROWS
        else ""
    )
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(printable(title))}">\n'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>{cut}"
    )


def _cell(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "<td></td>"
    if not _is_number(value):
        return f"<td>{escape(printable(value))}</td>"
    return (
        f'<td class="number">{value:.4g}</td>'
        if isinstance(value, float)
        else f'<td class="number">{value}</td>'
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _pairs(values: Mapping[str, Any]) -> str:
    items = "".join(
        f"<dt>{escape(printable(name))}</dt><dd>{escape(printable(value))}</dd>"
        for name, value in values.items()
    )
    return f"<dl>{items}</dl>"


def _settings(shown: Exhibit) -> str:
    """Every parameter of the first figure; what all controls were set to is in the archive."""
    told = next((picture.facts for picture in shown.pictures if picture.facts), {})
    told = {name: value for name, value in told.items() if value not in (None, "", ())}
    return f"<details>\n<summary>Parameters</summary>\n{_pairs(told)}\n</details>"


def methods(found: Sequence[Passage]) -> Section:
    """The paragraphs to paste."""
    body = "\n".join(f"<h3>{escape(one.heading)}</h3>\n<p>{escape(one.text)}</p>" for one in found)
    return _section("methods", "Methods", body)


def sources(found: Sequence[Reference], entries: str) -> Section:
    """What to cite."""
    items = "\n".join(f"<li>{escape(source.line)}</li>" for source in found)
    body = f"<ul>\n{items}\n</ul>\n<details>\n<summary>BibTeX</summary>\n<pre>{escape(entries)}</pre>\n</details>"
    return _section("sources", "Sources", body)


def versions(exhibits: Sequence[Exhibit]) -> Section:
    """Of all that computed."""
    names = dict.fromkeys(name for one in exhibits for name in one.versions)
    found = {name: " and ".join(dict.fromkeys(_of(exhibits, name))) for name in names}
    return _section("versions", "Versions", _pairs(found))


def _of(exhibits: Sequence[Exhibit], name: str) -> Iterator[str]:
    return (one.versions[name] for one in exhibits if name in one.versions)
