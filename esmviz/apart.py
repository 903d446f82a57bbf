"""Groups of a large set in a process of its own: HDBSCAN holds Python's lock for as long as it takes, and a server would
answer nobody meanwhile (3 s for 5,000 proteins, 14 s for 10,000 on two busy cores); k-means cannot be cancelled.

The process reads a line of JSON and an array from standard input, and writes an array to standard output: two files
without a name.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from esmviz.analysis.clustering import check_k, hdbscan, kmeans, smallest_cluster
from esmviz.errors import ComputationLostError
from esmviz.types import FloatArray, IntArray

log = logging.getLogger("esmviz")

SMALL = 1000  # proteins; so few take less time than a process takes to start, and hold the lock for a sixth of a second
LOOK_SECONDS = 0.2  # then others have their turn, and a cancel is heard


def group_steps(
    method: str, vectors: FloatArray, params: Mapping[str, Any]
) -> Generator[None, None, IntArray]:
    """`analysis.clustering.hdbscan` or `kmeans` of the vectors; yields while it waits, and ends the process when it is
    closed.

    Parameters
    ----------
    method : {'hdbscan', 'kmeans'}
    vectors : ndarray, shape=(N, D), dtype=float32
        Comparable vectors: one model, layer and pooling.
    params : Mapping
        As there.

    Returns
    -------
    clusters : ndarray, shape=(N,), dtype=int64

    Raises
    ------
    ValueError
        If a parameter is out of range.
    ComputationLostError
        If there is no room for its files, if it cannot be started, or if it ends without a result: where memory is short,
        the system ends it.
    """
    n = len(vectors)
    if method == "hdbscan":
        params = {"min_cluster_size": smallest_cluster(n, params.get("min_cluster_size"))}
        what, cure = "HDBSCAN", "take k-means"
    else:
        check_k(params["k"], n)
        what, cure = "k-means", "ask for fewer groups"
    try:
        clusters = yield from _grouped({"method": method, **params}, vectors)
    except OSError as error:
        raise ComputationLostError(
            f"Grouping {n:,} proteins by {what} failed: {error.strerror}.",
            f"Try again in a minute, or {cure}.",
        ) from error
    if isinstance(clusters, int):
        was_ended = clusters < 0  # by a signal: the system's, where memory is short
        why = "ended before it was done; the memory may have been short" if was_ended else "failed"
        raise ComputationLostError(f"Grouping {n:,} proteins by {what} {why}.", f"Try again, or {cure}.")
    return clusters


def _grouped(question: Mapping[str, Any], vectors: FloatArray) -> Generator[None, None, IntArray | int]:
    """What the process answers; its code where it ended without an answer."""
    with (
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as answer,
        tempfile.TemporaryFile() as complaint,
    ):
        asked.write(json.dumps(question).encode() + b"\n")
        _save(asked, vectors)
        asked.seek(0)
        with _started(asked, answer, complaint) as child:
            try:
                while child.poll() is None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.wait(LOOK_SECONDS)
                    yield
            finally:
                child.kill()
        if child.returncode != 0:
            log.warning("grouping ended with %d: %s", child.returncode, _kind_of_error(complaint))
            return child.returncode
        answer.seek(0)
        clusters: IntArray = _load(answer)
        return clusters


def _kind_of_error(complaint: IO[bytes]) -> str:
    """The name of the exception at the end of a traceback; what it says, over how many lines, nobody may read."""
    complaint.seek(0)
    last = complaint.read().decode(errors="replace").strip().rpartition("\n")[2]
    name = re.match(r"([A-Za-z_]+\.)*[A-Z][A-Za-z]*(Error|Exception|Interrupt|Exit)(?=:|$)", last)
    return name.group() if name else "an error of more than one line, or none"


def _started(asked: IO[bytes], answer: IO[bytes], complaint: IO[bytes]) -> subprocess.Popen[bytes]:
    """The process. Nothing of our environment but how threads behave: the rest can hold tokens. Files and no pipes:
    a pipe that is full waits for whoever looks at it only now and then.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith("OMP_")}
    return subprocess.Popen(  # nosec B603
        [sys.executable, "-m", "esmviz.apart"],
        cwd=Path(__file__).resolve().parents[1],
        env={**kept, "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
        stdin=asked,
        stdout=answer,
        stderr=complaint,
        start_new_session=True,  # Ctrl-C in a terminal is the parent's, which then ends this one
    )


def main(asked: IO[bytes], answer: IO[bytes]) -> None:
    """What the process does."""
    params = json.loads(asked.readline())
    group = hdbscan if params.pop("method") == "hdbscan" else kmeans
    _save(answer, group(_load(asked), **params))


def _save(file: IO[bytes], array: FloatArray | IntArray) -> None:
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def _load(file: IO[bytes]) -> Any:
    return np.load(io.BytesIO(file.read()), allow_pickle=False)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
