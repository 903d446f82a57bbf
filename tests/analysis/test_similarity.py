"""Cosines against scipy, rankings against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.spatial.distance import cdist
from scipy.stats import percentileofscore

from esmviz.analysis.similarity import percentile_rank, residue_similarity, top_pairs

RNG = np.random.default_rng(7)
A = RNG.normal(size=(9, 5)).astype(np.float32) + 3
B = RNG.normal(size=(4, 5)).astype(np.float32) - 1
FEW_VALUES = st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0, np.nan])


def matrices(square=False):
    side = st.integers(1, 7)
    shape = side.map(lambda n: (n, n)) if square else array_shapes(min_dims=2, max_dims=2, max_side=7)
    return arrays(np.float32, shape, elements=FEW_VALUES)


def ranked_by_loops(matrix, k, allowed):
    cells = [
        (i, j, float(matrix[i, j]))
        for i in range(matrix.shape[0])
        for j in range(matrix.shape[1])
        if allowed(i, j) and not np.isnan(matrix[i, j])
    ]
    return sorted(cells, key=lambda cell: (-cell[2], cell[0], cell[1]))[:k]


def test_raw_cosine_is_scipys():
    similarity = residue_similarity(A, B, center=False)
    assert similarity.shape == (9, 4)
    assert similarity.dtype == np.float32
    np.testing.assert_allclose(similarity, 1 - cdist(A, B, "cosine"), atol=1e-6)


def test_centred_cosine_takes_each_proteins_own_mean():
    expected = 1 - cdist(A - A.mean(0), B - B.mean(0), "cosine")
    np.testing.assert_allclose(residue_similarity(A, B), expected, atol=1e-5)
    jointly = np.concatenate([A, B]).mean(0)
    assert not np.allclose(expected, 1 - cdist(A - jointly, B - jointly, "cosine"), atol=0.1)


def test_centring_ignores_what_all_residues_share():
    np.testing.assert_allclose(residue_similarity(A + 5, A + 5), residue_similarity(A, A), atol=1e-5)


def test_a_protein_with_itself_is_exactly_symmetric_with_ones_on_the_diagonal():
    vectors = RNG.normal(size=(131, 67)).astype(
        np.float32
    )  # large enough for a blocked product to round unevenly
    similarity = residue_similarity(vectors, vectors.copy())
    np.testing.assert_array_equal(similarity, similarity.T)
    np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-6)


def test_one_residue_has_no_direction_once_centred():
    assert np.isnan(residue_similarity(A[:1], B)).all()
    assert not np.isnan(residue_similarity(A[:1], B, center=False)).any()


def test_residues_identical_but_for_rounding_have_no_direction_once_centred():
    same = np.tile(RNG.normal(size=40).astype(np.float32), (6, 1))
    same[2, 5] = np.nextafter(same[2, 5], np.float32(9))
    assert np.isnan(residue_similarity(same, same)).all()
    assert residue_similarity(same, same, center=False).min() > 0.99


def test_only_the_zero_vector_is_undefined():
    vectors = np.array([[0, 0], [1e-20, 0], [0, 3]], dtype=np.float32)
    similarity = residue_similarity(vectors, vectors, center=False)
    assert np.isnan(similarity[0]).all()
    np.testing.assert_allclose(similarity[1:, 1:], np.eye(2), atol=1e-6)


def test_inputs_are_left_alone():
    before = A.copy()
    residue_similarity(A, B)
    np.testing.assert_array_equal(A, before)


@given(arrays(np.float32, (6, 4), elements=st.floats(-100, 100, width=32)))
def test_cosines_stay_in_range(vectors):
    similarity = residue_similarity(vectors, vectors)
    known = similarity[~np.isnan(similarity)]
    assert ((known >= -1) & (known <= 1)).all()


@pytest.mark.parametrize(("a", "b"), [(A, B[:, :4]), (A[0], B), (A[:0], B)])
def test_wrong_shapes_are_refused(a, b):
    with pytest.raises(ValueError, match=r"widths|expected a matrix"):
        residue_similarity(a, b)


@given(matrices(), st.integers(0, 60))
def test_top_pairs_between_two_proteins(matrix, k):
    assert top_pairs(matrix, k=k) == ranked_by_loops(matrix, k, lambda i, j: True)


@given(matrices(square=True), st.integers(0, 60), st.integers(0, 8))
def test_top_pairs_within_one_protein(matrix, k, apart):
    expected = ranked_by_loops(matrix, k, lambda i, j: j > i and j - i >= apart)
    assert top_pairs(matrix, k=k, within=True, min_separation=apart) == expected


def test_top_pairs_of_many_rows_come_from_few_candidates():
    matrix = RNG.random((80, 50), dtype=np.float32).round(2)  # ties at the last place
    assert top_pairs(matrix, k=11) == ranked_by_loops(matrix, 11, lambda i, j: True)


def test_top_pairs_may_all_lie_in_one_row():
    matrix = np.zeros((50, 50), dtype=np.float32)
    matrix[3] = np.arange(1, 51)
    assert [j for _, j, _ in top_pairs(matrix, k=20)] == list(range(49, 29, -1))


def test_negative_infinity_is_a_value_and_the_last():
    matrix = np.full((3, 3), -np.inf, dtype=np.float32)
    matrix[2, 0] = 1
    assert top_pairs(matrix, k=2) == [(2, 0, 1.0), (0, 0, -np.inf)]


def test_top_pairs_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="within=True"):
        top_pairs(np.zeros((3, 3)), min_separation=2)
    with pytest.raises(ValueError, match=r"\(L, L\)"):
        top_pairs(np.zeros((3, 4)), within=True)
    with pytest.raises(ValueError, match="negative"):
        top_pairs(np.zeros((3, 3)), k=-1)
    with pytest.raises(ValueError, match="negative"):
        top_pairs(np.zeros((3, 3)), within=True, min_separation=-1)


@given(matrices(), FEW_VALUES)
def test_percentile_is_scipys_mean_rank(matrix, value):
    known = matrix[~np.isnan(matrix)]
    rank = percentile_rank(matrix, value)
    if np.isnan(value) or len(known) == 0:
        assert np.isnan(rank)
    else:
        assert rank == pytest.approx(percentileofscore(known, value, kind="mean"), abs=1e-3)


def test_percentile_within_a_protein_leaves_the_diagonal_out():
    matrix = np.array([[9, 1, 2], [1, 9, 3], [2, 3, 9]], dtype=np.float32)
    np.testing.assert_allclose(percentile_rank(matrix, [3, 2, 9], within=True), [250 / 3, 50, 100], rtol=1e-6)
    np.testing.assert_allclose(percentile_rank(matrix, 2, within=True, min_separation=2), 50)
    assert np.isnan(percentile_rank(matrix[:1, :1], 1, within=True))
