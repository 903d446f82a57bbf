"""When memory is short: results go first, which cost a computation; then idle models, which cost a start."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from esmviz.allocator import give_back
from esmviz.results import Results

log = logging.getLogger("esmviz")


class Spare:
    """What can be let go of at once: caches, the first of them first."""

    def __init__(self, caches: Sequence[Results]) -> None:
        self.caches = list(caches)

    @property
    def n_bytes(self) -> int:
        return sum(cache.n_bytes for cache in self.caches)

    def shed(self, n_bytes: int) -> int:
        """Let go of at least so many bytes, where there are as many; how many went."""
        gone = 0
        for cache in self.caches:
            gone += cache.shed(n_bytes - gone)
        if gone:
            log.warning("memory is short: %.0f MB of results were dropped", gone / 1e6)
            give_back()
        return gone


class Relief:
    """Keeps some memory free while the process works.

    Parameters
    ----------
    free : callable
        Free bytes of the machine at this moment.
    reserve : int
        Bytes that shall stay free.
    spare : Spare
        Goes first.
    drop_idle : callable
        Lets go of one model that nobody uses; False when there is none.
    """

    def __init__(
        self, free: Callable[[], int], reserve: int, spare: Spare, drop_idle: Callable[[], bool]
    ) -> None:
        self._free, self._reserve, self._spare, self._drop_idle = free, reserve, spare, drop_idle
        self._lock = threading.Lock()

    def __call__(self, n_bytes: int = 0) -> bool:
        """Make room for so much more where it is short; whether there is enough."""
        with self._lock:  # several at once would drop more than is needed
            while (lacking := self._reserve + n_bytes - self._free()) > 0:
                if not self._spare.shed(lacking) and not self._drop_idle():
                    return False
            return True
