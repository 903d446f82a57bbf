"""What libraries keep for themselves by default, of little use in a server that lives for months: memory that was freed,
and a core for a thread that waits for its next product.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress
from typing import Any

ARENAS = 2
M_ARENA_MAX = -8  # malloc.h
ENVIRONMENT = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")


def few_arenas() -> None:
    """Let all threads share ``ARENAS`` heaps: with eight for each core, what one page's thread freed in its heap stays
    empty while the next page's thread grows another. Before there are many threads; a choice in the environment holds."""
    if not any(name in os.environ for name in ENVIRONMENT):
        _call("mallopt", M_ARENA_MAX, ARENAS)


def idle_threads_sleep() -> None:
    """Let threads of OpenMP sleep between two products: in a crowd their spinning took a quarter of a core from the pages,
    and one protein alone takes a quarter longer without it. Before torch is imported; a choice in the environment holds."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def give_back_at_collections() -> None:
    """``give_back`` whenever Python has looked for cycles among all objects: figures and what a page computed go then."""
    gc.callbacks.append(_collected)


def _collected(phase: str, info: dict[str, Any]) -> None:
    if phase == "stop" and info["generation"] == 2:
        give_back()


def give_back() -> None:
    """The C library keeps what Python freed for later; the system shall have it now."""
    _call("malloc_trim", 0)


def _call(name: str, *numbers: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc
            getattr(ctypes.CDLL("libc.so.6"), name)(*numbers)
