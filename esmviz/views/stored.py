"""Figures back from what was stored."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io


def from_json(text: str) -> go.Figure:
    """The figure behind plotly's JSON, of this or an earlier plotly: what this one does not know is left out."""
    return plotly.io.from_json(text, skip_invalid=True)
