"""The locks hold what the requirements pin, each file of it by its SHA-256."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements", "requirements-dev", "requirements-esm")


def pins(path: Path) -> dict[str, str]:
    """Version of each package that a file names."""
    found = re.findall(r"^([\w.-]+)==([^\s\\;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[._-]+", "-", name).lower(): version for name, version in found}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_every_requirement_and_a_hash_for_each_package(name: str) -> None:
    locked, wanted = pins(ROOT / f"{name}.lock"), pins(ROOT / f"{name}.txt")
    wanted.pop("torch", None)  # its wheels for a processor alone have other hashes
    assert wanted.items() <= locked.items()
    entries = re.split(r"^(?=[\w.-]+==)", (ROOT / f"{name}.lock").read_text(), flags=re.MULTILINE)[1:]
    assert len(entries) == len(locked)
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry) for entry in entries)


@pytest.mark.parametrize("name", LOCKS[:2])
def test_a_lock_agrees_with_the_constraints(name: str) -> None:
    elsewhere = {"colorama", "httpx2-jsfetch"}  # on Windows, and in a browser
    locked = pins(ROOT / f"{name}.lock")
    assert {n: v for n, v in locked.items() if n not in elsewhere}.items() <= pins(
        ROOT / "constraints.txt"
    ).items()


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_index(name: str) -> None:
    lines = (ROOT / f"{name}.lock").read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"#|[\w.-]+==|    --hash=", line) for line in lines)
