"""What a model needs and what is free, before anything is loaded. No torch unless there is a GPU to ask."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from esmviz.types import (
    ContactHead,
    KeepHeads,
    ModelSpec,
    OverHeads,
    Precision,
    Probe,
    ProteinRecord,
    Request,
    Rollout,
)

HALF_BYTES = 2  # of a parameter in bfloat16 or float16
WIDTHS_OF_A_TOKEN = (
    24  # activations of a token at their peak, in float32 vectors of the model's width: measured up to 20
)
WEIGHTS_BYTES = 64 * 2**20  # attention weights held at once: as many heads as fit, at least one
FIXED_BYTES = 300 * 2**20  # torch and transformers themselves, and the activations of one row
UNKNOWN = 2**63  # free memory of a system that does not tell


def needed_bytes(spec: ModelSpec, precision: Precision = "auto") -> int:
    """Memory of a model in float32 with a fifth on top, estimated from its number of parameters.

    A precision for everything adds the copy that is made of it; only then does the float32 go.
    """
    copy = half_bytes(spec) if precision in ("bfloat16", "float16") else 0
    return int(spec.n_parameters * 4 * 1.2) + copy + FIXED_BYTES


def half_bytes(spec: ModelSpec) -> int:
    """Memory of a second copy of the weights in bfloat16 or float16."""
    return spec.n_parameters * HALF_BYTES


def weights_bytes(spec: ModelSpec, used: str, override: Precision = "auto") -> int:
    """Weights in memory once a model has run in a precision: the float32 ones stay beside a copy of them, unless
    ``override`` is the one precision of everything.
    """
    if used == "float32":
        return spec.n_parameters * 4
    return half_bytes(spec) + (spec.n_parameters * 4 if override == "auto" else 0)


def run_bytes(spec: ModelSpec, records: Sequence[ProteinRecord], request: Request) -> int:
    """Memory of one pass over a row of proteins beyond the weights, estimated from sizes measured on ESM-2 and ESM C."""
    keeps = request.keep_residues or request.pooling is None
    n_widths = WIDTHS_OF_A_TOKEN + 2 * len(request.layers) * keeps
    n_tokens = sum(len(record) + 2 for record in records)
    cells = sum((len(record) + 2) ** 2 for record in records)
    n_maps = sum(map(_n_maps, request.probes))
    largest = max(((len(record) + 2) ** 2 for record in records), default=0)
    portion = max(WEIGHTS_BYTES, 4 * largest) if request.probes else 0
    return 4 * (n_tokens * spec.d_model * n_widths + cells * n_maps) + portion


def _n_maps(probe: Probe) -> int:
    """Residue x residue maps that a probe holds at its peak."""
    match probe:
        case KeepHeads(heads=heads):
            return len(heads)
        case OverHeads() | ContactHead():
            return 3
        case Rollout():
            return 4
    return 2


def free_bytes(device: str) -> int:
    """Free memory of the GPU, or of the machine within the limit of its control group."""
    if device.startswith("cuda"):
        import torch

        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept  # torch holds on to what it will use again
    return min(_free_ram(), _free_in_group())


def pick_device(asked: str) -> str:
    """``cuda`` or ``cpu`` for a setting that may be ``auto``. A Linux without the driver's files is not asked again:
    importing torch takes seconds.
    """
    if asked != "auto":
        return asked
    if sys.platform == "linux" and not any(Path(name).exists() for name in ("/dev/nvidiactl", "/dev/dxg")):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def collect() -> None:
    """Give the memory of a dropped model back now."""
    import gc

    gc.collect()
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def gibibytes(n: int) -> str:
    """A number of bytes for people.

    >>> gibibytes(3 * 2**30)
    '3.0 GiB'
    """
    return f"{n / 2**30:.1f} GiB"


def _free_ram(path: Path = Path("/proc/meminfo")) -> int:
    if not path.is_file():
        return _free_ram_elsewhere()
    for line in path.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return UNKNOWN


def _free_ram_elsewhere() -> int:
    if sys.platform == "win32":
        return UNKNOWN
    import os

    try:
        return (
            os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        )  # half, as nobody says what is used
    except (ValueError, OSError):
        return UNKNOWN


def _free_in_group(root: Path = Path("/sys/fs/cgroup")) -> int:
    """What the control group still allows (version 2, then 1); files that can be dropped do not count as used."""
    for limit, used, stat, cached in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        try:
            allowed = int((root / limit).read_text())
            taken = int((root / used).read_text())
            lines = (line.split() for line in (root / stat).read_text().splitlines())
            reclaimable = next((int(value) for key, value in lines if key == cached), 0)
        except (OSError, ValueError):  # no such file, or the word max
            continue
        return max(0, allowed - taken + reclaimable)
    return UNKNOWN
