"""Files made to hurt a reader: each is read or refused in words, in bounds of time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import corpus, measure, targets

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES, LETTERS = 20, 1000, 600
QUICK = [(kind, name) for kind, made in corpus.SMALL.items() for name in made]


@pytest.mark.parametrize(("kind", "name"), QUICK, ids=lambda text: text.replace("/", "-"))
def test_a_small_one_is_read_or_refused_in_words(kind: str, name: str) -> None:
    said = targets.outcome(kind, corpus.KINDS[kind][name]())
    assert len(said) < LETTERS
    assert said.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(measure.KINDS))
def test_time_and_memory_are_bounded(kind: str) -> None:
    if kind not in targets.TARGETS:
        pytest.skip(f"{kind} needs a package that is not installed: make install")
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.measure", kind],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["name"] for one in found] == list(measure.KINDS[kind])
    assert [one for one in found if not is_bounded(one)] == []


def is_bounded(found: dict[str, object]) -> bool:
    return (
        "failed" not in found
        and found["seconds"] < SECONDS
        and found["megabytes"] < MEGABYTES
        and len(found["said"]) < LETTERS
    )
