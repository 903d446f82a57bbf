"""Counts within windows of time, as the ``limits`` library keeps them in memory; begun anew where the clock jumps."""

from __future__ import annotations

import time
from collections.abc import Callable

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

JUMP_SECONDS = 60.0  # the windows go by the wall clock: set back by a day, they would be closed for a day


class Rates:
    """How often somebody did something lately."""

    def __init__(self) -> None:
        self._storage = MemoryStorage()
        self._windows = FixedWindowRateLimiter(self._storage)
        self._offset = _offset()

    def allows(self, item: RateLimitItem, who: str, cost: int = 1) -> bool:
        """Whether so much more fits into the window."""
        if abs(_offset() - self._offset) > JUMP_SECONDS:
            self._offset = _offset()
            self._storage.reset()
        return self._windows.test(item, who, cost=cost)

    def count(self, item: RateLimitItem, who: str, cost: int = 1) -> None:
        self._windows.hit(item, who, cost=cost)

    def counted(self, item: RateLimitItem, who: str, cost: int) -> Callable[[float], None]:
        """``count``, and what takes a share of it back, as long as its window lasts."""
        self.count(item, who, cost)
        key = item.key_for(who)
        end = self._storage.get_expiry(key)

        def give_back(share: float) -> None:
            if self._storage.get_expiry(key) == end:
                self._storage.decr(key, int(cost * share))

        return give_back

    def forgive(self, item: RateLimitItem, who: str) -> None:
        self._windows.clear(item, who)

    def seconds_left(self, item: RateLimitItem, who: str) -> float:
        """Until the window of a refusal is over."""
        return max(0.0, self._windows.get_window_stats(item, who).reset_time - time.time())


def _offset() -> float:
    return time.time() - time.monotonic()
