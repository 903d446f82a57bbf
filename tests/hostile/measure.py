"""Every hostile file in a process of its own: seconds, and memory above a process that has read a small one.

Run as a program, it prints a line of JSON for each file of the corpus, or of the kinds named.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.hostile import corpus, large, targets

ONE = {
    "fasta": b">a\nMKV\n",
    "labels": b"id,a\na,b\n",
    "structure": corpus.pdb(3),
    "session": corpus.session(),
    **large.ONE,
}
KINDS = {**corpus.KINDS, **large.ALL}
PATIENCE = 120  # seconds of processor time, then the process is ended
READINGS = {"biohub": 3}  # times that a file is read to the end: by each form that the client knows
LOOPS, LOOP_SECONDS = 1_000_000, 0.06  # what counting so far took where the bounds were set


def memory(name: str) -> int:
    """A line of this process's status, in bytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1]) * 1024


def slowness() -> float:
    """How much longer Python takes here and now than where the bounds were set; 1 at least. Bounds are of the files, not of
    the machine, and a processor that others use too counts more seconds for the same work.
    """
    best = float("inf")
    for _ in range(3):
        begin, total = time.process_time(), 0
        for number in range(LOOPS):
            total += number * number % 7
        best = min(best, time.process_time() - begin)
    return max(1.0, best / LOOP_SECONDS)


def measured(kind: str, name: str) -> dict[str, object]:
    """What became of a file, in how many seconds (of ``slowness`` 1), and the most memory on the way, the file itself
    included.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
    idle = memory("VmRSS")
    content = KINDS[kind][name]()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    begin = time.process_time()  # the machine may be busy
    said = targets.outcome(kind, content)
    seconds = round((time.process_time() - begin) / slowness() / READINGS.get(kind, 1), 2)
    return {"said": said, "seconds": seconds, "megabytes": round((memory("VmHWM") - idle) / 1e6)}


def in_a_child(kind: str, name: str) -> dict[str, object]:
    """The same in a copy of this process; ``failed`` where it ended otherwise."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, json.dumps(measured(kind, name)).encode()[:60_000])
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  told through the pipe
            os.write(writing, json.dumps({"failed": f"{type(error).__name__}: {error}"[:2000]}).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return json.loads(said) if said else {"failed": f"ended with {status}"}


def all_of(kinds: list[str]) -> Iterator[dict[str, object]]:
    for kind in kinds:
        targets.outcome(kind, ONE[kind])
        for name in KINDS[kind]:
            yield {"kind": kind, "name": name, **in_a_child(kind, name)}


if __name__ == "__main__":
    for found in all_of(sys.argv[1:] or [kind for kind in KINDS if kind in targets.TARGETS]):
        print(json.dumps(found), flush=True)
