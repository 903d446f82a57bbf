"""A structure in colours: confidence in the field's four bands, chains, or one number per residue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from esmviz.types import FloatArray, IntArray, ProteinRecord, Provenance
from esmviz.views import theme
from esmviz.views.axes import Edges
from esmviz.views.frame import caption_text, finish, number
from esmviz.views.heatmaps import aligned_error_map
from esmviz.views.profiles import PLOT_PX, bars_along

__all__ = [
    "Painting",
    "aligned_error_map",
    "paint_chains",
    "paint_confidence",
    "paint_numbers",
    "plddt_profile",
]

# As the AlphaFold database has them: https://alphafold.ebi.ac.uk/faq
BANDS = (
    (90.0, "very high, above 90", "#0053D6"),
    (70.0, "confident, 70 to 90", "#65CBF3"),
    (50.0, "low, 50 to 70", "#FFDB13"),
    (-np.inf, "very low, below 50", "#FF7D45"),
)
SCALE = "Viridis"
N_SHADES = 5  # in the legend of a scale


@dataclass(frozen=True)
class Painting:
    """A colour and a few words for each residue that is drawn, and what the colours mean."""

    title: str
    colours: tuple[str, ...]
    words: tuple[str, ...]
    legend: tuple[tuple[str, str], ...]


def paint_confidence(plddt: FloatArray, names: Sequence[str], title: str = "pLDDT") -> Painting:
    """Four bands.

    Parameters
    ----------
    plddt : ndarray, shape=(L,), dtype=float32
        From 0 to 100; NaN where it is not known.
    names : sequence of str
        What each residue is called.
    """
    words = _worded(names, plddt, "pLDDT {}", "{:.0f}")
    return Painting(title, tuple(map(band_colour, plddt)), words, tuple((text, c) for _, text, c in BANDS))


def paint_chains(chain: IntArray, ids: Sequence[str], names: Sequence[str]) -> Painting:
    """One colour for each chain; ``chain`` (L,) is the index of each residue's chain in ``ids``."""
    colours = [theme.CATEGORIES[k % len(theme.CATEGORIES)] for k in range(len(ids))]
    legend = tuple((f"chain {identifier}", colour) for identifier, colour in zip(ids, colours, strict=True))
    return Painting("chain", tuple(colours[k] for k in chain), tuple(names), legend)


def paint_numbers(values: FloatArray, names: Sequence[str], title: str) -> Painting:
    """A scale from the least to the greatest value; NaN is grey.

    Parameters
    ----------
    values : ndarray, shape=(L,), dtype=float32
        In the unit that the title names.
    """
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    share = np.clip((np.nan_to_num(values) - low) / ((high - low) or 1.0), 0, 1)
    shades = sample_colorscale(SCALE, share.tolist(), colortype="rgb")
    colours = [
        _hex(shade) if np.isfinite(value) else theme.MISSING
        for shade, value in zip(shades, values, strict=True)
    ]
    steps = np.linspace(low, high, N_SHADES)
    ends = [_hex(shade) for shade in sample_colorscale(SCALE, np.linspace(0, 1, N_SHADES).tolist())]
    legend = [(number(step), colour) for step, colour in zip(steps, ends, strict=True)]
    if known.size < len(values):
        legend.append(("not known", theme.MISSING))
    words = _worded(names, values, title + " {}", "{:.3g}")
    return Painting(title, tuple(colours), words, tuple(legend))


def plddt_profile(
    plddt: FloatArray,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    edges: Edges | None = None,
    note: str = "",
) -> go.Figure:
    """Confidence in each residue, in its band's colour.

    Parameters
    ----------
    plddt : ndarray, shape=(L,), dtype=float32
        From 0 to 100.
    edges : sequence of int, optional
        As in ``entropy_profile``.
    """
    figure, axis = bars_along(plddt, record, edges, "pLDDT %{y:.1f}")
    figure.update_traces(marker_color=[band_colour(value) for value in plddt])
    figure.update_yaxes(title="pLDDT", range=[0, 100], tickvals=[0, 50, 70, 90, 100], fixedrange=True)
    for border, _, _ in BANDS[:-1]:
        figure.add_hline(border, line={"color": theme.GUIDE, "width": 1, "dash": "dot"})
    caption = caption_text(provenance, record.id, "bands at 50, 70 and 90", axis.note, note)
    return finish(figure, caption, plot_px=PLOT_PX, top_px=36)


def band_colour(plddt: float) -> str:
    """Colour of a confidence.

    >>> band_colour(90.5), band_colour(50.0), band_colour(float("nan"))
    ('#0053D6', '#FF7D45', '#A3A8AD')
    """
    return next((colour for border, _, colour in BANDS if plddt > border), theme.MISSING)


def _worded(names: Sequence[str], values: FloatArray, text: str, form: str) -> tuple[str, ...]:
    return tuple(
        f"{name} · {text.format(form.format(value) if np.isfinite(value) else 'not known')}"
        for name, value in zip(names, values, strict=True)
    )


def _hex(colour: str) -> str:
    """``#RRGGBB`` of plotly's ``rgb(r, g, b)``.

    >>> _hex("rgb(68, 1, 84)")
    '#440154'
    """
    return "#" + "".join(f"{round(float(part)):02X}" for part in colour[4:-1].split(","))
