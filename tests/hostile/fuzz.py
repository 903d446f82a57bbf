"""Coverage-guided fuzzing of what reads things from outside: ``python -m tests.hostile.fuzz SECONDS [NAME ...]``.

Each target runs in a process of its own for its share of the time, from seeds that are made by code. An input that ends in
anything but an error of ours is kept in ``test-results/fuzz`` and the run fails.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path("test-results/fuzz")
LIMITS = ["-max_len=8000", "-timeout=60", "-rss_limit_mb=2500", "-print_final_stats=1"]


def fuzz(name: str, seconds: int, folder: str) -> None:
    """One target, in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["esmviz", "biotite.sequence.io.fasta", "biotite.structure.io"]):
        from tests.hostile import targets

    FOUND.mkdir(parents=True, exist_ok=True)  # pytest empties the folder above it
    for number, seed in enumerate(targets.TARGETS[name][1]().values()):
        (Path(folder) / f"seed-{number}").write_bytes(seed)
        targets.survives(name, seed)  # imports what it needs, which is no slow input
    arguments = [f"-max_total_time={seconds}", f"-artifact_prefix={FOUND}/{name}-", *LIMITS, folder]
    atheris.Setup([sys.argv[0], *arguments], lambda content: targets.survives(name, content))
    atheris.Fuzz()


def run(name: str, seconds: int) -> bool:
    """One target in a process of its own; its last words, and whether it found nothing."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.hostile.fuzz", "--one", name, str(seconds), folder]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    count = re.findall(r"number_of_executed_units:\s*(\d+)", done.stderr)
    edges = re.findall(r"cov: (\d+)", done.stderr)
    print(f"{name}: {int(count[-1] if count else 0):,} runs, {edges[-1] if edges else '?'} edges", flush=True)
    if done.returncode:
        print(done.stdout[-3000:] + done.stderr[-3000:], flush=True)
    return done.returncode == 0


def main() -> None:
    if sys.argv[1] == "--one":
        fuzz(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    from tests.hostile import targets

    names = sys.argv[2:] or list(targets.TARGETS)
    share = max(1, int(sys.argv[1]) // len(names))
    sys.exit(not all([run(name, share) for name in names]))


if __name__ == "__main__":
    main()
