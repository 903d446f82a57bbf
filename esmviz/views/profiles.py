"""One number per residue: how uncertain the model is, and what it thinks of the residue that is there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from esmviz import labels
from esmviz.types import AMINO_ACIDS, FloatArray, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.axes import Edges, ResidueAxis, residue_axis
from esmviz.views.frame import caption_text, finish
from esmviz.views.seams import mark_borders
from esmviz.views.window import dragmode, most_ticks, window

PLOT_PX = 240
MOST_BITS = math.log2(len(AMINO_ACIDS))


def entropy_profile(
    entropy: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """Uncertainty of the model at each residue.

    Parameters
    ----------
    entropy : ndarray, shape=(L,), dtype=float32
        In bits, from 0 (certain) to log2(20) = 4.32 (no idea).
    edges : sequence of int, optional
        Where what is drawn is a part of the protein, or means over blocks: see ``residue_axis``.
    """
    axis = _axis(entropy, record, edges)
    figure = _profile(entropy, record, axis, "entropy %{y:.2f} bits")
    figure.update_yaxes(
        title="entropy (bits)", range=[0, MOST_BITS], tickvals=[0, 1, 2, 3, 4], fixedrange=True
    )
    _mark_choices(figure)
    mark_borders(figure, axis, provenance.windows)
    caption = caption_text(provenance, record.id, "0 bits: certain, 4.32 bits: no idea", axis.note, note)
    return finish(figure, caption, plot_px=PLOT_PX, top_px=36, right_px=56)


def _mark_choices(figure: go.Figure) -> None:
    """How many equally likely residues so many bits are. All at once: plotly checks everything at each addition."""
    line = {"type": "line", "xref": "x domain", "x0": 0, "x1": 1, "yref": "y"} | {
        "line": {"color": theme.GUIDE, "width": 1, "dash": "dot"}
    }
    lines = [{**line, "y0": bits, "y1": bits} for bits in (1, 2, 3, 4)]
    right = {"xref": "paper", "x": 1, "xanchor": "left"}
    numbers = [{**right, "text": str(2**bits), "xshift": 4, "y": bits} for bits in (1, 2, 3, 4)]
    words = {
        **right,
        "text": "equally likely residues",
        "textangle": 90,
        "xshift": 24,
        "yref": "paper",
        "y": 0.5,
    }
    figure.update_layout(shapes=lines, annotations=[*numbers, words])


def wild_type_profile(
    log_probability: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    ranks: FloatArray | None = None,
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """How likely the model finds the residue that is there.

    Parameters
    ----------
    log_probability : ndarray, shape=(L,), dtype=float32
        Natural logarithm of the probability of the wild type, at most 0; NaN where it is one of ``BZXUO``.
    ranks : ndarray, shape=(L,), dtype=float32, optional
        Rank of the wild type among the 20 amino acids, 1 is the most likely; goes into the hover.
    edges : sequence of int, optional
        As in ``entropy_profile``.
    """
    axis = _axis(log_probability, record, edges)
    endings = _likelihoods(log_probability, ranks) if axis.is_exact else None
    figure = _profile(log_probability, record, axis, "log p %{y:.2f} nats", endings)
    figure.update_yaxes(title="log p(wild type), nats", rangemode="tozero", fixedrange=True)
    mark_borders(figure, axis, provenance.windows)
    caption = caption_text(provenance, record.id, "0: certain of the wild type", axis.note, note)
    return finish(figure, caption, plot_px=PLOT_PX, top_px=36)


def bars_along(
    values: FloatArray, record: ProteinRecord, edges: Edges | None, hover: str
) -> tuple[go.Figure, ResidueAxis]:
    """One bar for each residue, or block of residues, and the axis under them."""
    axis = _axis(values, record, edges)
    return _profile(values, record, axis, hover), axis


def _axis(values: FloatArray, record: ProteinRecord, edges: Edges | None) -> ResidueAxis:
    return residue_axis(record, len(values), "residue", edges=edges, most_ticks=most_ticks(len(values)))


def _profile(
    values: FloatArray,
    record: ProteinRecord,
    axis: ResidueAxis,
    hover: str,
    endings: list[str] | None = None,
) -> go.Figure:
    words: Sequence[str] = axis.cells
    if axis.is_exact:
        words = [labels.residue_in_words(i, record.sequence[i]) for i in axis.edges[:-1]]
    bars = go.Bar(
        x=axis.cells,
        y=np.ascontiguousarray(values, dtype=np.float32),
        text=[f"{word}<br>" for word in words],
        customdata=endings,
        textposition="none",
        marker={"color": theme.ACCENT, "line": {"width": 0}},
        hovertemplate="%{text}" + hover + ("%{customdata}" if endings else "") + "<extra></extra>",
    )
    layout = {"xaxis": axis.layout() | window(axis), "bargap": 0.15, "dragmode": dragmode(axis)}
    return go.Figure(bars, layout)


def _likelihoods(log_probability: FloatArray, ranks: FloatArray | None) -> list[str]:
    """Hover endings: the probability, and the rank where it is known."""
    endings = [f" · probability {share:.2g}" for share in np.exp(log_probability)]
    if ranks is None:
        return endings
    return [
        ending if math.isnan(rank) else f"{ending} · rank {rank:.0f} of {len(AMINO_ACIDS)}"
        for ending, rank in zip(endings, ranks, strict=True)
    ]
