"""Long proteins: all positions are in the figure, the first of them are shown, and a slider moves along."""

from __future__ import annotations

from typing import Any

from esmviz.views import theme
from esmviz.views.axes import WINDOW, ResidueAxis

MOST_WITHOUT_SLIDER = 180  # a slider that hides a handful of residues hinders more than it helps


def window(axis: ResidueAxis) -> dict[str, Any]:
    """Properties of the x axis; a protein longer than ``WINDOW`` opens at its start, with a slider."""
    if not _slides(axis):
        return {"range": [-0.5, len(axis) - 0.5]}
    whole = [-0.5, len(axis) - 0.5]
    slider = {"visible": True, "range": whole, "bordercolor": theme.GUIDE, "borderwidth": 1}
    return {"range": [-0.5, WINDOW - 0.5], "rangeslider": slider}


def dragmode(axis: ResidueAxis) -> str | None:
    """What dragging does where there is a slider; None for what it does elsewhere."""
    return "pan" if _slides(axis) else None


def _slides(axis: ResidueAxis) -> bool:
    return len(axis) > MOST_WITHOUT_SLIDER


def most_ticks(n_residues: int) -> int:
    """Ticks over the whole protein: 20 residues apart or more where there is a slider, so that those of a first look lie
    flat on a narrow page. Zoomed out they stand upright and still fit.
    """
    return 16 if n_residues <= MOST_WITHOUT_SLIDER else min(50, -(-n_residues // 20))
