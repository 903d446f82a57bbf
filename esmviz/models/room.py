"""Memory that several models want at once: none is promised twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Spare(Protocol):
    """What can be let go of at once, such as results that could be computed again."""

    @property
    def n_bytes(self) -> int: ...

    def shed(self, n_bytes: int) -> int:
        """Let go of at least so many bytes, where there are as many; how many went."""
        ...


class _Nothing:
    n_bytes = 0

    def shed(self, n_bytes: int) -> int:
        return 0


NOTHING: Spare = _Nothing()


class Room:
    """The free memory of a device, and what has been claimed of it by models that are just being built.

    Parameters
    ----------
    free : callable
        Free bytes at this moment.
    fraction : float
        Share of them that may be claimed.
    """

    def __init__(self, free: Callable[[], int], fraction: float) -> None:
        self.free, self.fraction = free, fraction
        self._claimed = 0
        self._changed = threading.Condition()

    @contextmanager
    def claim(self, n_bytes: int, give_way: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Whether there is room; where there is, it is the caller's within the ``with``, and what was built in it
        counts by itself afterwards.

        Memory that another claims may be half used by then and half free, so whoever does not fit beside it waits
        until it is built. ``give_way`` lets something go, or says False when nothing is left to go.
        """
        fits = self._take(n_bytes, give_way)
        try:
            yield fits
        finally:
            if fits:
                with self._changed:
                    self._claimed -= n_bytes
                    self._changed.notify_all()

    def _take(self, n_bytes: int, give_way: Callable[[], bool]) -> bool:
        with self._changed:
            while n_bytes + self._claimed > self.free() * self.fraction:
                if self._claimed:
                    self._changed.wait()
                elif not give_way():
                    return False
            self._claimed += n_bytes
            return True
