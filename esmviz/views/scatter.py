"""A set of proteins on a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from esmviz.types import Projection, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.frame import caption_text, colour_bar, colour_range, finish

PLOT_PX = 600
NARROW_PX = 500  # about the width of the map beside a table
LEGEND_PX, LETTER_PX = 46, 6  # of a legend: markers and margins, and each letter
MOST_SVG = 2000  # points; beyond, WebGL draws them
MOST_GROUPS = 30  # entries in a legend; the smallest groups beyond share one grey
_BARE = {  # distances on a map have no unit
    "showticklabels": False,
    "ticks": "",
    "showgrid": False,
    "zeroline": False,
    "showline": True,
    "mirror": True,
}
_WORDS = {  # parameters of a map in the words of the page's controls
    "n_neighbors": "{} neighbours",
    "min_dist": "least distance {:g}",
    "metric": "{} distance",
    "seed": "seed {}",
}
NO_GROUP = ("", "noise", "unlabelled")


def projection_scatter(
    projection: Projection,
    records: Sequence[ProteinRecord],
    provenance: Provenance,
    *,
    color_by: str,
    groups: Sequence[str] | ArrayLike,
    note: str = "",
) -> go.Figure:
    """Points coloured by a label or by a number.

    Each point's ``customdata`` is the index of its protein, which ``selected_indices`` reads back.

    Parameters
    ----------
    projection : Projection
        Coordinates of shape (N, 2).
    records : sequence of ProteinRecord, length N
        For the hover.
    color_by : str
        Name of the label or number; title of the legend.
    groups : sequence of str, or of numbers, length N
        Text is a category, with ``""``, ``noise`` and ``unlabelled`` in grey. Numbers get a colour bar,
        with NaN in grey; name cluster numbers by ``cluster_names`` first.
    """
    n_proteins = len(records)
    if projection.coords.shape != (n_proteins, 2) or len(np.asarray(groups)) != n_proteins:
        raise ValueError(
            f"{n_proteins} proteins, coordinates {projection.coords.shape}, {len(np.asarray(groups))} groups"
        )
    is_text = np.asarray(groups).dtype.kind in "OU"
    points = _Points(projection.coords, records, color_by, groups)
    figure = go.Figure(points.by_group() if is_text else points.by_number())
    method = projection.method.upper()
    figure.update_xaxes(_BARE, title=f"{method} 1")
    figure.update_yaxes(_BARE, title=f"{method} 2", scaleanchor="x", scaleratio=1)
    caption = caption_text(
        provenance,
        _made_by(projection),
        f"{n_proteins} proteins",
        "" if is_text else colour_range(*_ends(groups)),
        "" if is_text else _grey_note(groups),
        note,
    )
    finish(figure, caption, plot_px=PLOT_PX, top_px=36 if is_text else 72)
    legend = {"x": 0.01, "y": 0.98, "borderwidth": 1, "itemsizing": "constant", "maxheight": 0.96}
    if is_text:
        names = [color_by, *(trace.name for trace in figure.data)]
        figure.update_xaxes(range=_beside_legend(projection.coords[:, 0], names))
    figure.update_layout(showlegend=is_text, legend=legend | {"title": {"text": theme.escaped(color_by, 40)}})
    return figure


def cluster_names(clusters: Sequence[int] | ArrayLike) -> list[str]:
    """Names of cluster numbers, which count from 0 with -1 for noise.

    >>> cluster_names([0, -1])
    ['cluster 1', 'noise']
    """
    return [
        f"cluster {cluster + 1}" if cluster >= 0 else "noise" for cluster in np.asarray(clusters).tolist()
    ]


def selected_indices(points: Sequence[Mapping[str, Any]]) -> list[int]:
    """Indices of the proteins among selected points, in order and once each.

    >>> selected_indices([{"customdata": [4]}, {"customdata": [1]}, {"customdata": [4]}])
    [1, 4]
    """
    found = set()
    for point in points:
        chosen = point.get("customdata")
        if isinstance(chosen, Mapping):  # a browser may turn a typed array into an object
            chosen = list(chosen.values())
        if chosen:
            found.add(int(chosen[0]))
    return sorted(found)


class _Points:
    """Traces of the points, by group or by number."""

    def __init__(
        self,
        coords: np.ndarray,
        records: Sequence[ProteinRecord],
        color_by: str,
        groups: Sequence[str] | ArrayLike,
    ) -> None:
        self.coords = np.asarray(coords, dtype=np.float32)
        self.groups = np.asarray(groups)
        self.name = theme.escaped(color_by, 40)
        self.hovers = [_hover(record) for record in records]
        self.kind = go.Scattergl if len(records) > MOST_SVG else go.Scatter
        self.size = 5 if len(records) > MOST_SVG else 9

    def trace(self, rows: Sequence[int], name: str, marker: Mapping[str, Any]) -> Any:
        return self.kind(
            x=self.coords[rows, 0],
            y=self.coords[rows, 1],
            mode="markers",
            name=name,
            marker={"size": self.size, "opacity": 0.9, "line": {"width": 0}} | dict(marker),
            customdata=[[int(row)] for row in rows],
            text=[self.hovers[row] for row in rows],
            hovertemplate="%{text}<extra></extra>",
        )

    def by_group(self) -> list[Any]:
        names = [str(group).strip() for group in self.groups]
        sizes = Counter(name for name in names if name.lower() not in NO_GROUP)
        shown = {name: None for name, _ in sizes.most_common(MOST_GROUPS)}
        grey = [row for row, name in enumerate(names) if name not in shown]
        traces = [
            self.trace(grey, self._grey_name(names, len(sizes) - len(shown)), {"color": theme.MISSING})
        ] * bool(grey)
        for number, name in enumerate(sorted(shown, key=_natural)):
            look = {"color": theme.CATEGORIES[number % len(theme.CATEGORIES)]}
            look["symbol"] = theme.SYMBOLS[number // len(theme.CATEGORIES) % len(theme.SYMBOLS)]
            rows = [row for row, group in enumerate(names) if group == name]
            traces.append(self.trace(rows, theme.escaped(name, 40), look))
        return traces

    def _grey_name(self, names: list[str], n_hidden: int) -> str:
        kinds = sorted({name.lower() or "unlabelled" for name in names if name.lower() in NO_GROUP})
        return ", ".join([*kinds, *([f"{n_hidden} smaller groups"] if n_hidden else [])])

    def by_number(self) -> list[Any]:
        values = self.groups.astype(np.float32)
        known, unknown = (
            np.flatnonzero(np.isfinite(values)).tolist(),
            np.flatnonzero(np.isnan(values)).tolist(),
        )
        look = {
            "color": values[known],
            "colorscale": theme.SEQUENTIAL,
            "colorbar": colour_bar(self.name, *_ends(values)),
            "showscale": True,
        }
        grey = [self.trace(unknown, "unlabelled", {"color": theme.MISSING})] * bool(unknown)
        return [*grey, self.trace(known, self.name, look)]


def _natural(name: str) -> tuple[str, int, str]:
    """Sort key that puts ``cluster 2`` before ``cluster 10``."""
    head = name.rstrip("0123456789")
    digits = name[len(head) :].lstrip("0")
    return head, len(digits), f"{digits} {name}"  # no int: Python refuses thousands of digits


def _hover(record: ProteinRecord) -> str:
    lines = [f"<b>{theme.escaped(record.id, 80)}</b> · {len(record)} residues"]
    lines += [
        f"{theme.escaped(key, 30)}: {theme.escaped(value, 60)}"
        for key, value in list(record.labels.items())[:6]
    ]
    return "<br>".join(lines)


def _beside_legend(x: ArrayLike, names: Sequence[str]) -> list[float]:
    """Range of the x axis that leaves room for the legend at the left, where the page is narrow too."""
    low, high = _ends(x)
    span = (high - low) or 1.0
    share = min(0.6, (LEGEND_PX + LETTER_PX * max(map(len, names))) / NARROW_PX)
    return [low - share / (1 - share) * span, high + 0.05 * span]


def _made_by(projection: Projection) -> str:
    """Method and parameters in words; the note among them is said above the figure, files have all by name.

    >>> from esmviz.types import Projection
    >>> coords = np.zeros((2, 2), dtype=np.float32)
    >>> _made_by(Projection(("a", "b"), coords, "pca", {"n_components": 2, "explained": [0.412, 0.083]}))
    'PCA: the axes show 41% and 8% of the variance'
    >>> _made_by(Projection(("a", "b"), coords, "umap", {"n_neighbors": 15, "min_dist": 0.1, "seed": 0}))
    'UMAP: 15 neighbours, least distance 0.1, seed 0'
    """
    told = [words.format(projection.params[key]) for key, words in _WORDS.items() if key in projection.params]
    if shares := projection.params.get("explained"):
        told.append(f"the axes show {' and '.join(f'{share:.0%}' for share in shares)} of the variance")
    return f"{projection.method.upper()}{': ' if told else ''}{', '.join(told)}"


def _grey_note(values: ArrayLike) -> str:
    """For the caption: how many proteins have no number.

    >>> _grey_note([1.0, np.nan]), _grey_note([1.0])
    ('1 without a number in grey', '')
    """
    n_grey = int(np.isnan(np.asarray(values, dtype=np.float32)).sum())
    return f"{n_grey} without a number in grey" if n_grey else ""


def _ends(values: ArrayLike) -> tuple[float, float]:
    """Lowest and highest finite value, 0 and 1 without any."""
    known = np.asarray(values, dtype=np.float32)
    known = known[np.isfinite(known)]
    return (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
