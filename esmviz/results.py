"""What the models gave lately, bounded in bytes. Every visitor shares it, so arrays in it are read-only."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

OVERHEAD = 512  # bytes of keys and objects around a value; it bounds how many small ones there can be


class Results:
    """Least recently used results leave when the bound is reached.

    Parameters
    ----------
    max_bytes : int

    Attributes
    ----------
    n_bytes, n_hits, n_misses : int
        Of what is kept, and how often it was asked for with and without success.

    Examples
    --------
    >>> results = Results(max_bytes=3 * OVERHEAD)
    >>> for key in ["a", "b", "c"]:
    ...     results.put(key, key.upper(), 0)
    >>> results.get("a")
    'A'
    >>> results.put("d", "D", 0)
    >>> results.get("b") is None, len(results)
    (True, 3)
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.n_bytes = self.n_hits = self.n_misses = 0
        self._values: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, *, is_counted: bool = True) -> Any:
        """The value, now the most recently used, or None; who asks a second time for the same does not count."""
        with self._lock:
            is_known = key in self._values
            self.n_hits += is_counted and is_known
            self.n_misses += is_counted and not is_known
            if not is_known:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def drop(self, prefix: str) -> None:
        """Forget all whose keys begin so."""
        with self._lock:
            for key in [key for key in self._values if key.startswith(prefix)]:
                self.n_bytes -= self._values.pop(key)[1]

    def put(self, key: str, value: Any, n_bytes: int) -> None:
        """Keep a value of so many bytes; one larger than the bound is not kept."""
        size = n_bytes + OVERHEAD
        with self._lock:
            self.n_bytes -= self._values.pop(key, (None, 0))[1]
            if size > self.max_bytes:
                return
            self._values[key] = (value, size)
            self.n_bytes += size
            while self.n_bytes > self.max_bytes:
                self.n_bytes -= self._values.popitem(last=False)[1][1]

    def shed(self, n_bytes: int) -> int:
        """Let the least recently used go until so many bytes are free, or nothing is left; how many went."""
        gone = 0
        with self._lock:
            while self._values and gone < n_bytes:
                gone += self._values.popitem(last=False)[1][1]
            self.n_bytes -= gone
        return gone

    def __len__(self) -> int:
        return len(self._values)
