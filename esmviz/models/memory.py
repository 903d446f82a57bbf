"""What a model needs and what is free, before anything is loaded. No torch unless there is a GPU to ask."""

from __future__ import annotations

import sys
from pathlib import Path

from esmviz.types import ModelSpec

FIXED_BYTES = 300 * 2**20  # torch and transformers themselves, and the activations of one row
UNKNOWN = 2**63  # free memory of a system that does not tell


def needed_bytes(spec: ModelSpec) -> int:
    """Memory of a model in float32 with a fifth on top, estimated from its number of parameters."""
    return int(spec.n_parameters * 4 * 1.2) + FIXED_BYTES


def free_bytes(device: str) -> int:
    """Free memory of the GPU, or of the machine within the limit of its control group."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
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
