"""How time and memory grow with the length of a protein and with the number of proteins: ``python -m benchmarks.costs``.

Random weights of the shape of ESM-2 8M, random proteins, the engine itself, without the cache of results. Memory is what
the process grows by at its peak. An exponent p is the slope of log(time) over log(length) between the two longest, or over
log(number) between the two largest sets: cost grows as n^p there.
"""

import argparse
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.engine import saved
from benchmarks.machine import description
from esmviz.analysis.projection import umap
from esmviz.models.base import sites
from esmviz.models.cache import ModelCache
from esmviz.models.peak import Peak
from esmviz.types import AMINO_ACIDS, ContactHead, KeepHeads, ProteinRecord, Request

LENGTHS = (64, 128, 256, 512, 1024, 2048, 4096)
NUMBERS = (10, 100, 1_000, 10_000, 100_000)
MASKED = 32  # positions of a protein that are timed; a scan has L of them
SHAPE = "esm2-8m"
WIDTH = 320


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--longest", type=int, default=LENGTHS[-1])
    parser.add_argument("--most", type=int, default=NUMBERS[-1], help="largest set")
    asked = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}. {description()}\n")
    with tempfile.TemporaryDirectory() as folder:
        saved(SHAPE, Path(folder))
        backend = ModelCache(device="cpu", models_dir=Path(folder), offline=True).backend(SHAPE)
        lengths = [length for length in LENGTHS if length <= asked.longest]
        print(table("residues", lengths, by_length(backend)))
        numbers = [number for number in NUMBERS if number <= asked.most]
        print(table("proteins", numbers, by_number(backend)))


def by_length(backend: Any) -> dict[str, Callable[[int], float]]:
    """What is done with one protein of so many residues, and by how much its time is multiplied."""
    requests = {
        "embed (auto)": Request(layers=(-1,), pooling="mean", precision="auto"),
        "logits": Request(logits=True),
        "one head": Request(probes=(KeepHeads(6, (0,)),)),
        "contacts": Request(probes=(ContactHead(),)),
    }

    def pass_of(request: Request) -> Callable[[int], float]:
        def run(length: int) -> float:
            list(backend.run([protein(length)], request))
            return 1.0

        return run

    def masked(length: int) -> float:
        record = protein(length)
        chosen = sites(record, np.linspace(0, length - 1, MASKED).astype(int))
        list(backend.run_masked(chosen))
        return length / MASKED

    return {name: pass_of(request) for name, request in requests.items()} | {"masked scan": masked}


def by_number(backend: Any) -> dict[str, Callable[[int], float]]:
    """What is done with so many proteins of 30 to 60 residues, or with their vectors."""
    request = Request(layers=(-1,), pooling="mean", precision="auto")
    vectors = np.random.default_rng(0).standard_normal((NUMBERS[-1], WIDTH), dtype=np.float32)

    def embed(number: int) -> float:
        chance = np.random.default_rng(1)
        for start in range(0, number, 1000):
            some = [
                protein(int(n), start + i) for i, n in enumerate(chance.integers(30, 61, min(1000, number)))
            ]
            for _ in backend.run(sorted(some, key=len), request):
                pass
        return 1.0

    def project(number: int) -> float:
        umap(vectors[:number])
        return 1.0

    return {"embed (auto)": embed, "UMAP": project}


def table(axis: str, sizes: list[int], ways: dict[str, Callable[[int], float]]) -> str:
    """Markdown: a row for each size, time and peak of each way, the exponents below."""
    lines = [f"| {axis} | " + " | ".join(ways) + " |", "|---" * (len(ways) + 1) + "|"]
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(sizes[0])  # what is compiled or allocated once is not counted
    for size in sizes:
        cells = []
        for name, way in ways.items():
            seconds, peak = measured(way, size)
            times[name].append(seconds)
            cells.append(f"{seconds:.3g} s, {peak}")
        lines.append(f"| {size:,} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    slopes = [math.log(found[-1] / found[-2]) / math.log(sizes[-1] / sizes[-2]) for found in times.values()]
    lines.append("| exponent | " + " | ".join(f"{slope:.2f}" for slope in slopes) + " |")
    return "\n".join(lines) + "\n"


def measured(way: Callable[[int], float], size: int) -> tuple[float, str]:
    """Best time of three, or of one that takes long, and what memory grows by."""
    best, peak, rounds = math.inf, Peak("cpu"), 0
    while rounds < 3 and (rounds == 0 or best < 5):
        start = time.perf_counter()
        factor = way(size)
        best, rounds = min(best, (time.perf_counter() - start) * factor), rounds + 1
    grown = peak.bytes
    return best, "?" if grown is None else f"{grown / 1e6:,.0f} MB"


def protein(length: int, seed: int = 0) -> ProteinRecord:
    letters = np.random.default_rng([seed, length]).choice(list(AMINO_ACIDS), length)
    return ProteinRecord(f"p{length}-{seed}", "".join(letters))


if __name__ == "__main__":
    main()
