"""Peak memory of ``esmviz embed`` against the number of proteins: ``python -m benchmarks.memory [--most 100000]``.

Each run is a process of its own. The proteins are random, 30 to 60 residues, all different; with the embedded model the
engine is the real one. ``--pooling none`` writes an array for each protein instead.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import description

ROOT = Path(__file__).resolve().parents[1]
COUNTS = (100, 1_000, 10_000, 100_000)
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=COUNTS[-1])
    parser.add_argument("--pooling", choices=("mean", "none"), default="mean")
    parser.add_argument("--endings", nargs="+", default=["npz", "h5", "csv"])
    arguments = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d')}. {description()}\n\n| proteins | file | peak memory | time | residues/s |"
    )
    print("|---|---|---|---|---|")
    for count in [count for count in COUNTS if count <= arguments.most]:
        for ending in arguments.endings:
            print(row(count, ending, arguments.pooling), flush=True)


def row(count: int, ending: str, pooling: str) -> str:
    """One run, as a line of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_proteins(folder / "in.fasta", count)
        options = ["-o", f"out.{ending}", "--pooling", pooling, "--stats", "stats.json"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "esmviz.cli", "embed", "in.fasta", *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=True,
        )
        seconds = time.perf_counter() - start
        stats = json.loads((folder / "stats.json").read_text())
        megabytes = (folder / f"out.{ending}").stat().st_size / 1e6
    assert stats["sequences"] == count
    return (
        f"| {count:,} | {ending}, {megabytes:,.1f} MB | {stats['peak_memory_mb']:,.0f} MB | {seconds:,.1f} s "
        f"| {stats['residues_per_second']:,.0f} |"
    )


def write_proteins(path: Path, count: int) -> None:
    chance = random.Random(0)
    with path.open("w", encoding="ascii") as stream:
        for number in range(count):
            letters = "".join(chance.choices(LETTERS, k=chance.randint(30, 60)))
            stream.write(f">sp|R{number:06d}|RANDOM_{number}\n{letters}\n")


if __name__ == "__main__":
    main()
