"""Residue by residue: similarity, attention, contacts. Square cells, y downwards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from esmviz.types import FloatArray, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.axes import Edges, ResidueAxis, residue_axis
from esmviz.views.frame import caption_text, colour_bar, colour_range, finish
from esmviz.views.seams import mark_squares, unknown_pairs

PLOT_PX = 560
ERROR_RANGE = (0.0, 30.0)  # Angstrom, as the AlphaFold database draws it
MOST_PERCENTILES = 256  # cells a side; beyond, the map alone is what has to travel
MOST_STRETCHED = 5.0  # a map longer than this many times its width is not drawn with square cells

RANK = " · percentile %{customdata}"  # ending of a hover

Limits = tuple[float, float]
UInt8Array = npt.NDArray[np.uint8]
Kind = Literal["attention", "maximum", "symmetric", "apc", "rollout"]

NAMES = {  # of the colour bar, the rows and the columns
    "attention": ("attention, share of a row", "attending residue (query)", "attended residue (key)"),
    "maximum": ("attention, maximum over heads", "attending residue (query)", "attended residue (key)"),
    "symmetric": ("attention, symmetrised", "residue", "residue"),
    "apc": ("attention, APC-corrected", "residue", "residue"),
    "rollout": ("rollout, share of a row", "residue after the last layer", "residue before the first layer"),
}


def similarity_heatmap(
    similarity: FloatArray,
    rows: ProteinRecord,
    columns: ProteinRecord,
    provenance: Provenance,
    *,
    centered: bool,
    start: tuple[int, int] = (0, 0),
    step: int = 1,
    edges: tuple[Edges, Edges] | None = None,
    note: str = "",
) -> go.Figure:
    """Cosine similarity of residue vectors, one protein against itself or two against each other.

    Parameters
    ----------
    similarity : ndarray, shape=(L, M), dtype=float32
        Cosine, from -1 to 1, of the residues of ``rows`` and ``columns``, or its block means.
    centered : bool
        Whether the mean residue vector of each protein was subtracted.
    start, step, edges
        Which residues a cell covers, for rows and columns; see ``residue_axis``.
    """
    ends = edges or (None, None)
    titles = [f"residue of {theme.escaped(record.id, 40)}" for record in (rows, columns)]
    y = residue_axis(rows, similarity.shape[0], titles[0], start=start[0], step=step, edges=ends[0])
    x = residue_axis(columns, similarity.shape[1], titles[1], start=start[1], step=step, edges=ends[1])
    how = "mean residue vector subtracted" if centered else "raw cosine, not centred"
    names = " against ".join(dict.fromkeys([rows.id, columns.id]))
    caption = caption_text(provenance, names, how, colour_range(-1, 1), _blocks(y, note, x))
    bar = colour_bar("cosine similarity" + (", centred" if centered else ""), -1, 1)
    ranks = _percentiles(similarity, skip_diagonal=rows.sequence == columns.sequence and y.cells == x.cells)
    figure = _pair_map(similarity, y, x, theme.DIVERGING, (-1, 1), bar, "cosine %{z:.2f}", caption, ranks)
    if y.cells == x.cells:
        mark_squares(figure, y, provenance.windows)
    return figure


def attention_map(
    attention: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    kind: Kind = "attention",
    limits: Limits | None = None,
    start: int = 0,
    step: int = 1,
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """Attention of one head, or a summary over heads; rows are queries, columns are keys.

    Parameters
    ----------
    attention : ndarray, shape=(L, L), dtype=float32
        Share of a query's attention, from 0 to 1; after APC around 0.
    kind : {"attention", "symmetric", "apc", "rollout"}
        ``apc`` is drawn diverging around 0, all else in viridis.
    limits : (float, float), optional
        Colour range; 0 to the 99.5th percentile by default, for ``apc`` symmetric around 0.
    note : str
        Goes into the caption: which summary this is, or the share that went to special tokens.
    """
    low, high = limits or _percentile_limits(attention, diverging=kind == "apc")
    name, *titles = NAMES[kind]
    y, x = (
        residue_axis(record, len(attention), title, start=start, step=step, edges=edges) for title in titles
    )
    spread = colour_range(low, high, "" if limits else "99.5th percentile")
    unknown = unknown_pairs(attention, provenance.windows)
    caption = caption_text(provenance, record.id, spread, unknown, _blocks(y, note))
    bar = colour_bar(name, low, high)
    scale = theme.DIVERGING if kind == "apc" else theme.SEQUENTIAL
    ranks = _percentiles(attention, skip_diagonal=False)
    hover = f"{name.split(',')[0]} %{{z:.3g}}"
    figure = _pair_map(attention, y, x, scale, (low, high), bar, hover, caption, ranks)
    mark_squares(figure, y, provenance.windows)
    return figure


def contact_map(
    contacts: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    top: Sequence[tuple[int, int, float]] = (),
    min_separation: int = 6,
    start: int = 0,
    step: int = 1,
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """Contact probabilities, with the band that is too close in sequence to mean anything.

    Parameters
    ----------
    contacts : ndarray, shape=(L, L), dtype=float32
        Probability of Cβ–Cβ < 8 Å, from 0 to 1.
    top : sequence of (i, j, probability)
        0-based pairs to ring in the lower triangle, such as the L most probable ones.
    min_separation : int
        Pairs with ``|i - j|`` below this are between the two guide lines.
    """
    axis = residue_axis(record, contacts.shape[0], "residue", start=start, step=step, edges=edges)
    has_guides = axis.is_exact and len(axis) > min_separation
    ignored = f"between the dotted lines |i−j| < {min_separation}: not counted" if has_guides else ""
    unknown = unknown_pairs(contacts, provenance.windows)
    caption = caption_text(provenance, record.id, colour_range(0, 1), ignored, unknown, _blocks(axis, note))
    bar = colour_bar("contact probability (Cβ–Cβ &lt; 8 Å)", 0, 1)
    figure = _pair_map(
        contacts, axis, axis, theme.CONTACTS, (0, 1), bar, "contact probability %{z:.2f}", caption
    )
    mark_squares(figure, axis, provenance.windows)
    for x, y in ((min_separation, 0), (0, min_separation)) if has_guides else ():
        ends = {"x0": x - 0.5, "y0": y - 0.5, "x1": len(axis) - 0.5 - y, "y1": len(axis) - 0.5 - x}
        figure.add_shape(type="line", **ends, line={"color": theme.GUIDE, "width": 1, "dash": "dot"})
    if top:
        figure.add_trace(_rings(top, axis))
    return figure


def aligned_error_map(
    pae: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    edges: tuple[Edges, Edges] | None = None,
    note: str = "",
) -> go.Figure:
    """Predicted aligned error: how far off a residue is where the fold is laid upon the truth at another.

    Parameters
    ----------
    pae : ndarray, shape=(L, L), dtype=float32
        In Angstrom, or its block means. Rows are the residues laid upon each other.
    """
    ends = edges or (None, None)
    y = residue_axis(record, pae.shape[0], "aligned residue", edges=ends[0])
    x = residue_axis(record, pae.shape[1], "scored residue", edges=ends[1])
    bar = colour_bar("expected position error (Å)", *ERROR_RANGE)
    caption = caption_text(provenance, record.id, colour_range(*ERROR_RANGE), _blocks(y, note, x))
    return _pair_map(pae, y, x, "Greens_r", ERROR_RANGE, bar, "%{z:.1f} Å", caption)


def _rings(top: Sequence[tuple[int, int, float]], axis: ResidueAxis) -> go.Scatter:
    cell = {position: index for index, position in enumerate(axis.edges[:-1])} if axis.is_exact else {}
    pairs = [sorted(pair) for *pair, _ in top]
    seen = [(cell[i], cell[j]) for i, j in pairs if i in cell and j in cell]
    return go.Scatter(
        x=[axis.cells[i] for i, _ in seen],
        y=[axis.cells[j] for _, j in seen],
        mode="markers",
        name="top pairs",
        marker={"symbol": "circle-open", "size": 7, "color": theme.OKABE_ITO[3], "line": {"width": 1.2}},
        hoverinfo="skip",
    )


def _pair_map(
    values: FloatArray,
    y: ResidueAxis,
    x: ResidueAxis,
    scale: str,
    limits: Limits,
    bar: dict[str, Any],
    hover: str,
    caption: str,
    ranks: UInt8Array | None = None,
) -> go.Figure:
    heatmap = go.Heatmap(
        z=np.ascontiguousarray(values, dtype=np.float32),
        x=x.cells,
        y=y.cells,
        colorscale=scale,
        zmin=limits[0],
        zmax=limits[1],
        colorbar=bar,
        customdata=ranks,
        hoverongaps=False,
        hovertemplate="%{y} – %{x} · " + hover + RANK * (ranks is not None) + "<extra></extra>",
    )
    is_stretched = max(len(x), len(y)) > MOST_STRETCHED * min(len(x), len(y))
    squares = {} if is_stretched else {"scaleanchor": "x", "scaleratio": 1}
    along = {"range": [-0.5, len(x) - 0.5], "constrain": "domain", "constraintoward": "left"}
    down = {"range": [len(y) - 0.5, -0.5], "constrain": "domain", "constraintoward": "top", **squares}
    layout = {"xaxis": x.layout() | along, "yaxis": y.layout() | down, "plot_bgcolor": theme.MISSING}
    return finish(go.Figure(heatmap, layout), caption, plot_px=PLOT_PX)


def _blocks(axis: ResidueAxis, note: str, *others: ResidueAxis) -> str:
    """The note, and that cells are block means where they are."""
    return " · ".join(filter(None, [note, *dict.fromkeys(one.note for one in (axis, *others))]))


def _percentile_limits(values: FloatArray, *, diverging: bool) -> Limits:
    finite = np.abs(values[np.isfinite(values)])
    high = float(np.percentile(finite, 99.5)) if finite.size else 0.0
    high = high or 1.0  # all zero: any range will do, but not an empty one
    return (-high if diverging else 0.0, high)


def _percentiles(values: FloatArray, *, skip_diagonal: bool) -> UInt8Array | None:
    """For the hover: how many percent of this map's cells are lower, or None for a large map.

    Numbers of a byte: plotly looks at every text of a list, several times, which took longer than all else together.
    """
    if max(values.shape) > MOST_PERCENTILES:
        return None
    counted = values[np.eye(*values.shape) == 0] if skip_diagonal and values.shape[0] > 1 else values
    ranked = np.sort(counted[np.isfinite(counted)])
    if not ranked.size:
        return None
    shares = np.searchsorted(ranked, values, side="left") * 100 // ranked.size
    return np.minimum(shares, 99).astype(np.uint8)
