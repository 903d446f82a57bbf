"""Long proteins: all positions are in the figure, the first of them are shown, and a slider moves along."""

from __future__ import annotations

import plotly.graph_objects as go

from esmviz.views import theme
from esmviz.views.axes import WINDOW, ResidueAxis

MOST_WITHOUT_SLIDER = 180  # a slider that hides a handful of residues hinders more than it helps


def open_window(figure: go.Figure, axis: ResidueAxis) -> None:
    """Set the range of the x axis; a protein longer than ``WINDOW`` opens at its start, with a slider."""
    shown = len(axis) if len(axis) <= MOST_WITHOUT_SLIDER else WINDOW
    figure.update_xaxes(range=[-0.5, shown - 0.5])
    if len(axis) > shown:
        slider = {
            "visible": True,
            "range": [-0.5, len(axis) - 0.5],
            "bordercolor": theme.GUIDE,
            "borderwidth": 1,
        }
        figure.update_xaxes(rangeslider=slider)
        figure.update_layout(dragmode="pan")


def most_ticks(n_residues: int) -> int:
    """Ticks over the whole protein; zoomed out they stand upright and still fit."""
    return 16 if n_residues <= MOST_WITHOUT_SLIDER else 50
