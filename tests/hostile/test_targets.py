"""Every target of the fuzzer, with its seeds and with bytes that Hypothesis makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esmviz.errors import EsmvizError
from tests.hostile import targets

SEEDS = {name: list(seeds().values()) for name, (_, seeds) in targets.TARGETS.items()}
GOOD = {
    "biolm": "good",
    "exhibit": "whole",
    "fasta": "header, html",
    "structure": "PDB, one atom",
    "session": "plain",
    "folder": "esm",
    "h5": "small",
}
if "biohub" in targets.TARGETS:
    GOOD["biohub"] = "good"


@pytest.mark.parametrize("name", SEEDS)
def test_seeds_are_read_or_refused(name: str) -> None:
    assert SEEDS[name]
    for seed in SEEDS[name]:
        targets.survives(name, seed)


@pytest.mark.parametrize(("name", "seed"), GOOD.items())
def test_a_good_one_is_read(name: str, seed: str) -> None:
    read, seeds = targets.TARGETS[name]
    read(seeds()[seed])


def test_what_is_no_error_of_ours_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    for error, is_ours in ((EsmvizError("ours"), True), (ValueError("not ours"), False)):

        def broken(content: bytes, error: Exception = error) -> None:
            raise error

        monkeypatch.setitem(targets.TARGETS, "fasta", (broken, dict))
        if is_ours:
            targets.survives("fasta", b"")
        else:
            with pytest.raises(ValueError, match="not ours"):
                targets.survives("fasta", b"")


def mutated(seed: bytes) -> st.SearchStrategy[bytes]:
    """A seed with a stretch of it replaced."""
    place = st.integers(0, len(seed))
    return st.tuples(place, place, st.binary(max_size=40)).map(
        lambda cut: seed[: min(cut[:2])] + cut[2] + seed[max(cut[:2]) :]
    )


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_seeds_are_read_or_refused(name: str) -> None:
    @settings(max_examples=40, deadline=None)
    @given(st.sampled_from(SEEDS[name]).flatmap(mutated))
    def holds(content: bytes) -> None:
        targets.survives(name, content)

    holds()
