"""What a safetensors file says it holds, read without its library: names and shapes, if they fit the file to the byte."""

from __future__ import annotations

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models.faults import brief

MOST_BYTES = 4 * 2**20  # of a header: a checkpoint of 80 blocks has some 150 KiB
WIDTHS = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shape of each tensor by its name in the file.

    Raises
    ------
    CorruptCheckpointError
        When the file is truncated or no safetensors file, or its header announces anything but what is there.
    """
    try:
        with path.open("rb") as file:
            (n_bytes,) = struct.unpack("<Q", file.read(8))
            left = path.stat().st_size - 8 - n_bytes
            if left < 0 or n_bytes > MOST_BYTES:
                raise ValueError("its header is longer than the file, or than that of any model")
            header = json.loads(file.read(n_bytes))
        header.pop("__metadata__", None)
        end = max(entry["data_offsets"][1] for entry in header.values())
        if end != left:
            raise ValueError(f"it has {left} bytes of numbers where {end} are announced")
        return {name: _shape(name, entry) for name, entry in header.items()}
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
        struct.error,
    ) as error:
        raise CorruptCheckpointError(
            f"{path.parent.name}/{path.name} is truncated or no safetensors file: {brief(error)}.",
            "Copy it again.",
        ) from None


def _shape(name: str, entry: dict[str, Any]) -> tuple[int, ...]:
    shape, (start, end) = entry["shape"], entry["data_offsets"]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, end)):
        raise ValueError(f"{brief(name)} has sizes that are none")
    if start + prod(shape) * WIDTHS[entry["dtype"]] != end:
        raise ValueError(f"{brief(name)} has another size than its shape")
    return tuple(shape)
