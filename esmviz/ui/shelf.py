"""What is kept for visitors who come back: in the memory of this process alone, bounded in bytes, browsers and time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

TABS = 16  # of one browser

T = TypeVar("T")


@dataclass
class _Kept(Generic[T]):
    value: T
    n_bytes: int
    seen: float


class Shelf(Generic[T]):
    """Values by browser and tab.

    Parameters
    ----------
    n_bytes, n_browsers : int
        The longest unseen goes first.
    seconds : float
        What nobody saw for longer goes too.
    clock : callable
        Seconds, never going back.
    """

    def __init__(
        self, *, n_bytes: int, n_browsers: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most_bytes, self._most_browsers, self._seconds = n_bytes, n_browsers, seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept[T]] = OrderedDict()  # the longest unseen first

    def put(self, browser: str, tab: str, value: T, n_bytes: int) -> bool:
        """Keep a value, or see it again; False where it is too large to be kept."""
        with self._lock:
            self._kept.pop((browser, tab), None)
            if n_bytes > self._most_bytes:
                return False
            self._kept[browser, tab] = _Kept(value, n_bytes, self._clock())
            self._tidy(browser)
        return True

    def find(self, browser: str, tab: str | None) -> T | None:
        """What was kept for a tab; for an unknown one, what the browser saw last."""
        with self._lock:
            self._tidy(browser)
            mine = [key for key in self._kept if key[0] == browser]
            if not mine:
                return None
            return self._kept[(browser, tab) if (browser, tab) in mine else mine[-1]].value  # type: ignore[index]

    def forget(self, browser: str) -> list[T]:
        """Take everything of a browser off the shelf."""
        with self._lock:
            return [self._kept.pop(key).value for key in list(self._kept) if key[0] == browser]

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _tidy(self, browser: str) -> None:
        oldest = self._clock() - self._seconds
        for key in [key for key, kept in self._kept.items() if kept.seen < oldest]:
            del self._kept[key]
        mine = [key for key in self._kept if key[0] == browser]
        for key in mine[:-TABS]:
            del self._kept[key]
        while (
            sum(kept.n_bytes for kept in self._kept.values()) > self._most_bytes
            or len({key[0] for key in self._kept}) > self._most_browsers
        ):
            self._kept.popitem(last=False)
