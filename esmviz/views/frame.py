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
CAPTION_WIDTH = 84  # characters: 500 px, so that it fits where the page is 800 px wide
SLIDER_PX = 34


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
    """Add margins, the caption below all ticks, and the light template; the width follows the page."""
    below, bottom = AXIS_PX, AXIS_PX + LINE_PX * (caption.count("<br>") + 1) + 8
    if figure.layout.xaxis.rangeslider.visible:
        below += SLIDER_PX  # plotly makes the room for the slider itself
        figure.layout.xaxis.rangeslider.thickness = SLIDER_PX / plot_px
    figure.add_annotation(
        text=caption,
        name="caption",
        xref="paper",
        yref="paper",
        x=0,
        y=0,
        xanchor="left",
        yanchor="top",
        yshift=-below,
        align="left",
    )
    figure.update_layout(
        template=theme.template(),
        height=top_px + plot_px + bottom,
        margin={"l": 64, "r": right_px, "t": top_px, "b": bottom},
        autosize=True,
        showlegend=False,
    )
    return figure


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
