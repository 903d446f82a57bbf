"""Probabilities against scipy; ranks, entropies and perplexities against numbers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import log_softmax
from scipy.stats import entropy as scipys_entropy

from esmviz.analysis import logits as scores
from esmviz.types import AMINO_ACIDS

LOGITS = arrays(np.float32, (3, 20), elements=st.floats(-80, 80, width=32))
FOUR = np.random.default_rng(0).normal(scale=3, size=(4, 20)).astype(np.float32)
PEPTIDE = "MXWA"


def logits_with(probs):
    """Logits whose softmax is `probs` for the amino acids named, the rest shared evenly."""
    row = np.full(20, (1 - sum(probs.values())) / (20 - len(probs)))
    for letter, p in probs.items():
        row[AMINO_ACIDS.index(letter)] = p
    return np.log(row) + 12.5  # any shift


@given(LOGITS, st.sampled_from([0.5, 1.0, 3.0]))
def test_log_probabilities_are_scipys(logits, temperature):
    found = scores.log_probabilities(logits, temperature)
    assert found.dtype == np.float32
    expected = log_softmax(logits.astype(np.float64) / temperature, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@given(LOGITS)
def test_probabilities_sum_to_one_and_keep_the_order(logits):
    probs = scores.probabilities(logits)
    assert (probs >= 0).all()
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert (probs[np.arange(3), logits.argmax(1)] == probs.max(1)).all()


def test_temperature_flattens_and_sharpens():
    cold, warm, hot = (scores.probabilities(FOUR, t).max(1) for t in (0.5, 1.0, 2.0))
    assert (cold > warm).all()
    assert (warm > hot).all()


@given(LOGITS)
def test_entropy_is_scipys(logits):
    probs = scores.probabilities(logits)
    found = scores.entropy(probs)
    np.testing.assert_allclose(found, scipys_entropy(probs.astype(np.float64), base=2, axis=1), atol=1e-4)
    assert ((found >= 0) & (found <= np.log2(20) + 1e-5)).all()


def test_entropy_at_both_ends():
    certain, blind = np.eye(20)[:1], np.full((1, 20), 0.05)
    assert scores.entropy(certain)[0] == 0
    assert not np.signbit(scores.entropy(certain)[0])
    assert scores.entropy(blind)[0] == pytest.approx(4.3219, abs=1e-4)


def test_entropy_refuses_logits_by_mistake():
    with pytest.raises(ValueError, match="not probabilities"):
        scores.entropy(FOUR)


def test_rows_not_computed_yet_stay_unknown():
    logits = FOUR.copy()
    logits[2] = np.nan
    entropy = scores.entropy(scores.probabilities(logits))
    assert np.isnan(entropy).tolist() == [False, False, True, False]
    assert np.isnan(scores.wild_type_rank(logits, PEPTIDE)).tolist() == [False, True, True, False]
    assert np.isnan(scores.pseudo_perplexity(logits, PEPTIDE))


def test_wild_type_log_probability_picks_the_own_column():
    logits = np.stack([logits_with({"M": 0.5}), logits_with({}), logits_with({"W": 0.2})])
    found = scores.wild_type_log_probability(logits, "MBW")
    np.testing.assert_allclose(found, [np.log(0.5), np.nan, np.log(0.2)], rtol=1e-6)


def test_rank_counts_the_more_probable_and_ties_take_the_best_place():
    logits = np.zeros((4, 20), dtype=np.float32)
    logits[0, AMINO_ACIDS.index("W")] = 1
    logits[1, [AMINO_ACIDS.index("K"), AMINO_ACIDS.index("R")]] = 2
    logits[2, AMINO_ACIDS.index("C")] = -1
    np.testing.assert_array_equal(scores.wild_type_rank(logits, "ARCU"), [2, 1, 20, np.nan])


@given(LOGITS)
def test_ranks_are_whole_and_from_1_to_20(logits):
    ranks = scores.wild_type_rank(logits, "ACY")
    assert set(ranks.tolist()) <= set(range(1, 21))


@pytest.mark.parametrize("perplexity", [scores.pseudo_perplexity, scores.wild_type_marginal_perplexity])
def test_perplexity_is_the_inverse_geometric_mean_over_canonical_residues(perplexity):
    logits = np.stack([logits_with({"M": 0.5}), logits_with({"A": 0.9}), logits_with({"W": 0.125})])
    assert perplexity(logits, "MXW") == pytest.approx(4)  # 1 / sqrt(0.5 * 0.125)
    assert perplexity(logits[:1], "M") == pytest.approx(2)
    assert np.isnan(perplexity(logits, "XBZ"))


def test_most_constrained_is_lowest_first_and_skips_the_unknown():
    entropy = np.array([2.0, 0.5, np.nan, 0.5, 4.0], dtype=np.float32)
    assert scores.most_constrained(entropy, k=3) == [1, 3, 0]
    assert scores.most_constrained(entropy, k=10) == [1, 3, 0, 4]
    assert scores.most_constrained(entropy, k=0) == []


@pytest.mark.parametrize("function", [scores.wild_type_log_probability, scores.wild_type_rank])
@pytest.mark.parametrize(("logits", "sequence"), [(FOUR, "MKW"), (FOUR[:, :19], PEPTIDE), (FOUR[0], "M")])
def test_logits_of_another_protein_are_refused(function, logits, sequence):
    with pytest.raises(ValueError, match="expected shape"):
        function(logits, sequence)


def test_letters_that_are_no_residues_are_refused():
    with pytest.raises(ValueError, match="1j"):
        scores.wild_type_rank(FOUR, "Mj1K")


def test_temperature_must_be_positive():
    for temperature in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            scores.probabilities(FOUR, temperature)


def test_one_axis_is_refused():
    with pytest.raises(ValueError, match=r"\(L, A\)"):
        scores.probabilities(FOUR[0])
    with pytest.raises(ValueError, match=r"\(L,\)"):
        scores.most_constrained(FOUR)
