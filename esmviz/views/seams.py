"""Where the windows lie in which a long protein was read: lines along a protein, squares on a map."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from esmviz.types import FloatArray, Windows
from esmviz.views.axes import ResidueAxis

NAME = "window"
# Dark on light, to be seen on every colour scale and on both themes.
HALO = {"color": "rgba(255, 255, 255, 0.75)", "width": 3}
LINE = {"color": "#111111", "width": 1, "dash": "dash"}


def mark_borders(figure: go.Figure, axis: ResidueAxis, windows: Windows) -> None:
    """A thin line at every border of a window that is not an end of the protein."""
    inner = {start for start, _ in windows[1:]} | {stop for _, stop in windows[:-1]}
    shown = [edge for edge in sorted(inner) if axis.edges[0] < edge < axis.edges[-1]]
    lines = [
        {"type": "line", "xref": "x", "yref": "y domain", "x0": at, "x1": at, "y0": 0, "y1": 1}
        for at in (_cell(axis, edge) for edge in shown)
    ]
    _add(figure, lines)


def mark_squares(figure: go.Figure, axis: ResidueAxis, windows: Windows) -> None:
    """The outline of every window on a map of a protein against itself."""
    squares = []
    for start, stop in windows:
        low, high = _cell(axis, start), _cell(axis, stop)
        if low < high:
            squares.append({"type": "rect", "x0": low, "x1": high, "y0": low, "y1": high})
    _add(figure, squares)


def unknown_pairs(values: FloatArray, windows: Windows) -> str:
    """For the caption: what the grey cells of a map from windows are."""
    return "grey: in no window together" if windows and np.isnan(values).any() else ""


def _cell(axis: ResidueAxis, edge: int) -> float:
    """Place on the axis of a border between residues; beyond what is drawn, the nearest end."""
    return float(np.interp(edge, axis.edges, np.arange(len(axis.edges)))) - 0.5


def _add(figure: go.Figure, shapes: list[dict[str, Any]]) -> None:
    """All at once, and not as an update: plotly checks the whole list for each shape that is added alone."""
    if not shapes:
        return
    halos = [{**shape, "name": f"{NAME} halo", "line": HALO} for shape in shapes]
    marks = [{**shape, "name": NAME, "line": LINE} for shape in shapes]
    figure.layout.shapes = [*figure.layout.shapes, *halos, *marks]
