"""The tensors of a checkpoint of any format, as float32 and under the names of ``transformers``."""

from __future__ import annotations

import argparse
import threading
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from esmviz.errors import CorruptCheckpointError
from esmviz.models import h5
from esmviz.models.faults import loading_fault
from esmviz.models.native import translated
from esmviz.models.weights import native_file, present_name, weight_files

_ALLOWING = threading.Lock()  # torch's list of allowed classes is one for all threads


def read(folder: Path, names: set[str]) -> dict[str, Tensor]:
    """Those tensors of a checkpoint that have one of the names, float32, in memory of their own.

    Raises
    ------
    CorruptCheckpointError
        For a file that cannot be read, or that holds anything but tensors.
    ModelUnavailableError
        Where memory runs out on the way.
    """
    try:
        if (native := native_file(folder)) is not None:
            return _kept(translated(native, _unpickled_with_settings)[1], names)
        tensors: dict[str, Tensor] = {}
        for path in weight_files(folder):
            tensors |= _kept(_of_file(path), names)
    except (MemoryError, CorruptCheckpointError):
        raise
    except Exception as error:  # whatever a broken file makes torch, safetensors or h5py raise
        raise loading_fault(folder.name, error) from error
    return tensors


def _kept(tensors: Mapping[str, Tensor], names: set[str]) -> dict[str, Tensor]:
    """A copy, so that a file that changes later changes nothing here."""
    kept = {
        present_name(name): tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
        if present_name(name) in names
    }
    check_finite(kept.items())
    return kept


def check_finite(tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse NaN, which a training that failed leaves behind, and infinity; without a copy."""
    for name, tensor in tensors:
        if tensor.numel() and not bool(torch.stack(torch.aminmax(tensor)).isfinite().all()):
            raise CorruptCheckpointError(
                f"{name} holds weights that are no finite numbers (NaN or beyond float32).",
                "Take an earlier checkpoint of the training.",
            )


def _of_file(path: Path) -> Mapping[str, Tensor]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    if path.suffix == ".h5":
        return {name: torch.from_numpy(array) for name, array in h5.arrays(path).items()}
    tensors: Mapping[str, Tensor] = torch.load(
        path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
    )
    return tensors


def _unpickled_with_settings(path: Path) -> Any:
    """What a file of fair-esm or ESM C holds. Beside tensors it may hold settings, and nothing else."""
    with _ALLOWING, torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
