"""Hand-made maps, and the formulas once more as loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from esmviz.analysis.attention import (
    average_product_correction,
    colour_limit,
    received,
    special_share,
    symmetrize,
    top_pairs,
)

WEIGHTS = st.floats(0, 1, width=32)
MAPS = st.integers(1, 6).flatmap(lambda n: arrays(np.float32, (2, n, n), elements=WEIGHTS))


@given(MAPS)
def test_symmetrized_maps_are_symmetric_and_in_range(maps):
    symmetric = symmetrize(maps)
    np.testing.assert_array_equal(symmetric, symmetric.swapaxes(1, 2))
    np.testing.assert_array_equal(symmetrize(symmetric), symmetric)
    assert symmetric.min() >= maps.min()
    assert symmetric.max() <= maps.max()


def test_correction_by_loops():
    maps = np.random.default_rng(0).random((3, 5, 5)).astype(np.float32)
    expected = np.empty((3, 5, 5))
    for h in range(3):
        for i in range(5):
            for j in range(5):
                expected[h, i, j] = maps[h, i, j] - maps[h, i].mean() * maps[h, :, j].mean() / maps[h].mean()
    np.testing.assert_allclose(average_product_correction(maps), expected, atol=1e-6)


@given(MAPS)
def test_corrected_rows_and_columns_sum_to_zero(maps):
    corrected = average_product_correction(maps)
    assert corrected.dtype == np.float32
    np.testing.assert_allclose(corrected.sum(1), 0, atol=1e-5)
    np.testing.assert_allclose(corrected.sum(2), 0, atol=1e-5)


def test_a_map_of_rows_times_columns_holds_nothing_of_its_own():
    background = np.outer([1, 2, 3], [0.5, 4, 1]).astype(np.float32)
    np.testing.assert_allclose(average_product_correction(background), 0, atol=1e-5)


def test_a_contact_stands_out_of_bright_columns_after_correction():
    attention = np.outer([1, 1, 1, 1], [0.1, 0.6, 0.1, 0.1]).astype(np.float32)
    attention[0, 3] += 0.1
    assert attention.argmax() == 1
    assert average_product_correction(attention).argmax() == 3


def test_the_esm_sum_is_twice_our_mean_after_correction_too():
    a = np.random.default_rng(1).random((4, 4)).astype(np.float32)
    theirs = average_product_correction(a + a.T)
    np.testing.assert_allclose(theirs, 2 * average_product_correction(symmetrize(a)), atol=1e-6)


def test_an_empty_map_stays_empty():
    np.testing.assert_array_equal(average_product_correction(np.zeros((3, 3))), 0)


def test_special_share_is_what_a_softmax_gave_to_the_tokens_cut_off():
    scores = np.random.default_rng(2).normal(size=(2, 7, 7))
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    inner = weights[:, 1:-1, 1:-1].astype(np.float32)
    expected = weights[:, 1:-1, 0] + weights[:, 1:-1, -1]
    np.testing.assert_allclose(special_share(inner), expected, atol=1e-6)


def test_special_share_is_never_negative_by_rounding():
    tenth = np.full((10, 10), np.float32(0.1))  # a little above 0.1
    assert special_share(tenth).min() == 0


def test_colour_limit_is_the_percentile_and_ignores_sign_and_nan():
    values = np.arange(-200, 1, dtype=np.float32)
    assert colour_limit(np.append(values, np.nan)) == pytest.approx(199)
    assert colour_limit(values, percentile=50) == pytest.approx(100)


@pytest.mark.parametrize("empty", [np.zeros((4, 4)), np.full((2, 2), np.nan), np.zeros((0, 0))])
def test_colour_limit_always_leaves_a_scale(empty):
    assert colour_limit(empty) == 1


def test_colour_limit_of_a_lonely_point_is_that_point():
    lonely = np.zeros((100, 100), dtype=np.float32)
    lonely[3, 4] = 0.25
    assert colour_limit(lonely) == 0.25


def test_top_pairs_keep_their_direction():
    attention = np.array([[0.9, 0.1, 0.4], [0.8, 0.95, 0.2], [0.3, 0.6, 0.0]], dtype=np.float32)
    cells = [(i, j) for i, j, _ in top_pairs(attention, k=3)]
    assert cells == [(1, 0), (2, 1), (0, 2)]
    assert [(i, j) for i, j, _ in top_pairs(attention, min_separation=2)] == [(0, 2), (2, 0)]
    assert [(i, j) for i, j, _ in top_pairs(attention, k=2, min_separation=0)] == [(1, 1), (0, 0)]
    assert [(i, j) for i, j, _ in top_pairs(attention, directed=False)] == [(0, 2), (1, 2), (0, 1)]


@pytest.mark.parametrize("function", [symmetrize, average_product_correction, special_share, top_pairs])
@pytest.mark.parametrize("shape", [(3,), (3, 4), (0, 0)])
def test_maps_that_are_not_square_are_refused(function, shape):
    with pytest.raises(ValueError, match=r"L, L\)"):
        function(np.zeros(shape, dtype=np.float32))


def test_percentiles_beyond_100_are_refused():
    with pytest.raises(ValueError, match="percentile"):
        colour_limit(np.ones((2, 2)), percentile=101)


def test_unknown_pairs_stay_unknown_and_touch_nothing_else():
    """A map from windows: NaN in two corners. The correction then takes means over what is known."""
    maps = np.random.default_rng(3).random((2, 9, 9)).astype(np.float32)
    maps[:, :3, 6:] = maps[:, 6:, :3] = np.nan
    found = average_product_correction(maps)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(maps))
    for one, corrected_ in zip(maps.astype(np.float64), found, strict=True):
        rows, columns = np.nanmean(one, axis=1), np.nanmean(one, axis=0)
        np.testing.assert_allclose(corrected_, one - np.outer(rows, columns) / np.nanmean(one), atol=1e-6)
    assert all((i, j) not in {(0, 8), (8, 0)} for i, j, _ in top_pairs(found[0], k=81))


@pytest.mark.parametrize("windows", [[(0, 12)], [(0, 8), (4, 12)]])
def test_an_even_share_is_one_in_windows_too(windows):
    attention = np.full((12, 12), np.nan, dtype=np.float32)
    for start, stop in windows:
        attention[start:stop, start:stop] = 1 / (stop - start)
    np.testing.assert_allclose(received(attention), 1, rtol=1e-6)
