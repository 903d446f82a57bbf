"""Chains laid upon proteins."""

import numpy as np
import pytest

from esmviz.matching import match, match_all
from esmviz.sequences import example

PROTEIN = "MKVLAWGHCDEFPQRSTYNIKLMVAGGHEQ"


def test_a_stretch_of_the_protein_needs_no_alignment():
    found = match(PROTEIN[5:20], PROTEIN)
    np.testing.assert_array_equal(found.index, np.arange(5, 20))
    assert found.identity == 1
    assert found.n_paired == 15


def test_a_gap_a_tag_and_a_mutation_keep_every_other_residue_in_place():
    chain = "GSHM" + PROTEIN[:10] + PROTEIN[14:20] + "W" + PROTEIN[21:]
    found = match(chain, PROTEIN)
    pairs = {i: j for i, j in enumerate(found.index.tolist()) if j >= 0}
    assert all(chain[i] == PROTEIN[j] for i, j in pairs.items() if j != 20)
    assert [pairs[i] for i in range(4, 14)] == list(range(10))
    assert [pairs[i] for i in range(14, 20)] == list(range(14, 20))
    assert -1 in found.index[:4]
    assert 0.9 < found.identity < 1


def test_unknown_letters_hold_their_place():
    chain = PROTEIN[:7] + "X" + PROTEIN[8:]
    found = match(chain, PROTEIN)
    np.testing.assert_array_equal(found.index, np.arange(len(PROTEIN)))


def test_a_repeat_is_not_taken_for_one_stretch():
    found = match("MKVLAWGH", "MKVLAWGHGGGGGMKVLAWGH")
    assert found.n_paired == 8
    assert len(set(found.index.tolist())) == 8


def test_another_protein_is_no_match():
    records = {record.id: record.sequence for record in example().records}
    assert match(records["CRAM_CRAAB"], records["HBA_HUMAN"]) is None
    assert match(records["HBA_HUMAN"], records["HBA_HUMAN"]).identity == 1
    others = [name for name, sequence in records.items() if match(records["CRAM_CRAAB"], sequence)]
    assert others == ["CRAM_CRAAB"]


def test_what_is_too_long_to_align_is_no_match(monkeypatch):
    monkeypatch.setattr("esmviz.matching.MOST_CELLS", 100)
    assert match(PROTEIN[:10] + PROTEIN[11:], PROTEIN) is None
    assert match(PROTEIN[3:], PROTEIN).n_paired == len(PROTEIN) - 3


@pytest.mark.parametrize("letters", ["UUUUU", "OXBZU"])
def test_rare_letters_do_not_break_the_alignment(letters):
    assert match(letters, PROTEIN) is None
    assert match(PROTEIN[:8] + letters, PROTEIN[:8] + "AC" + letters).n_paired >= 8


def test_a_pair_is_aligned_once(monkeypatch):
    from biotite.sequence import align

    calls, aligned = [], align.align_optimal
    monkeypatch.setattr(
        align, "align_optimal", lambda *args, **more: calls.append(1) or aligned(*args, **more)
    )
    chain = "MKVLAWGHMKVLAWCC"
    first, again = (match(chain, "AA" + chain.replace("W", "Y")) for _ in range(2))
    assert len(calls) == 1
    assert first.index.tolist() == again.index.tolist() == list(range(2, 18))


def test_chains_are_compared_as_long_as_that_takes_seconds(monkeypatch):
    monkeypatch.setattr("esmviz.matching.MOST_ALIGNED", 2)
    near = [PROTEIN[:5] + letter + PROTEIN[6:] for letter in "DEQ"]
    found, n_left_out = match_all([near[0], PROTEIN[2:9], near[1], near[2], near[0], near[2]], PROTEIN)
    assert n_left_out == 2  # the third, twice
    assert [one is not None for one in found] == [True, True, True, False, True, False]
    monkeypatch.setattr("esmviz.matching.MOST_IN_ALL", len(PROTEIN) ** 2 + 1)
    assert match_all(near, PROTEIN)[1] == 2


def test_a_chain_that_is_there_twice_counts_as_one_to_align(monkeypatch):
    """Else chains of one residue, which stand in every protein, would each be aligned for nothing."""
    monkeypatch.setattr("esmviz.matching.MOST_ALIGNED", 1)
    assert match_all(list("WMK"), PROTEIN)[1] == 1  # W is there once, M and K twice
