"""Masked marginals of a set beside one masked copy at a time: ``python -m benchmarks.masked``.

Same proteins, same random weights of the true architectures, one process, ways in turns, best of the rounds. The gain is to
be no less than embedding has over one protein at a time in the same precision, which is measured beside it.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.engine import SHAPES, by_esmviz, by_transformers, one_by_one, proteins, saved
from benchmarks.machine import description
from esmviz.models.base import AMINO_ACID_TOKENS, MASK, tokens
from esmviz.settings import Settings
from esmviz.types import AMINO_ACIDS, ProteinRecord
from esmviz.workbench import Workbench

LENGTHS = (40, 60, 90, 130, 250)
Logits = list[np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", choices=SHAPES, default=["esm2-8m", "esm2-35m"])
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{time.strftime('%Y-%m-%d')}. {description()}\n")
    print(
        "| model | masked: residues read/s | one at a time | gain | largest difference | gain of embedding |"
    )
    print("|---|---|---|---|---|---|")
    for name in asked.models:
        with tempfile.TemporaryDirectory() as folder:
            print(row(name, Path(folder), asked.rounds), flush=True)


def row(name: str, folder: Path, n_rounds: int) -> str:
    """One model, as a line of the table."""
    model, records, many = saved(name, folder), chosen(), proteins("mixed", 24)
    bench = Workbench(Settings(), allow_paths=True)
    ways: list[Callable[[], Any]] = [
        lambda: [output.logits for output in bench.masked_each(records, str(folder / name))],
        lambda: one_copy_at_a_time(model, records),
        lambda: by_esmviz(folder / name, many, "float32"),
        lambda: by_transformers(model, many, one_by_one(many)),
    ]
    ways[2]()  # warm
    best = [float("inf")] * len(ways)
    results: list[Any] = [None] * len(ways)
    for _ in range(n_rounds):
        for index, way in enumerate(ways):
            start = time.perf_counter()
            results[index] = way()
            best[index] = min(best[index], time.perf_counter() - start)
    n_read = sum(len(record) ** 2 for record in records)
    difference = max(np.abs(a - b).max() for a, b in zip(results[0], results[1], strict=True))
    return (
        f"| {name} | {n_read / best[0]:,.0f} | {n_read / best[1]:,.0f} | {best[1] / best[0]:.2f}× | {difference:.0e} "
        f"| {best[3] / best[2]:.2f}× |"
    )


def chosen() -> list[ProteinRecord]:
    generator, letters = np.random.default_rng(0), list(AMINO_ACIDS)
    return [ProteinRecord(f"p{n}", "".join(generator.choice(letters, n))) for n in LENGTHS]


@torch.inference_mode()
def one_copy_at_a_time(model: Any, records: list[ProteinRecord]) -> Logits:
    """As in the tutorials: a pass for each masked residue, in float32."""
    found = []
    for record in records:
        rows = np.empty((len(record), len(AMINO_ACIDS)), dtype=np.float32)
        for position in range(len(record)):
            ids = torch.from_numpy(tokens(record))[None]
            ids[0, position + 1] = MASK
            rows[position] = model(input_ids=ids).logits[0, position + 1, list(AMINO_ACID_TOKENS)].numpy()
        found.append(rows)
    return found


if __name__ == "__main__":
    main()
