"""Rows side by side on a processor: a thread of one core for each row, in place of all cores sharing every product.

Products of a row of a small model are so short that cores which share them mostly wait for each other, and where
something else wants a core too they wait for that: measured in benchmarks/RESULTS.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

T = TypeVar("T")


class Crew:
    """Threads that compute on one core each; theirs is one row at a time.

    Parameters
    ----------
    size : int
        How many; the cores that torch would use.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        n_threads, started = torch.get_num_threads(), threading.Barrier(size)
        self._pool = ThreadPoolExecutor(size, "esmviz-row", initializer=_keep_to_one_core)
        wait([self._pool.submit(started.wait) for _ in range(size)])
        torch.set_num_threads(n_threads)  # what they set for themselves is what new threads begin with

    def together(self, tasks: Sequence[Callable[[], T]]) -> list[Future[T]]:
        """Run all to their end; a task that failed raises when its result is asked for."""
        futures = [self._pool.submit(task) for task in tasks]
        wait(futures)
        return futures


_HERE = threading.local()


def _keep_to_one_core() -> None:
    _HERE.is_of_a_crew = True
    torch.set_num_threads(1)
    torch.get_num_threads()  # a thread takes its number over at the first question, and keeps it


_LOCK = threading.Lock()
_CREWS: dict[int, Crew] = {}


def crew() -> Crew | None:
    """The one crew of the process; None on a single core, and for its own threads: they would wait for each other."""
    size = torch.get_num_threads()
    if size == 1 or getattr(_HERE, "is_of_a_crew", False):
        return None
    with _LOCK:
        if size not in _CREWS:
            _CREWS[size] = Crew(size)
        return _CREWS[size]
