"""A short name for some content: of arrays, values and the arguments of a function."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np


def fingerprint(*values: Any) -> str:
    """SHA-256 of values and of all that is in them, in hexadecimal digits.

    Numbers, texts, arrays, slices, sequences, mappings, sets, dataclasses, named functions and partials of them: anything
    else is a TypeError, since two that differ could look the same.

    Examples
    --------
    >>> fingerprint(1, "a") == fingerprint(1, "a")
    True
    >>> len({fingerprint(1), fingerprint(1.0), fingerprint("1"), fingerprint((1,)), fingerprint([1])})
    5
    """
    found = hashlib.sha256()
    _add(found, values)
    return found.hexdigest()


def _add(found: Any, value: Any) -> None:
    kind = type(value)
    found.update(f"{kind.__module__}.{kind.__qualname__} ".encode())
    match value:
        case None | bool() | int() | float() | str() | bytes():
            raw = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
            found.update(f"{len(raw)} ".encode() + raw)
        case np.ndarray() if value.dtype != object:
            found.update(f"{value.dtype} {value.shape} ".encode())
            found.update(np.ascontiguousarray(value).data.cast("B") if value.size else b"")
        case np.generic():
            found.update(f"{value.dtype} ".encode() + value.tobytes())
        case slice():
            _add(found, (value.start, value.stop, value.step))
        case tuple() | list():
            _add_all(found, value)
        case set() | frozenset():
            _add_all(found, sorted(map(fingerprint, value)))
        case Mapping():
            _add_all(found, [part for pair in value.items() for part in pair])
        case partial():
            _add(found, (value.func, value.args, value.keywords))
        case FunctionType() if value.__closure__ is None and "<" not in value.__qualname__:
            found.update(f"{value.__module__}.{value.__qualname__} ".encode())
        case _ if is_dataclass(value) and not isinstance(value, type):
            _add_all(found, [getattr(value, field.name) for field in fields(value)])
        case _:
            raise TypeError(f"a {kind.__qualname__} has no fingerprint")


def _add_all(found: Any, values: Any) -> None:
    found.update(f"{len(values)} ".encode())
    for value in values:
        _add(found, value)
