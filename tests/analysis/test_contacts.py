"""Precision counted by hand and by loops."""

import numpy as np
import pytest

from esmviz.analysis.contacts import contact_precision, top_contacts


def random_case(length, seed=0):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.permutation(length * length).reshape(length, length) / length**2, 1)
    truth = np.triu(rng.random((length, length)) < 0.2, 1)
    return (upper + upper.T).astype(np.float32), truth | truth.T


def precision_by_loops(contacts, truth, nearest, beyond, n_best):
    pairs = [
        (contacts[i, j], truth[i, j])
        for i in range(len(contacts))
        for j in range(i + nearest, min(len(contacts), i + beyond))
        if not np.isnan(truth[i, j])
    ]
    best = sorted(pairs, key=lambda pair: -pair[0])[:n_best]
    return sum(real for _, real in best) / len(best)


def test_precision_by_loops():
    contacts, truth = random_case(60)
    for row in contact_precision(contacts, truth):
        nearest, beyond = {"all": (6, 60), "short": (6, 12), "medium": (12, 24), "long": (24, 60)}[row.range]
        for n_best, found in ((60, row.at_l), (30, row.at_l2), (12, row.at_l5)):
            assert found == pytest.approx(precision_by_loops(contacts, truth, nearest, beyond, n_best))
        assert row.n_pairs == sum(60 - d for d in range(nearest, beyond))


def test_the_truth_predicts_itself():
    _, truth = random_case(50, seed=4)
    for row in contact_precision(truth.astype(np.float32), truth):
        assert row.at_l5 == 1
        assert row.at_l == pytest.approx(min(1, row.n_contacts / 50))


def test_pairs_of_unknown_residues_do_not_count():
    contacts, truth = random_case(40, seed=2)
    truth = truth.astype(np.float32)
    truth[5], truth[:, 5] = np.nan, np.nan
    contacts[5], contacts[:, 5] = 1, 1  # the likeliest of all, were they known
    everything = contact_precision(contacts, truth)[0]
    assert everything.at_l5 == pytest.approx(precision_by_loops(contacts, truth, 6, 40, 8))
    assert everything.n_pairs == 34 * 35 // 2 - 29  # residue 5 has no partner before it and 29 after it


def test_a_protein_too_short_for_a_range_has_no_precision_there():
    contacts, truth = random_case(20)
    long_range = contact_precision(contacts, truth)[3]
    assert (long_range.range, long_range.n_pairs) == ("long", 0)
    assert np.isnan([long_range.at_l, long_range.at_l2, long_range.at_l5]).all()


def test_fewer_known_pairs_than_asked_for_are_all_judged():
    contacts, truth = np.zeros((26, 26), dtype=np.float32), np.zeros((26, 26), dtype=bool)
    truth[0, 25] = True  # one of the three pairs 24 or more apart
    assert contact_precision(contacts, truth)[3].at_l == pytest.approx(1 / 3)


def test_top_contacts_are_as_many_as_residues():
    contacts, _ = random_case(30)
    pairs = top_contacts(contacts)
    assert len(pairs) == 30
    assert all(j - i >= 6 for i, j, _ in pairs)
    assert [p for *_, p in pairs] == sorted((p for *_, p in pairs), reverse=True)
    assert pairs[0][2] == np.triu(contacts, 6).max()
    assert top_contacts(contacts, per_length=0.2) == pairs[:6]
    assert top_contacts(contacts, per_length=0.001) == pairs[:1]
    assert all(j - i >= 24 for i, j, _ in top_contacts(contacts, min_separation=24))


def test_a_protein_shorter_than_the_separation_has_no_contacts():
    assert top_contacts(np.ones((6, 6), dtype=np.float32)) == []


def test_what_makes_no_sense_is_refused():
    square = np.zeros((8, 8), dtype=np.float32)
    with pytest.raises(ValueError, match="differ in shape"):
        contact_precision(square, np.zeros((9, 9)))
    with pytest.raises(ValueError, match="0, 1 and NaN"):
        contact_precision(square, np.full((8, 8), 6.5))  # distances by mistake
    with pytest.raises(ValueError, match=r"\(L, L\)"):
        top_contacts(square[:4])
    with pytest.raises(ValueError, match="above 0"):
        top_contacts(square, per_length=0)
