"""Pages are drawn a few at a time: Python lets one thread compute, and who shares it with twenty waits for all of them.

Every message to a browser passes the event loop, which has to get the interpreter back each time it looks away from it.
Beside twenty pages that compute it gets there a dozen times a second, and a page that takes 50 ms comes after seconds.
Beside two it keeps up, and the others are no later than they would have been.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

AT_ONCE = 2
PATIENCE_SECONDS = 5.0  # then one goes on without a turn: a page that hangs holds up nobody for good


class Turns:
    """So many at once, first come, first served.

    Parameters
    ----------
    n : int
    patience : float
        Seconds until who waits goes on without a turn.
    """

    def __init__(self, n: int = AT_ONCE, patience: float = PATIENCE_SECONDS) -> None:
        self._n_free, self._patience = n, patience
        self._lock, self._line = threading.Lock(), deque[threading.Event]()
        self._has_one: ContextVar[bool] = ContextVar("turn", default=False)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """A turn, for the time that something is computed for a page."""
        self._has_one.set(self._take())
        try:
            yield
        finally:
            self._end()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The turn is another's while this page waits for something."""
        had_one = self._has_one.get()
        self._end()
        try:
            yield
        finally:
            if had_one:
                self._has_one.set(self._take())

    def _take(self) -> bool:
        with self._lock:
            if self._n_free:
                self._n_free -= 1
                return True
            mine = threading.Event()
            self._line.append(mine)
        if mine.wait(self._patience):
            return True
        with self._lock:
            if not mine.is_set():
                self._line.remove(mine)
            return mine.is_set()  # given at the last moment

    def _end(self) -> None:
        if not self._has_one.get():
            return
        self._has_one.set(False)
        with self._lock:
            if self._line:
                self._line.popleft().set()  # handed over: nobody who comes now is before it
            else:
                self._n_free += 1


TURNS = Turns()
