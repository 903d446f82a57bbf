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
    gone : callable, optional
        Told what went for one of these reasons.
    """

    def __init__(
        self,
        *,
        n_bytes: int,
        n_browsers: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        gone: Callable[[T], object] = lambda value: None,
    ) -> None:
        self._most_bytes, self._most_browsers, self._seconds = n_bytes, n_browsers, seconds
        self._clock, self._gone = clock, gone
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], _Kept[T]] = OrderedDict()  # the longest unseen first

    def put(self, browser: str, tab: str, value: T, n_bytes: int) -> bool:
        """Keep a value, or see it again; False where it is too large to be kept."""
        with self._lock:
            self._kept.pop((browser, tab), None)
            if n_bytes > self._most_bytes:
                return False
            self._kept[browser, tab] = _Kept(value, n_bytes, self._clock())
            out = self._outdated(browser)
        self._tell(out)
        return True

    def find(self, browser: str, tab: str | None) -> T | None:
        """What was kept for a tab; for an unknown one, what the browser saw last."""
        with self._lock:
            out = self._outdated(browser)
            mine = [key for key in self._kept if key[0] == browser]
            key = next((key for key in mine if key[1] == tab), mine[-1] if mine else None)
            found = None if key is None else self._kept[key].value
        self._tell(out)
        return found

    def tidy(self) -> None:
        """Let go of what nobody saw for too long."""
        with self._lock:
            out = self._outdated("")
        self._tell(out)

    def forget(self, browser: str) -> list[T]:
        """Take everything of a browser off the shelf."""
        with self._lock:
            return [self._kept.pop(key).value for key in list(self._kept) if key[0] == browser]

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def _outdated(self, browser: str) -> list[_Kept[T]]:
        """Take off what is too old, too much of one browser, or too much in all."""
        oldest = self._clock() - self._seconds
        keys = [key for key, kept in self._kept.items() if kept.seen < oldest]
        keys += [key for key in self._kept if key[0] == browser and key not in keys][:-TABS]
        out = [self._kept.pop(key) for key in keys]
        while (
            sum(kept.n_bytes for kept in self._kept.values()) > self._most_bytes
            or len({key[0] for key in self._kept}) > self._most_browsers
        ):
            out.append(self._kept.popitem(last=False)[1])
        return out

    def _tell(self, out: list[_Kept[T]]) -> None:
        for kept in out:  # without the lock, since who is told may ask the shelf
            self._gone(kept.value)
