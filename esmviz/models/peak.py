"""The most memory that work takes, from the counters of the system and of the GPU."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

PROCESS = Path("/proc/self")


class Peak:
    """The most that memory has grown by since this was made; what others in the process hold is counted too.

    Parameters
    ----------
    device : str
        ``cuda`` asks torch. Else Linux is asked, whose counter starts anew: a second one at the same time ends
        what the first has seen.
    """

    def __init__(self, device: str, process: Path = PROCESS) -> None:
        self._is_cuda, self._process = device.startswith("cuda"), process
        self._before = self._begin_on_gpu() if self._is_cuda else self._begin()

    @property
    def bytes(self) -> int | None:
        """None where the system does not tell."""
        if self._before is None:
            return None
        return max(0, self._most() - self._before)

    def _begin_on_gpu(self) -> int:
        import torch

        torch.cuda.reset_peak_memory_stats()
        return int(torch.cuda.memory_allocated())

    def _begin(self) -> int | None:
        _give_back()
        try:
            (self._process / "clear_refs").write_text("5")  # man 5 proc: the peak becomes what is held now
        except OSError:
            return None
        return self._most()

    def _most(self) -> int:
        if self._is_cuda:
            import torch

            return int(torch.cuda.max_memory_allocated())
        lines = (self._process / "status").read_text().splitlines()
        [kibibytes] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return int(kibibytes) * 1024


def _give_back() -> None:
    """Return freed memory to Linux, which else counts it as held."""
    if sys.platform == "linux":
        trim = getattr(
            ctypes.CDLL(None), "malloc_trim", None
        )  # of glibc; other C libraries have none to keep
        if trim is not None:
            trim(0)
