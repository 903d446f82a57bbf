"""What the controls of the pages are set to: noted at every run, and put back for who returns to the app or to a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import streamlit as st

Value = bool | int | float | str | tuple[int, int]

# By page and widget key, up to the first underscore before a number or a model's name; with the type of its value. A
# control that is not here starts at its default again. A value that no longer fits its control is reset by Streamlit.
OF_PAGE: Mapping[str, Mapping[str, type]] = MappingProxyType(
    {
        "home": {"stretch": tuple},
        "similarity": {"other": str, "centre": bool, "apart": int, "part": tuple, "part_other": tuple},
        "attention": {
            "show": str,
            "statistic": str,
            "correction": str,
            "fixed_range": bool,
            "layers": tuple,
            "apart": int,
            "part": tuple,
        },
        "logits": {"show_logits": str, "scheme": str, "row_order": str, "stretch": tuple},
        "clusters": {
            "pooling": str,
            "map": str,
            "neighbours": int,
            "min_dist": float,
            "seed": int,
            "grouping": str,
            "smallest": int,
            "k": int,
            "colour": str,
        },
        "structure": {"paint": str, "shown": str, "part": tuple},
    }
)
_EVERYWHERE: Mapping[str, type] = MappingProxyType({"image_format": str})
KINDS: Mapping[str, type] = MappingProxyType(
    {k: v for of in (*OF_PAGE.values(), _EVERYWHERE) for k, v in of.items()}
)
_NUMBERED = "neighbours|smallest|k|colour|part|part_other|stretch"
_SUFFIXED = re.compile(rf"(layers)_.{{1,200}}|({_NUMBERED})_\d{{1,9}}", re.DOTALL)
_PLAIN = frozenset(KINDS) - {"layers", *_NUMBERED.split("|")}


def kind(key: str) -> type | None:
    """Type of the value of a control, None for what is no setting of a page.

    >>> kind("scheme"), kind("neighbours_57"), kind("layers_mini"), kind("run")
    (<class 'str'>, <class 'int'>, <class 'tuple'>, None)
    """
    return KINDS.get(_name(key))


def _name(key: str) -> str:
    """The key without what tells controls of other proteins or models apart, ``""`` for what is no setting."""
    found = _SUFFIXED.fullmatch(key)
    return next(filter(None, found.groups())) if found else key if key in _PLAIN else ""


def is_of(key: str, page: str) -> bool:
    """Whether a page has that control.

    >>> is_of("apart", "similarity"), is_of("apart", "logits"), is_of("image_format", "logits")
    (True, False, True)
    """
    return _name(key) in {*OF_PAGE.get(page, ()), *_EVERYWHERE}


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


def put_back(settings: Mapping[str, Value], page: str) -> None:
    """Set the controls of a page in its first run, before any of them is drawn: after a reload, or another page.

    Streamlit lets go of what a control was set to as soon as a page is drawn without it, and tells the browser of a
    value only in the run in which it is set. Controls of other pages would stay, and go into what this one shares.
    """
    for key, value in settings.items():
        if is_of(key, page):
            st.session_state[key] = value


def replace(settings: dict[str, Value], by: Mapping[str, Value]) -> None:
    """Others in the place of what all pages were set to; the controls that stand there let go of it."""
    for key in list(st.session_state):
        if isinstance(key, str) and kind(key) is not None:
            del st.session_state[key]
    settings.clear()
    settings.update(by)
