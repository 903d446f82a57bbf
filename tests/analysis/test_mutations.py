"""Scores as differences of scipy's log-probabilities; rankings against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax

from esmviz.analysis.mutations import (
    MUTATION_ROWS,
    mean_effect,
    mutation_scores,
    rank_mutations,
    rank_positions,
)
from esmviz.types import AMINO_ACIDS

SEQUENCE = "MKXWA"
LOGITS = np.random.default_rng(3).normal(scale=3, size=(5, 20)).astype(np.float32)
SCORES = mutation_scores(LOGITS, SEQUENCE)


def scored(**values):
    """Scores of the protein MKA, -5 but for the substitutions given, such as ``K2R=1.5``."""
    scores = np.full((3, 20), -5, dtype=np.float32)
    for i, wild in enumerate("MKA"):
        scores[i, AMINO_ACIDS.index(wild)] = 0
    for name, value in values.items():
        scores[int(name[1:-1]) - 1, AMINO_ACIDS.index(name[-1])] = value
    return scores


def test_rows_of_the_heatmap_are_the_twenty():
    assert sorted(MUTATION_ROWS) == sorted(AMINO_ACIDS)


def test_scores_are_differences_of_log_probabilities():
    log_probs = log_softmax(LOGITS.astype(np.float64), axis=1)
    for i, wild in enumerate(SEQUENCE):
        if wild == "X":
            continue
        expected = log_probs[i] - log_probs[i, AMINO_ACIDS.index(wild)]
        np.testing.assert_allclose(SCORES[i], expected, atol=1e-5)


def test_the_wild_type_scores_exactly_zero_and_ambiguous_rows_are_unknown():
    for i, wild in enumerate(SEQUENCE):
        if wild != "X":
            assert SCORES[i, AMINO_ACIDS.index(wild)] == 0
    assert np.isnan(SCORES).any(axis=1).tolist() == [False, False, True, False, False]
    assert np.isnan(mutation_scores(LOGITS, "BZXUO")).all()


def test_ranking_names_position_wild_type_and_mutant():
    scores = scored(K2R=1.5, M1L=0.5, A3W=-9)
    assert rank_mutations(scores, "MKA", k=2) == [(1, "K", "R", 1.5), (0, "M", "L", 0.5)]
    assert rank_mutations(scores, "MKA", k=1, best=False) == [(2, "A", "W", -9.0)]


def test_a_wild_type_is_no_mutation_even_if_it_is_the_best():
    assert all(score == -5 for *_, score in rank_mutations(scored(), "MKA", k=100))
    assert len(rank_mutations(scored(), "MKA", k=100)) == 57


@given(arrays(np.float32, (3, 20), elements=st.sampled_from([-2.0, 0.0, 1.0, np.nan])), st.booleans())
def test_ranking_by_loops(scores, best):
    sequence = "AXY"
    cells = [
        (i, sequence[i], mutant, float(scores[i, column]))
        for i in (0, 2)
        for column, mutant in enumerate(AMINO_ACIDS)
        if mutant != sequence[i] and not np.isnan(scores[i, column])
    ]
    expected = sorted(cells, key=lambda cell: -cell[3] if best else cell[3])[:7]
    assert rank_mutations(scores, sequence, k=7, best=best) == expected


def test_mean_effect_is_over_the_nineteen_others():
    scores = scored(K2R=14)
    np.testing.assert_allclose(mean_effect(scores, "MKA"), [-5, (14 - 18 * 5) / 19, -5], rtol=1e-6)
    assert np.isnan(mean_effect(SCORES, SEQUENCE)).tolist() == [False, False, True, False, False]


def test_positions_by_tolerance():
    scores = scored(K2R=14, A3W=-9)
    assert rank_positions(scores, "MKA") == [1, 0, 2]
    assert rank_positions(scores, "MKA", k=2, tolerant=False) == [2, 0]
    assert 2 not in rank_positions(SCORES, SEQUENCE)


def test_ranking_leaves_the_scores_alone():
    before = SCORES.copy()
    rank_mutations(SCORES, SEQUENCE)
    rank_positions(SCORES, SEQUENCE)
    np.testing.assert_array_equal(SCORES, before)


def test_scores_of_another_protein_are_refused():
    with pytest.raises(ValueError, match="expected shape"):
        mutation_scores(LOGITS, "MKXW")
    with pytest.raises(ValueError, match="expected shape"):
        rank_mutations(SCORES.T, SEQUENCE)
    with pytest.raises(ValueError, match="expected shape"):
        mean_effect(SCORES[:2], SEQUENCE)


@pytest.mark.parametrize("ranking", [rank_mutations, rank_positions])
def test_a_negative_count_is_refused(ranking):
    with pytest.raises(ValueError, match="negative"):
        ranking(SCORES, SEQUENCE, k=-1)
