"""About how much memory the values behind a page hold on to. Quick: nobody waits for it to count every letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from functools import partial
from sys import getsizeof
from typing import Any

import numpy as np

CELL = 64  # bytes of a short text or a number in a list


def held_bytes(values: Iterable[Any], seen: set[int] | None = None) -> int:
    """Bytes of arrays, texts and lists, in mappings and arguments too, each once; a view holds all of its array.

    Examples
    --------
    >>> whole = np.zeros(1000, dtype=np.uint8)
    >>> held_bytes([whole, whole[:5], ["a", "b"]])
    1128
    """
    seen = set() if seen is None else seen
    return sum(_bytes(value, seen) for value in values)


def text_bytes(value: Any, seen: set[int] | None = None) -> int:
    """Bytes of all texts in lists, mappings and dataclasses, each once, and of what holds them.

    A letter takes 1 to 4 bytes: one emoji makes four times as much of a whole text.

    Examples
    --------
    >>> from sys import getsizeof
    >>> text_bytes(["MKV" * 1000]) - getsizeof("MKV" * 1000)
    64
    """
    seen = set() if seen is None else seen
    if value is None or id(value) in seen:
        return 0
    seen.add(id(value))
    n_bytes = getsizeof(value)
    if isinstance(value, Mapping):
        return n_bytes + sum(text_bytes(part, seen) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return n_bytes + sum(text_bytes(part, seen) for part in value)
    if is_dataclass(value):
        return n_bytes + text_bytes(vars(value), seen)
    return n_bytes


def _bytes(value: Any, seen: set[int]) -> int:
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    if id(value) in seen:
        return 0
    seen.add(id(value))
    match value:
        case np.ndarray():
            return value.nbytes
        case str() | bytes():
            return getsizeof(value)
        case partial():
            return held_bytes([*value.args, *value.keywords.values()], seen)
        case Mapping():
            return held_bytes(value.values(), seen)
        case list() | tuple():
            return CELL * len(value)
    return 0
