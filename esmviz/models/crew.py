"""Rows side by side on a processor: a thread of one core for each row, in place of all cores sharing every product.

Products of a row of a small model are so short that cores which share them mostly wait for each other, and where
something else wants a core too they wait for that: measured in benchmarks/RESULTS.md.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

T = TypeVar("T")
Item = TypeVar("Item")


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

    def in_order(
        self, items: Iterable[Item], compute: Callable[[Item], T], may_join: Callable[[list[Item]], bool]
    ) -> Iterator[T]:
        """What ``compute`` gives of each, in order: one for each thread under way and one that is next, where
        ``may_join`` lets the last of those under way run beside the others. None runs after the end.
        """
        under_way: deque[tuple[Item, Future[T]]] = deque()

        def finished() -> T:
            result = under_way[0][1].result()
            under_way.popleft()  # not before: who interrupts the waiting has it waited for below
            return result

        try:
            for item in items:
                while under_way and not (
                    len(under_way) <= self.size and may_join([*(other for other, _ in under_way), item])
                ):
                    yield finished()
                under_way.append((item, self._pool.submit(compute, item)))
            while under_way:
                yield finished()
        finally:
            wait([future for _, future in under_way if not future.cancel()])


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
