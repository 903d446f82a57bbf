"""``tf_model.h5`` of the former TensorFlow classes (``TFEsmForMaskedLM``), under PyTorch's names. No TensorFlow needed.

Names and transposes as in ``modeling_tf_pytorch_utils.py`` of transformers 4.57.6, the last release that had them.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from esmviz.errors import CorruptCheckpointError
from esmviz.models.faults import brief

MOST_NAMES = 20_000  # a model of 48 blocks has some 2,000 arrays and groups
LEAVES = {"kernel": "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias"}

Arrays = dict[str, Any]


def outline(path: Path) -> Arrays:
    """Every tensor by PyTorch's name, as an array of zeros of its shape that takes no memory.

    Raises
    ------
    CorruptCheckpointError
        When the file is truncated, no HDF5, or keeps its data elsewhere.
    """
    stat = path.stat()
    return _outline(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _outline(path: Path, *_version: int) -> Arrays:
    return _read(path, lambda dataset: np.broadcast_to(np.float32(0), dataset.shape))


def arrays(path: Path) -> Arrays:
    """Every tensor by PyTorch's name; the same errors."""
    return _read(path, lambda dataset: dataset[()])


def _read(path: Path, value: Any) -> Arrays:
    import h5py

    result: Arrays = {}
    try:
        with h5py.File(path, "r") as file:
            for name in _names(file):  # one is open at a time: each takes 80 KB
                if isinstance(item := file[name], h5py.Dataset):
                    _check_place(item, path.stat().st_size)
                    _add(result, _variable(name, file), value(item))
    except (
        OSError,
        ValueError,
        RuntimeError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
    ) as error:
        raise CorruptCheckpointError(
            f"{path.parent.name}/{path.name} is truncated or no HDF5 file of weights: {brief(error)}.",
            "Copy it again.",
        ) from None
    return result


def _names(file: Any) -> list[str]:
    names: list[str] = []

    def note(name: str) -> bool | None:
        names.append(name)
        return True if len(names) > MOST_NAMES else None  # which ends the walk

    file.visit(note)
    if len(names) > MOST_NAMES:
        raise ValueError(f"it holds more than {MOST_NAMES:,} arrays and groups")
    return names


def _check_place(dataset: Any, n_bytes: int) -> None:
    """A file can say that its numbers lie in another, or announce more than it holds: Keras does neither."""
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"{dataset.name} is kept in another file")
    if dataset.nbytes > n_bytes:
        raise ValueError(f"{dataset.name} announces more numbers than the file holds")


def _variable(name: str, file: Any) -> str:
    """The variable's name, from ``esm/`` or ``lm_head/`` on. In a whole file Keras has a group for each layer and the
    model's own name before each variable; a shard has them plainly.
    """
    group, _, rest = name.partition("/")
    is_layer = any(key.startswith("weight_names") for key in file[group].attrs)
    return rest.partition("/")[2] if is_layer else name


def _add(result: Arrays, variable: str, value: Any) -> None:
    """Put a variable under PyTorch's name; Keras lists the shared embedding with the head that uses it, too."""
    *stem, leaf = variable.removesuffix(":0").replace("_._", "/").split("/")
    name = ".".join([*stem, LEAVES.get(leaf, leaf)])
    value = value.T if leaf == "kernel" else value
    if name in result and not np.array_equal(result[name], value):
        raise ValueError(f"{variable} is there twice, with different values")
    result[name] = value
