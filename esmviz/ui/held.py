"""About how much memory the values behind a page hold on to. Quick: nobody waits for it to count every letter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
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
            return len(value)
        case partial():
            return held_bytes([*value.args, *value.keywords.values()], seen)
        case Mapping():
            return held_bytes(value.values(), seen)
        case list() | tuple():
            return CELL * len(value)
    return 0
