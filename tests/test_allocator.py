"""Freed memory that the C library keeps: threads share few heaps. A process of its own, since it cannot be undone."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
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


def n_heaps(before, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    program = PROGRAM.format(before=before)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment | variables,
        check=True,
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_threads_share_two_heaps_unless_the_environment_says_otherwise():
    assert n_heaps("allocator.few_arenas()") == 2
    assert n_heaps("allocator.few_arenas()", MALLOC_ARENA_MAX="5") == 5
    assert n_heaps("") > 5
