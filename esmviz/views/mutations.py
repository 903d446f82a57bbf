"""Position by amino acid: probabilities and mutation scores. 20 rows, the wild type dotted."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from esmviz import labels
from esmviz.types import AMINO_ACIDS, FloatArray, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.axes import Edges, ResidueAxis, residue_axis
from esmviz.views.frame import caption_text, colour_bar, colour_range, finish
from esmviz.views.seams import mark_borders
from esmviz.views.window import dragmode, most_ticks, window

ROW_ORDERS = {
    "field": "KRHEDNQTSCGAVLIMPYFW",  # as in the ESM-variants portal
    "alphabet": AMINO_ACIDS,
    "property": "AVLIMFYWGPCSTNQHKRDE",  # aliphatic, aromatic, special, polar, positive, negative
}
RowOrder = Literal["field", "alphabet", "property"]
PLOT_PX = 400
MOST_WORDS = (
    1500  # residues; beyond, the words of every cell would weigh more than 2 MB and hover has letters only
)


def probability_heatmap(
    probabilities: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    row_order: RowOrder = "field",
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """What the model expects at each position.

    Parameters
    ----------
    probabilities : ndarray, shape=(L, A), dtype=float32
        Rows sum to 1. Positions whose residue is one of ``BZXUO``, or NaN, are grey.
    edges : sequence of int, optional
        Where what is drawn is a part of the protein, or means over blocks: see ``residue_axis``.
    """
    axis = _axis(probabilities, record, edges)
    known = np.array([not axis.is_exact or record.sequence[i] in AMINO_ACIDS for i in axis.edges[:-1]])
    values = np.where(known[:, None], probabilities, np.float32(np.nan))
    caption = caption_text(provenance, record.id, _dots(axis), colour_range(0, 1), note)
    look = {"colorscale": theme.SEQUENTIAL, "zmin": 0, "zmax": 1, "colorbar": colour_bar("probability", 0, 1)}
    return _letters_map(values, record, axis, provenance, row_order, look, "probability %{z:.3f}", caption)


def mutation_heatmap(
    scores: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    scheme: str,
    row_order: RowOrder = "field",
    limit: float | None = None,
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """Which substitutions the model likes (blue) and dislikes (red).

    Parameters
    ----------
    scores : ndarray, shape=(L, A), dtype=float32
        log p(mutant) − log p(wild type), in nats. NaN, not computed or without a wild type, is grey.
    scheme : str
        ``wild-type marginals`` or ``masked marginals``; goes into the caption.
    limit : float, optional
        Colours run from -limit to limit; by default the 99th percentile of the absolute scores,
        rounded up to a half.
    edges : sequence of int, optional
        As in ``probability_heatmap``.
    """
    axis = _axis(scores, record, edges)
    reach = limit or _score_limit(scores)
    bar = colour_bar("log p(mutant) − log p(wild type), nats", -reach, reach)
    look = {"colorscale": theme.DIVERGING, "zmin": -reach, "zmax": reach, "colorbar": bar}
    caption = caption_text(provenance, record.id, scheme, _dots(axis), colour_range(-reach, reach), note)
    return _letters_map(scores, record, axis, provenance, row_order, look, "score %{z:.2f} nats", caption)


def _letters_map(
    values: FloatArray,
    record: ProteinRecord,
    axis: ResidueAxis,
    provenance: Provenance,
    row_order: RowOrder,
    look: dict[str, Any],
    hover: str,
    caption: str,
) -> go.Figure:
    letters = ROW_ORDERS[row_order]
    columns = [AMINO_ACIDS.index(letter) for letter in letters]
    words = _words(record.sequence, axis, letters) if axis.is_exact and len(axis) <= MOST_WORDS else None
    heatmap = go.Heatmap(
        z=np.ascontiguousarray(values[:, columns].T, dtype=np.float32),
        x=axis.cells,
        y=list(letters),
        text=words,
        hoverongaps=False,
        hovertemplate=("%{x} → %{y}" if words is None else "%{text}") + "<br>" + hover + "<extra></extra>",
        **look,
    )
    layout = {
        "xaxis": axis.layout() | window(axis),
        "xaxis2": {"type": "category", "overlaying": "x", "matches": "x", "visible": False},
        "yaxis": _rows(letters),
        "plot_bgcolor": theme.MISSING,
        "dragmode": dragmode(axis),
    }
    figure = go.Figure([heatmap, _wild_types(record.sequence, axis)], layout)
    mark_borders(figure, axis, provenance.windows)
    return finish(figure, caption, plot_px=PLOT_PX)


def _axis(values: FloatArray, record: ProteinRecord, edges: Edges | None) -> ResidueAxis:
    return residue_axis(record, len(values), "residue", edges=edges, most_ticks=most_ticks(len(values)))


def _dots(axis: ResidueAxis) -> str:
    return axis.note or "wild type dotted"


def _rows(letters: str) -> dict[str, Any]:
    return {
        "type": "category",
        "range": [len(letters) - 0.5, -0.5],
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
        "tickvals": list(letters),
        "tickfont": {"family": theme.MONO, "size": 12},
        "title": "amino acid",
    }


def _words(sequence: str, axis: ResidueAxis, letters: str) -> npt.NDArray[np.object_]:
    names = labels.AMINO_ACID_NAMES
    words = [
        [
            f"<b>{labels.mutation_label(index, wild, mutant)}</b> {names[wild]} → {names[mutant]}"
            if wild != mutant
            else f"<b>{labels.residue_label(index, wild)}</b> {names[wild]}, the wild type"
            for index, wild in ((index, sequence[index]) for index in axis.edges[:-1])
        ]
        for mutant in letters
    ]
    return np.array(words, dtype=object)  # of a list plotly looks at every text, several times


def _wild_types(sequence: str, axis: ResidueAxis) -> go.Scatter:
    """Dots, on an x axis of their own: the slider of the first one would drown in them."""
    letters = [sequence[index] for index in axis.edges[:-1]] if axis.is_exact else []
    known = [
        (cell, letter) for cell, letter in zip(axis.cells, letters, strict=False) if letter in AMINO_ACIDS
    ]
    return go.Scatter(
        x=[cell for cell, _ in known],
        y=[letter for _, letter in known],
        xaxis="x2",
        mode="markers",
        name="wild type",
        marker={"size": 5, "color": "#111111", "line": {"color": "#FFFFFF", "width": 1}},
        hoverinfo="skip",
    )


def _score_limit(scores: FloatArray) -> float:
    known = np.abs(scores[np.isfinite(scores) & (scores != 0)])
    return max(0.5, float(np.ceil(np.percentile(known, 99) * 2) / 2)) if known.size else 1.0
