"""A structure in the report: what its viewer needs, and a still picture for paper and for browsers without WebGL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from esmviz import export
from esmviz.exhibit import Molecule
from esmviz.report.escapes import json_in_html, printable
from esmviz.views import theme

MOST_BONDS = 4000  # of the still picture, in which more could not be told apart
TRACE = ("CA", "P")  # one atom a residue: of proteins, of nucleic acids
_FIELDS = 11  # of a line of ``drawing_text``
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")
_TITLE = "Still picture of the backbone, seen from the front"


class Place(NamedTuple):
    """Where a residue is drawn: z points at the viewer; ``residue`` is its place among the colours."""

    chain: str
    number: int
    x: float
    y: float
    z: float
    residue: int


def molecule(shown: Molecule, anchor: str) -> str:
    """The structure with its legend, its buttons and, until it turns, the still picture."""
    alt, painting = escape(printable(shown.alt)), shown.painting
    colours = [_colour(colour) for colour in painting["colours"]]
    data = {
        "text": shown.text,
        "colours": colours,
        "words": list(painting.get("words", ())),
        "missing": theme.MISSING,
        "mark": painting["title"],
        "file": export.download_name("esmviz", shown.name, suffix="png"),
    }
    return (
        f'<figure aria-label="{alt}">\n<div class="viewer" id="{anchor}">\n'
        f'<div class="molecule">{still(trace(shown.text), colours)}'
        f'<div class="canvas" role="img" aria-label="{alt}"></div></div>\n'
        f'<p class="legend">{_legend(painting["title"], painting.get("legend", ()))}</p>\n'
        '<p class="bar"><button type="button" class="reset">Reset view</button>'
        '<button type="button" class="save">Save PNG</button><output class="said"></output></p>\n</div>\n'
        f'<script type="application/json" id="{anchor}-data">{json_in_html(json.dumps(data))}</script>\n'
        f"<figcaption>{alt}</figcaption>\n</figure>"
    )


def _legend(title: str, entries: Sequence[Sequence[str]]) -> str:
    patches = (
        f'<span><svg viewBox="0 0 1 1" aria-hidden="true"><rect width="1" height="1" fill="{_colour(colour)}"/></svg>'
        f"{escape(printable(label))}</span>"
        for label, colour in entries
    )
    return f"<strong>{escape(printable(title))}</strong>{''.join(patches)}"


def _colour(text: object) -> str:
    """A colour, and nothing else that a stored exhibit could hold."""
    return str(text) if _COLOUR.fullmatch(str(text)) else theme.MISSING


def trace(text: str) -> list[Place]:
    """One place for each residue of what the viewer draws, in the order of the chain."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == _FIELDS and fields[0] == "ATOM" and fields[3] in TRACE:
            x, y, z = map(float, fields[7:10])
            found.append(Place(fields[5], int(fields[6]), x, y, z, int(fields[10])))
    return found


def still(places: Sequence[Place], colours: Sequence[str]) -> str:
    """The backbone as lines from residue to residue, near ones over far ones; empty where there is none.

    Examples
    --------
    >>> still([Place("c0", n, 3.8 * n, 0, 0, n) for n in (0, 1, 2)], ["#FF0000"] * 3).count("<path")
    2
    """
    step = -(-len(places) // MOST_BONDS)
    bonds = sorted(_bonds(places[:: step or 1], step), key=lambda bond: bond[0].z + bond[1].z)
    if not bonds:
        return ""
    low, high = (sum(place.z for place in bonds[end]) for end in (0, -1))
    lines = "".join(_line(bond, colours, low, high) for bond in bonds)
    told = _TITLE + (f", every {step}. residue" if step > 1 else "")
    return (
        f'<svg class="still" viewBox="{_frame(places)}" role="img"><title>{told}</title>'
        f'<g fill="none" stroke-width="1.4" stroke-linecap="round">{lines}</g></svg>'
    )


def _bonds(places: Sequence[Place], step: int) -> Iterator[tuple[Place, Place]]:
    """Neighbours along a chain; its numbers have a gap where it is interrupted."""
    for one, other in pairwise(places):
        if one.chain == other.chain and 0 < other.number - one.number <= step:
            yield one, other


def _line(bond: tuple[Place, Place], colours: Sequence[str], low: float, high: float) -> str:
    """Far ones are pale."""
    one, other = bond
    share = (one.z + other.z - low) / (high - low) if high > low else 1.0
    colour = colours[other.residue] if 0 <= other.residue < len(colours) else theme.MISSING
    path = f"M{one.x:.1f} {-one.y:.1f}L{other.x:.1f} {-other.y:.1f}"
    shade = f"color-mix(in srgb, {colour} {35 + 65 * share:.0f}%, var(--paper))"  # an old browser takes the colour
    return f'<path d="{path}" stroke="{colour}" style="stroke: {shade}"/>'


def _frame(places: Sequence[Place]) -> str:
    """All of it with a margin; y points down."""
    xs, ys, margin = [place.x for place in places], [-place.y for place in places], 4
    return (
        f"{min(xs) - margin:.1f} {min(ys) - margin:.1f} "
        f"{max(xs) - min(xs) + 2 * margin:.1f} {max(ys) - min(ys) + 2 * margin:.1f}"
    )
