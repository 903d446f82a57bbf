"""Where windows lie, what they weigh, and what becomes of their parts: by hand and for every length."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from esmviz.models.catalog import CATALOG
from esmviz.models.fake import SPEC
from esmviz.models.windows import (
    PairMean,
    ResidueMean,
    Windowing,
    edge_weights,
    most_central,
    shares,
    spread,
    windowing,
)

SIZES = [1, 2, 3, 4, 5, 8, 11, 32]
CASES = [(size, length) for size in SIZES for length in range(size + 1, 5 * size + 3)] + [
    (1022, n) for n in (1023, 1024, 1532, 1533, 1534, 2044, 2045, 34_350)
]


@pytest.mark.parametrize(("size", "length"), CASES)
def test_windows_cover_a_protein_of_any_length(size, length):
    windows = spread(length, size)
    assert windows[0][0] == 0
    assert windows[-1][1] == length
    assert {stop - start for start, stop in windows} == {size}
    overlaps = [left[1] - right[0] for left, right in pairwise(windows)]
    assert min(overlaps) >= size // 2
    assert max(overlaps) < size  # each goes on from the one before
    assert max(overlaps) - min(overlaps) <= 1
    fewer = size + (len(windows) - 2) * (size - size // 2)
    assert fewer < length  # one window less would not reach


@pytest.mark.parametrize(("size", "length"), CASES)
def test_weights_are_positive_and_shares_sum_to_one(size, length):
    windows = spread(length, size)
    weights, total, best = edge_weights(windows), np.zeros(length), np.zeros(length)
    for (start, stop), weight, share in zip(windows, weights, shares(windows), strict=True):
        assert weight.min() > 0
        assert weight.max() == 1 or size < 4
        total[start:stop] += share
        best[start:stop] = np.maximum(best[start:stop], weight)
    np.testing.assert_allclose(total, 1, atol=2e-7)
    assert weights[0][0] == weights[-1][-1] == 1  # the protein's own ends are no window edges
    # Somewhere every residue is away from window edges; between two ramps of odd windows one may miss.
    if size > 3:
        assert best.min() >= (0.999 if size > 100 else 0.5)


def test_weights_are_those_published():
    """Brandes et al. 2023, Extended Data Fig. 5: 1 / (1 + exp(-(i - 128) / 16)) over the outer 256 of 1022."""
    left, middle, right = edge_weights(spread(2000, 1022))
    i = np.arange(256)
    rise = 1 / (1 + np.exp(-(i - 128) / 16))
    np.testing.assert_allclose(middle[:256], rise, rtol=1e-6)
    np.testing.assert_allclose(middle[-256:], rise[::-1], rtol=1e-6)
    np.testing.assert_array_equal(middle[256:-256], 1)
    np.testing.assert_array_equal(left[:-256], 1)
    np.testing.assert_array_equal(left[-256:], middle[-256:])
    np.testing.assert_array_equal(right[256:], 1)
    assert spread(1479, 1022) == ((0, 1022), (457, 1479))  # their example


def test_residues_are_averaged_as_by_hand():
    windows = ((0, 8), (4, 12))
    low, half = 1 / (1 + np.exp(8)), 0.5  # the ramp of a window of 8 is two residues long
    mean = ResidueMean(windows)
    assert mean.result() is None
    mean.add(0, np.full((8, 1), 10, dtype=np.float32))
    mean.add(1, np.full((8, 1), 20, dtype=np.float32))
    by_hand = [10] * 4 + [
        (10 + low * 20) / (1 + low),
        (10 + half * 20) / (1 + half),
        (half * 10 + 20) / (half + 1),
        (low * 10 + 20) / (low + 1),
    ]
    np.testing.assert_allclose(mean.result()[:, 0], by_hand + [20] * 4, rtol=1e-6)


def test_pairs_are_averaged_as_by_hand_and_unknown_where_no_window_has_both():
    windows = ((0, 8), (4, 12))
    mean = PairMean(windows)
    mean.add(0, np.full((8, 8), 10, dtype=np.float32))
    mean.add(1, np.full((8, 8), 20, dtype=np.float32))
    found = mean.result()
    assert found[0, 7] == found[7, 0] == 10
    assert found[4, 11] == found[11, 4] == 20
    # Residue 5 weighs 1 in the first and 0.5 in the second, residue 6 the other way round.
    np.testing.assert_allclose(found[5, 6], (0.5 * 10 + 0.5 * 20) / 1, rtol=1e-6)
    np.testing.assert_allclose(found[5, 5], (1 * 10 + 0.25 * 20) / 1.25, rtol=1e-6)
    known = np.zeros((12, 12), dtype=bool)
    known[:8, :8] = known[4:, 4:] = True
    np.testing.assert_array_equal(~np.isnan(found), known)


@pytest.mark.parametrize(("size", "length"), CASES[::7])
def test_positions_never_shift(size, length):
    values = np.random.default_rng(length).standard_normal((2, length, 3)).astype(np.float32)
    windows = spread(length, size)
    mean = ResidueMean(windows)
    for index, (start, stop) in enumerate(windows):
        mean.add(index, values[:, start:stop])
    np.testing.assert_allclose(mean.result(), values, atol=1e-6)


@pytest.mark.parametrize(("size", "length"), CASES)
def test_the_window_of_a_masked_residue_is_the_one_where_it_is_most_central(size, length):
    windows = spread(length, size)
    home = most_central(windows)
    assert len(home) == length
    for position in {0, length // 3, length // 2, length - 1, *(stop - 1 for _, stop in windows)}:
        distances = [abs(position - (start + stop - 1) / 2) for start, stop in windows]
        assert distances[home[position]] == min(distances)
        start, stop = windows[home[position]]
        assert start <= position < stop
        inner_edges = [edge for edge in (start, stop) if edge not in (0, length)]
        assert all(abs(position - edge) >= size // 4 - 1 for edge in inner_edges)


@pytest.mark.parametrize(
    ("longest", "trained", "above", "expected"),
    [
        (None, None, 4096, Windowing(4096, 4096)),
        (None, 1022, 4096, Windowing(4096, 1022)),
        (1022, 1022, 4096, Windowing(1022, 1022)),
        (1022, None, 4096, Windowing(1022, 1022)),
        (1022, 1022, 500, Windowing(500, 500)),
        (None, 2046, 1000, Windowing(1000, 1000)),
    ],
)
def test_when_windows_are_used_and_how_long_they_are(longest, trained, above, expected):
    found = windowing(replace(SPEC, max_residues=longest, trained_residues=trained), above)
    assert found == expected
    assert found.windows(expected.above) == ()
    assert len(found.windows(expected.above + 1)) >= 2


def test_every_model_of_the_catalogue_takes_the_longest_upload():
    for spec in CATALOG.values():
        assert windowing(spec, 4096).windows(40_000)[-1][1] == 40_000
