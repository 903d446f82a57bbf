"""All heads of all layers at once, as small maps or as numbers, each of which can be clicked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.colors import get_colorscale

from esmviz import labels
from esmviz.types import FloatArray, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.frame import caption_text, colour_bar, colour_range, finish, number

GUTTER = 2  # cells between two tiles
MOST_CELLS = 700_000  # of the whole mosaic; more than a screen shows, and it still draws within a second


def attention_grid(
    thumbnails: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    selected: tuple[int, int] | None = None,
    note: str = "",
) -> go.Figure:
    """Layers by heads, each tile scaled to its own 99.5th percentile.

    A selectable chart gives points of the second trace; ``grid_choice`` reads layer and head from them.

    Parameters
    ----------
    thumbnails : ndarray, shape=(n_layers, H, s, s), dtype=float32
        Block means of the attention of every head.
    selected : (layer, head), optional
        1-based layer and 0-based head to frame.
    """
    tiles = _coarsened(thumbnails)
    n_layers, n_heads, size = tiles.shape[:3]
    figure = go.Figure(_mosaic_trace(tiles))
    _lay_out(figure, (n_layers, n_heads), size, GUTTER, selected)
    caption = caption_text(provenance, record.id, "each tile scaled to its own 99.5th percentile", note)
    tile_px = int(np.clip(880 / n_heads, 24, 110))
    return finish(figure, caption, plot_px=min(tile_px * n_layers, 1000))


def head_heatmap(
    values: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    measure: str,
    selected: tuple[int, int] | None = None,
    note: str = "",
) -> go.Figure:
    """Layers by heads, coloured by one number for each head; clicked like ``attention_grid``.

    Parameters
    ----------
    values : ndarray, shape=(n_layers, H), dtype=float32
        NaN is grey.
    measure : str
        What the number is, with its unit.
    selected : (layer, head), optional
        1-based layer and 0-based head to frame.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    bar = colour_bar(measure, low, high)
    figure = go.Figure(
        go.Heatmap(z=values, colorscale=theme.SEQUENTIAL, zmin=low, zmax=high, colorbar=bar, hoverinfo="skip")
    )
    texts = [f" · {measure} {number(float(value))}" for value in values.ravel()]
    _lay_out(figure, values.shape, 1, 0, selected, texts)
    figure.update_layout(plot_bgcolor=theme.MISSING)
    caption = caption_text(provenance, record.id, colour_range(low, high), note)
    return finish(
        figure, caption, plot_px=min(int(np.clip(880 / values.shape[1], 14, 44)) * len(values), 1000)
    )


def _lay_out(
    figure: go.Figure,
    shape: tuple[int, ...],
    size: int,
    gutter: int,
    selected: tuple[int, int] | None,
    texts: Sequence[str] = (),
) -> None:
    """Buttons, axes and the frame of layers by heads, each a square of so many cells with a gutter between."""
    (n_layers, n_heads), pitch = shape, size + gutter
    centres = (size - 1) / 2 + pitch * np.arange(max(shape), dtype=np.float64)
    figure.add_trace(_buttons(centres, n_layers, n_heads, texts))
    ticks = {"showgrid": False, "zeroline": False, "tickmode": "array", "constrain": "domain"}
    heads = [labels.head_label(head) for head in range(n_heads)]
    layers = [str(layer) for layer in range(1, n_layers + 1)]
    width, height = pitch * n_heads - gutter, pitch * n_layers - gutter
    figure.update_xaxes(
        ticks | _ticks(centres, heads), title="head", range=[-0.5, width - 0.5], constraintoward="left"
    )
    figure.update_yaxes(
        ticks | _ticks(centres, layers), title="layer", range=[height - 0.5, -0.5], constraintoward="top"
    )
    figure.update_yaxes(scaleanchor="x", scaleratio=1)
    figure.update_layout(hoverdistance=-1, clickmode="event+select", dragmode=False)
    if selected is not None:
        reach = (size + gutter / 2) / 2
        x, y = centres[selected[1]], centres[selected[0] - 1] if selected[0] else -pitch
        corners = {"x0": x - reach, "y0": y - reach, "x1": x + reach, "y1": y + reach}
        figure.add_shape(type="rect", **corners, line={"color": theme.OKABE_ITO[3], "width": 3})


