"""Freed memory that the C library keeps: in few heaps, and not for long. Processes of their own: it cannot be undone."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc")

HEAPS = """
import ctypes, threading
from esmviz import allocator

{before}
libc, all_there = ctypes.CDLL("libc.so.6"), threading.Barrier(12)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]

def visit():
    libc.malloc(5000)
    all_there.wait(60)

threads = [threading.Thread(target=visit) for _ in range(12)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.fflush.argtypes = [ctypes.c_void_p]
out = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, out)
libc.fflush(out)
"""
FREED = """
import ctypes, gc
from pathlib import Path
from esmviz import allocator

{before}
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
blocks = [libc.malloc(100_000) for _ in range(1000)]
[ctypes.memset(block, 1, 100_000) for block in blocks]
[libc.free(block) for block in blocks[:-1]]  # below one that lives
gc.collect()
print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line))
"""


def run(program, before, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", program.format(before=before)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment | variables, check=True)
    return done.stdout


def n_heaps(before, **variables):
    return run(HEAPS, before, **variables).count("<heap nr=")


def test_threads_share_two_heaps_unless_the_environment_says_otherwise():
    assert n_heaps("allocator.few_arenas()") == 2
    assert n_heaps("allocator.few_arenas()", MALLOC_ARENA_MAX="5") == 5
    assert n_heaps("") > 5


def test_what_was_freed_is_given_back_after_a_full_collection():
    kept, left = (int(run(FREED, before)) for before in ("", "allocator.give_back_at_collections()"))
    assert kept - left > 80_000  # of 100 MB, in kB
