"""What the controls of the pages are set to: noted at every run, and put back for who returns to the app or to a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

Value = bool | int | float | str | tuple[int, int]

# By widget key, up to the first underscore before a number or a model's name; with the type of its value. A control
# that is not here starts at its default again. A value that no longer fits its control is reset by Streamlit.
KINDS: Mapping[str, type] = MappingProxyType(
    {
        "other": str,
        "centre": bool,
        "apart": int,
        "show": str,
        "statistic": str,
        "correction": str,
        "fixed_range": bool,
        "layers": tuple,
        "show_logits": str,
        "scheme": str,
        "row_order": str,
        "pooling": str,
        "map": str,
        "neighbours": int,
        "min_dist": float,
        "seed": int,
        "grouping": str,
        "smallest": int,
        "k": int,
        "colour": str,
        "paint": str,
        "shown": str,
        "image_format": str,
        "part": tuple,
        "part_other": tuple,
        "stretch": tuple,
    }
)
_SUFFIXED = re.compile(
    r"(layers)_.{1,200}|(neighbours|smallest|k|part|part_other|stretch)_\d{1,9}", re.DOTALL
)
_PLAIN = frozenset(KINDS) - {"layers", "neighbours", "smallest", "k", "part", "part_other", "stretch"}


def kind(key: str) -> type | None:
    """Type of the value of a control, None for what is no setting of a page.

    >>> kind("scheme"), kind("neighbours_57"), kind("layers_mini"), kind("run")
    (<class 'str'>, <class 'int'>, <class 'tuple'>, None)
    """
    found = _SUFFIXED.fullmatch(key)
    name = next(filter(None, found.groups())) if found else key if key in _PLAIN else ""
    return KINDS.get(name)


def fits(key: str, value: object) -> bool:
    """Whether a control could hold the value."""
    wanted = kind(key)
    if wanted is tuple:
        return isinstance(value, tuple) and len(value) == 2 and all(type(end) is int for end in value)
    return wanted is not None and type(value) is wanted


def note(settings: dict[str, Value]) -> None:
    """Remember what the controls on this page are set to."""
    for key in list(st.session_state):
        # One that goes this moment, with the page before this one, is listed still.
        value: Any = st.session_state.get(key)
        if isinstance(key, str) and fits(key, value):
            settings[key] = value


def put_back(settings: Mapping[str, Value]) -> None:
    """Set the controls of a page in its first run, before any of them is drawn: after a reload, or another page.

    Streamlit lets go of what a control was set to as soon as a page is drawn without it, and tells the browser of a
    value only in the run in which it is set.
    """
    for key, value in settings.items():
        st.session_state[key] = value
