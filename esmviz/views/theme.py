"""Colours, fonts and the two plotly templates. The same quantity has the same colours everywhere."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import plotly.graph_objects as go

SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"

MISSING = "#A3A8AD"  # what was not computed or not labelled; never white
GUIDE = "#80868C"  # lines that read on white and on black
ACCENT = "#0072B2"

# Okabe & Ito 2008 without black, which vanishes on the dark theme; then the muted scheme of Paul Tol (2021).
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
MUTED = ("#AA4499", "#999933", "#44AA99", "#882255", "#6A5ACD", "#117733", "#DDCC77", "#CC6677")
CATEGORIES = OKABE_ITO + MUTED
SYMBOLS = (
    "circle",
    "diamond",
    "square",
    "triangle-up",
    "cross",
)  # a second channel once the colours are used up

SEQUENTIAL = "Viridis"
CONTACTS = "Blues"
DIVERGING = "RdBu"  # red: low, deleterious; white: 0; blue: high, favoured

_LIGHT = {
    "paper": "#FFFFFF",
    "ink": "#1F2428",
    "faint": "#5B636B",
    "line": "#C9CED3",
    "grid": "#E6E8EA",
    "tip": "#FFFFFF",
}
_DARK = {
    "paper": "#14171A",
    "ink": "#E6E8EA",
    "faint": "#A5ADB5",
    "line": "#4A5158",
    "grid": "#2A2F34",
    "tip": "#1D2125",
}


def escaped(text: object, most: int = 200) -> str:
    """Text from outside, made safe for any plotly text, which renders a subset of HTML.

    Control characters, newlines included, become spaces; beyond ``most`` characters it ends in an ellipsis.

    >>> escaped('<a href="javascript:x">P1</a>')
    '&lt;a href="javascript:x"&gt;P1&lt;/a&gt;'
    """
    clean = "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in str(text))
    if len(clean) > most:
        clean = clean[: most - 1] + "…"
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@cache
def template(dark: bool = False) -> go.layout.Template:
    """Template of the light or the dark theme; opaque, so that a saved image reads on any paper."""
    ink = _DARK if dark else _LIGHT
    return go.layout.Template(layout=_layout(ink))


def is_dark(figure: go.Figure) -> bool:
    """Whether a figure has the dark template."""
    return bool(figure.layout.template.layout.paper_bgcolor == _DARK["paper"])


def paper(dark: bool) -> str:
    """Background of a picture."""
    return (_DARK if dark else _LIGHT)["paper"]


def _layout(ink: dict[str, str]) -> dict[str, Any]:
    axis = {
        "linecolor": ink["line"],
        "gridcolor": ink["grid"],
        "zerolinecolor": ink["line"],
        "tickcolor": ink["line"],
        "tickfont": {"size": 11, "color": ink["faint"]},
        "title": {"font": {"size": 13, "color": ink["faint"]}},
    }
    return {
        "font": {"family": SANS, "size": 13, "color": ink["ink"]},
        "title": {"font": {"size": 14}},
        "paper_bgcolor": ink["paper"],
        "plot_bgcolor": ink["paper"],
        "colorway": CATEGORIES,
        "xaxis": axis,
        "yaxis": axis,
        "legend": {"bgcolor": _translucent(ink["paper"]), "bordercolor": ink["line"], "font": {"size": 12}},
        "hoverlabel": {"bgcolor": ink["tip"], "bordercolor": ink["line"], "align": "left", "namelength": -1}
        | {"font": {"family": MONO, "size": 12, "color": ink["ink"]}},
        "annotationdefaults": {"font": {"size": 11, "color": ink["faint"]}, "showarrow": False},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": ink["faint"], "activecolor": ink["ink"]},
        "dragmode": "zoom",
        "hovermode": "closest",
    }


def _translucent(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.8)"
