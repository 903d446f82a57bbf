"""What a classifier or a regression says of a protein: a bar for each class, or a band along the sequence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from esmviz.types import FloatArray, IntArray, Predictor, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.axes import residue_axis
from esmviz.views.frame import caption_text, finish
from esmviz.views.window import dragmode, most_ticks, window

PLOT_PX = 260
BAR_PX = 26
MOST_CLASSES = len(theme.CATEGORIES)
NAME = 40  # characters of a class's name beside an axis or in a legend


def prediction_bars(
    values: FloatArray,
    shown: Sequence[int] | IntArray,
    predictor: Predictor,
    record: ProteinRecord,
    provenance: Provenance,
) -> go.Figure:
    """A bar for each class of one protein.

    Parameters
    ----------
    values : ndarray, shape=(K,), dtype=float32
        Probabilities, or the numbers of a regression.
    shown : sequence of int
        The classes that get a bar, from the top.
    """
    names = [theme.escaped(predictor.classes[index], NAME) for index in shown]
    numbers = np.asarray(values, dtype=np.float32)[list(shown)]
    bars = go.Bar(
        x=numbers,
        y=list(range(len(shown))),
        orientation="h",
        customdata=names,
        text=[f"{number:.3g}" for number in numbers],
        textposition="auto",
        cliponaxis=False,
        marker={"color": theme.ACCENT, "line": {"width": 0}},
        hovertemplate="%{customdata}: %{x:.4g}<extra></extra>",
    )
    figure = go.Figure(bars)
    ticks = {"tickvals": list(range(len(shown))), "ticktext": names}
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False, fixedrange=True, **ticks)
    figure.update_xaxes(_values(predictor), fixedrange=True, zeroline=True)
    figure.update_layout(bargap=0.35)
    caption = caption_text(provenance, record.id, meaning(predictor), _left_out(predictor, len(shown)))
    return finish(figure, caption, plot_px=max(120, BAR_PX * len(shown)), top_px=24, right_px=56)


def prediction_profile(
    values: FloatArray,
    shown: Sequence[int] | IntArray,
    predictor: Predictor,
    record: ProteinRecord,
    provenance: Provenance,
) -> go.Figure:
    """The classes along the sequence: stacked where one of them holds, else a line for each.

    Parameters
    ----------
    values : ndarray, shape=(L, K), dtype=float32
        Probabilities, or the numbers of a regression.
    shown : sequence of int
        The classes that are drawn, at most ``MOST_CLASSES``; the sum of the others is one grey band where they are
        stacked.
    """
    axis = residue_axis(record, len(values), "residue", most_ticks=most_ticks(len(values)))
    is_stacked = predictor.problem == "single_label_classification"
    columns = [(theme.escaped(predictor.classes[k], NAME), values[:, k]) for k in shown]
    colours = list(theme.CATEGORIES[: len(columns)])
    if is_stacked and len(shown) < len(predictor.classes):
        rest = np.setdiff1d(np.arange(len(predictor.classes)), list(shown))
        columns.append((f"{len(rest)} other classes", values[:, rest].sum(axis=1)))
        colours.append(theme.MISSING)
    figure = go.Figure()
    for (name, column), colour in zip(columns, colours, strict=True):
        line = {
            "color": colour,
            "width": 0 if is_stacked else 1.5,
            "shape": "hvh" if is_stacked else "linear",
        }
        look = {"stackgroup": "one", "fillcolor": colour} if is_stacked else {}
        y = np.ascontiguousarray(column, dtype=np.float32)
        hover = "%{y:.3g}"
        figure.add_scatter(x=axis.cells, y=y, name=name, mode="lines", line=line, hovertemplate=hover, **look)
    figure.update_xaxes(axis.layout() | window(axis))
    figure.update_yaxes(_values(predictor), fixedrange=True)
    figure.update_layout(dragmode=dragmode(axis))
    caption = caption_text(provenance, record.id, meaning(predictor), _left_out(predictor, len(shown)))
    finish(figure, caption, plot_px=PLOT_PX, top_px=64)
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "maxheight": 56}
    legend["traceorder"] = "normal"
    return figure.update_layout(showlegend=len(columns) > 1, legend=legend, hovermode="x unified")


def meaning(predictor: Predictor) -> str:
    """What the numbers are.

    >>> meaning(Predictor("proteins", "regression", ("Tm",)))
    'regression, in its own units'
    """
    return {
        "single_label_classification": "softmax: one class holds",
        "multi_label_classification": "sigmoid of each class: several or none may hold",
        "regression": "regression, in its own units",
    }[predictor.problem]


def _values(predictor: Predictor) -> dict[str, object]:
    """The axis of the values."""
    if predictor.problem == "regression":
        return {"title": {"text": "prediction"}}
    return {"title": {"text": "probability"}, "range": [0, 1], "tickvals": [0, 0.25, 0.5, 0.75, 1]}


def _left_out(predictor: Predictor, n_shown: int) -> str:
    n = len(predictor.classes)
    return "" if n_shown == n else f"{n_shown} of {n} classes drawn, all in the files"