def grid_choice(points: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """Layer (1-based) and head (0-based) of the tile that was clicked, None without one.

    >>> grid_choice([{"customdata": [3, 6]}])
    (3, 6)
    """
    for point in points:
        chosen = point.get("customdata")
        if isinstance(chosen, Mapping):  # a browser may turn a typed array into an object
            chosen = [chosen[key] for key in sorted(chosen)]
        if chosen is not None and len(chosen) == 2:
            return int(chosen[0]), int(chosen[1])
    return None


def _ticks(centres: NDArray[np.float64], texts: list[str]) -> dict[str, Any]:
    """At most 50 ticks, the first always."""
    every = -(-len(texts) // 50)
    return {"tickvals": centres[: len(texts) : every].tolist(), "ticktext": texts[::every]}


def _coarsened(thumbnails: FloatArray) -> FloatArray:
    """Block means of the tiles, so that the mosaic holds at most ``MOST_CELLS`` cells."""
    n_layers, n_heads, size = thumbnails.shape[:3]
    allowed = max(4, int((MOST_CELLS / (n_layers * n_heads)) ** 0.5) - GUTTER)
    if size <= allowed:
        return thumbnails
    edges = np.linspace(0, size, allowed + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(thumbnails, edges[:-1], axis=2), edges[:-1], axis=3)
    areas = np.outer(np.diff(edges), np.diff(edges))
    means: FloatArray = (sums / areas).astype(np.float32)
    return means


def _mosaic(tiles: FloatArray) -> NDArray[np.uint8]:
    """Tiles side by side as bytes: 0 is the gutter, 1 to 255 run from nothing to the tile's limit."""
    n_layers, n_heads, size = tiles.shape[:3]
    limits = np.percentile(tiles, 99.5, axis=(2, 3), keepdims=True)
    shares = np.clip(tiles / np.where(limits > 0, limits, 1), 0, 1)
    padded = np.zeros((n_layers, n_heads, size + GUTTER, size + GUTTER), dtype=np.uint8)
    padded[:, :, :size, :size] = np.rint(1 + 254 * shares)
    mosaic = padded.transpose(0, 2, 1, 3).reshape(n_layers * (size + GUTTER), n_heads * (size + GUTTER))
    return np.ascontiguousarray(mosaic[:-GUTTER, :-GUTTER])


def _mosaic_trace(tiles: FloatArray) -> go.Heatmap:
    colours = get_colorscale(theme.SEQUENTIAL)
    scale = [[0, "rgba(0,0,0,0)"], *([(1 + 254 * at) / 255, colour] for at, colour in colours)]
    bar = colour_bar("attention, relative to each head’s limit", 0, 1)
    bar |= {"tickvals": [1 + 254 * share for share in bar["tickvals"]]}
    return go.Heatmap(z=_mosaic(tiles), colorscale=scale, zmin=0, zmax=255, colorbar=bar, hoverinfo="skip")


def _buttons(
    centres: NDArray[np.float64], n_layers: int, n_heads: int, endings: Sequence[str] = ()
) -> go.Scatter:
    """Invisible points on the tiles: a click on a heatmap reports nothing, a click on a point does."""
    places = [(layer, head) for layer in range(1, n_layers + 1) for head in range(n_heads)]
    names = [f"layer {layer} · head {labels.head_label(head)}" for layer, head in places]
    return go.Scatter(
        x=[float(centres[head]) for _, head in places],
        y=[float(centres[layer - 1]) for layer, _ in places],
        customdata=[list(place) for place in places],
        text=[name + ending for name, ending in zip(names, endings or [""] * len(names), strict=True)],
        mode="markers",
        name="heads",
        marker={"symbol": "square", "size": 22, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate="%{text}<extra></extra>",
    )
