"""Threads that each take a part of a batch."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

In = TypeVar("In")
Out = TypeVar("Out")


class Workers:
    """One thread a core, each computing alone; one thread in all on a GPU.

    Torch itself would split every small operation over the cores and wait for the slowest each time: on a machine
    that does other work too, that costs a multiple of the time. Here the cores meet once a step.
    """

    def __init__(self, device: torch.device, n: int | None = None) -> None:
        self.n = n or (cores() if device.type == "cpu" else 1)
        if device.type == "cpu":
            torch.set_num_threads(1)
        self._pool = ThreadPoolExecutor(self.n, initializer=lambda: torch.set_num_threads(1))

    def map(self, function: Callable[[In], Out], items: Sequence[In]) -> list[Out]:
        """The results in the order of the items, whoever was first: sums stay the same to the last bit."""
        return list(map(function, items) if self.n == 1 else self._pool.map(function, items))


def cores() -> int:
    """Cores that this process may use, whatever torch was told before; OMP_NUM_THREADS limits them."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(os.environ.get("OMP_NUM_THREADS", allowed))))
