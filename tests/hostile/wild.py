"""JSON with one value in it replaced by what nobody expects there."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

Way = tuple[str | int, ...]
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "minus one": -1,
    "zero": 0,
    "a fraction": 1.5,
    "infinite": 1e999,
    "no number": float("nan"),
    "beyond 64 bits": 10**30,
    "huge": 10**12,
    "no text": "",
    "a long text": "x" * 5000,
    "controls": "\u202e\x00\n",
    "a path": "../../../etc/passwd",
    "a list": [],
    "lists": [[1, 2], [3]],
    "an object": {},
    "nested": {"a": {"a": {"a": [{}]}}},
}


def ways(content: Any, way: Way = ()) -> Iterator[Way]:
    """Where something stands in JSON, from the outside in."""
    yield way
    pairs = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in pairs:
        yield from ways(value, (*way, key))


def replaced(content: Any, way: Way, value: Any) -> Any:
    """A copy with another value at one place."""
    if not way:
        return deepcopy(value)
    copy = content.copy()
    copy[way[0]] = replaced(content[way[0]], way[1:], value)
    return copy


def every(content: Any) -> Iterator[tuple[str, Any]]:
    """Each place with each value."""
    for way in ways(content):
        for name, value in VALUES.items():
            yield f"{'/'.join(map(str, way)) or 'all'}: {name}", replaced(content, way, value)
