"""Around every figure: the caption that lets a screenshot explain itself, the colour bar, the margins."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from esmviz import labels
from esmviz.types import Provenance
from esmviz.views import theme

LINE_PX = 15  # height of a line of the caption
AXIS_PX = 66  # room below a plot for tick labels, upright where they are crowded, and the axis title
CAPTION_WIDTH = 74  # characters: 420 px, so that it fits where the page is 800 px wide
TITLE_PX = 31  # from a plot to the title of its x axis
SLIDER_PX = 34
SLANTED_PX = 12  # by which tick labels that slant push the slider down


def caption_text(provenance: Provenance, *extra: str) -> str:
    """The caption, escaped, with a line break where a line would run out of the figure."""
    lines: list[str] = []
    for part in labels.caption(provenance, *extra).split(" · "):
        if lines and len(lines[-1]) + len(part) + 3 <= CAPTION_WIDTH:
            lines[-1] += f" · {part}"
        else:
            lines.append(part)
    return "<br>".join(theme.escaped(line) for line in lines)


def finish(
    figure: go.Figure, caption: str, *, plot_px: int, top_px: int = 72, right_px: int = 24
) -> go.Figure:
    """Add the title below the x axis, the caption, margins and the light template; the width follows the page."""
    has_slider = bool(figure.layout.xaxis.rangeslider.visible)
    slider_px = SLIDER_PX + SLANTED_PX if has_slider else 0
    below, room = AXIS_PX + slider_px, _room(caption)
    title = _title_below(figure, TITLE_PX + slider_px + (14 if has_slider else 0))
    corner = {"xref": "paper", "yref": "paper", "x": 0, "y": 0, "xanchor": "left", "yanchor": "top"}
    words = {"text": caption, "name": "caption", **corner, "yshift": -below, "align": "left"}
    if has_slider:
        figure.layout.xaxis.rangeslider.thickness = SLIDER_PX / plot_px
    # plotly adds the slider and the tick labels above it to the margin by itself
    bottom = room + (AXIS_PX - TITLE_PX if has_slider else below)
    figure.layout.annotations = [*figure.layout.annotations, title, words]  # an update of a list takes 20 ms
    figure.update_layout(
        template=theme.template(),
        height=top_px + plot_px + below + room,
        margin={"l": 64, "r": right_px, "t": top_px, "b": bottom},
        autosize=True,
        showlegend=False,
    )
    return figure


def _room(caption: str) -> int:
    return LINE_PX * (caption.count("<br>") + 1) + 8


def without_caption(spec: dict[str, Any]) -> dict[str, Any]:
    """A finished figure, as plotly's JSON has it, with neither its caption nor the room for it."""
    layout = spec["layout"]
    captions = [note["text"] for note in layout["annotations"] if note.get("name") == "caption"]
    room = sum(map(_room, captions))
    notes = [note for note in layout["annotations"] if note.get("name") != "caption"]
    margin = {**layout["margin"], "b": layout["margin"]["b"] - room}
    return {
        **spec,
        "layout": {**layout, "annotations": notes, "margin": margin, "height": layout["height"] - room},
    }


def _title_below(figure: go.Figure, shift: int) -> dict[str, Any]:
    """The title of the x axis as a text at a fixed distance: plotly's own lands on tick labels or the slider."""
    title = figure.layout.xaxis.title.text
    figure.layout.xaxis.title.text = None
    place = {"xref": "x domain", "yref": "y domain", "x": 0.5, "y": 0, "xanchor": "center", "yanchor": "top"}
    return {"text": title, "name": "x title", **place, "yshift": -shift, "font": {"size": 13}}


def colour_bar(title: str, low: float, high: float) -> dict[str, Any]:
    """A colour bar above the plot, at its left edge: there it stays beside a square of any size."""
    ticks = np.linspace(low, high, 5).tolist()
    return {
        "orientation": "h",
        "x": 0,
        "xanchor": "left",
        "xpad": 0,
        "y": 1,
        "yanchor": "bottom",
        "ypad": 12,
        "lenmode": "pixels",
        "len": 280,
        "thickness": 10,
        "tickvals": ticks,
        "ticktext": [number(tick) for tick in ticks],
        "outlinewidth": 0,
        "title": {"text": title, "side": "top", "font": {"size": 12}},
        "tickfont": {"size": 11},
    }


def number(value: float) -> str:
    """A number for people, with three significant digits and a true minus.

    >>> number(-0.03417)
    '−0.0342'
    """
    return f"{value:.3g}".replace("-", "−")


def colour_range(low: float, high: float, note: str = "") -> str:
    """Says between which values the colours run.

    >>> colour_range(0, 0.0342, "99.5th percentile")
    'colours 0 to 0.0342 (99.5th percentile)'
    """
    return f"colours {number(low)} to {number(high)}" + (f" ({note})" if note else "")
