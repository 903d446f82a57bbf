"""Figures at the size of a journal's column: how wide, how high at most, how small a letter may be. Light always."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from esmviz.views import theme
from esmviz.views.frame import without_caption

MM_PER_INCH, PX_PER_INCH, PT_PER_INCH = 25.4, 96.0, 72.0
FONTS = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Journal:
    """What a publisher asks of figures; ``source`` is where its guidelines are. Millimetres, points."""

    name: str
    widths: Mapping[str, float]
    most_height: float
    least_pt: float
    source: str


JOURNALS = {
    journal.name: journal
    for journal in (
        Journal(
            "Nature",
            {"single column": 89, "1.5 columns": 120, "double column": 183},
            170,
            5,
            "research-figure-guide.nature.com/figures/building-and-exporting-figure-panels",
        ),
        Journal(
            "Cell Press",
            {"single column": 85, "1.5 columns": 114, "double column": 174},
            200,
            6,
            "www.cell.com/information-for-authors/figure-guidelines",
        ),
        Journal(
            "PNAS",
            {"single column": 87, "1.5 columns": 114, "double column": 178},
            220,
            6,
            "www.pnas.org/author-center/submitting-your-manuscript",
        ),
        Journal(
            "PLOS", {"text column": 132, "full width": 190.5}, 222.3, 8, "journals.plos.org/plosone/s/figures"
        ),
    )
}


@dataclass(frozen=True)
class Sheet:
    """A figure laid out on ``width`` x ``height`` plotly pixels, each of which is ``scale`` / 96 inch on paper."""

    figure: Mapping[str, Any]
    width: float
    height: float
    scale: float

    @property
    def mm(self) -> tuple[float, float]:
        """Width and height on paper."""
        return tuple(side * self.scale / PX_PER_INCH * MM_PER_INCH for side in (self.width, self.height))  # type: ignore[return-value]  # of two


def laid_out(figure: str, journal: Journal, column: str) -> Sheet:
    """A figure for one column of a journal.

    The smallest letter of the figure becomes as small as the journal allows, and the rest follows: a wide plot then has
    as much room as it can. The caption is left out, since journals set it below the figure.

    Parameters
    ----------
    figure : str
        plotly's JSON.
    column : str
        One of ``journal.widths``.
    """
    spec = without_caption(json.loads(figure))
    layout = spec["layout"]
    layout["template"] = theme.template(False).to_plotly_json()
    layout["font"] = {**layout.get("font", {}), "family": FONTS}
    least_px = min(_font_sizes(spec))
    scale = journal.least_pt / (least_px * PT_PER_INCH / PX_PER_INCH)
    width = journal.widths[column] / MM_PER_INCH * PX_PER_INCH / scale
    highest = journal.most_height / MM_PER_INCH * PX_PER_INCH / scale
    margin = layout["margin"]
    across = width - margin["l"] - margin["r"]
    height = min(_plot_height(spec, across) + margin["t"] + margin["b"], highest)
    layout |= {"autosize": False, "width": width, "height": height}
    for trace in spec["data"]:
        bar = trace.get("colorbar", {})
        if bar.get("lenmode") == "pixels":
            bar["len"] = min(bar["len"], across)
    return Sheet(spec, width, height, scale)


def _plot_height(spec: Mapping[str, Any], across: float) -> float:
    """Of square cells as high as they are across; else as on the page."""
    layout, margin = spec["layout"], spec["layout"]["margin"]
    shown = float(layout["height"] - margin["t"] - margin["b"])
    if not layout.get("yaxis", {}).get("scaleanchor"):
        return shown
    shapes = [_shape(trace["z"]) for trace in spec["data"] if "z" in trace]
    if not shapes:  # points: any shape will do
        return min(shown, across)
    rows, columns = shapes[0]
    return across * rows / columns


def _shape(values: Any) -> tuple[int, int]:
    """Of a matrix, as plotly writes it: lists, or bytes with their shape."""
    if isinstance(values, dict):
        rows, columns = (int(side) for side in str(values["shape"]).split(","))
        return rows, columns
    return len(values), len(values[0])


def _font_sizes(value: Any, name: str = "") -> Iterator[float]:
    """Every size of a font in a figure."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [inner] if key == "size" and name.endswith("font") else _font_sizes(inner, key)
    elif isinstance(value, list):
        for inner in value if name != "z" else ():
            yield from _font_sizes(inner, name)
