"""Block means against loops over the cells of each block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from esmviz.analysis.maps import block_edges, block_means

CELLS = st.sampled_from([0.0, 1.0, -2.5, 8.0, np.nan])
SHAPES = st.tuples(st.integers(1, 11), st.integers(1, 11))


@given(st.integers(1, 3000), st.integers(1, 1500))
def test_edges_cover_everything_with_even_blocks(length, size):
    edges = block_edges(length, size)
    lengths = np.diff(edges)
    assert len(lengths) == min(length, size)
    assert (edges[0], edges[-1]) == (0, length)
    assert lengths.min() >= 1
    assert lengths.max() - lengths.min() <= 1


def test_edges_are_the_floors():
    assert block_edges(10, 4).tolist() == [0, 2, 5, 7, 10]
    assert block_edges(3, 48).tolist() == [0, 1, 2, 3]


@given(SHAPES.flatmap(lambda shape: arrays(np.float32, shape, elements=CELLS)), st.integers(1, 12))
def test_means_by_loops(matrix, size):
    blocks, rows, columns = block_means(matrix, size)
    assert blocks.shape == (min(matrix.shape[0], size), min(matrix.shape[1], size))
    for i in range(blocks.shape[0]):
        for j in range(blocks.shape[1]):
            cells = matrix[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            known = cells[~np.isnan(cells)]
            expected = known.mean() if len(known) else np.nan
            np.testing.assert_allclose(blocks[i, j], expected, atol=1e-6)


def test_a_matrix_that_fits_is_returned_as_it_is():
    matrix = np.random.default_rng(0).random((5, 8)).astype(np.float32)
    np.testing.assert_array_equal(block_means(matrix, 8)[0], matrix)


def test_many_maps_at_once_are_each_their_own():
    maps = np.random.default_rng(0).random((2, 3, 7, 5)).astype(np.float32)
    blocks, _, _ = block_means(maps, 4)
    assert blocks.shape == (2, 3, 4, 4)
    np.testing.assert_array_equal(blocks[1, 2], block_means(maps[1, 2], 4)[0])


def test_a_long_block_of_small_values_loses_nothing():
    matrix = np.full((4000, 40), np.float32(0.1))
    np.testing.assert_array_equal(block_means(matrix, 1)[0], np.float32(0.1))


@pytest.mark.parametrize("shape", [(3,), (0, 4), (4, 0)])
def test_a_matrix_without_cells_is_refused(shape):
    with pytest.raises(ValueError, match="L, M"):
        block_means(np.zeros(shape), 2)


@pytest.mark.parametrize(("length", "size"), [(0, 1), (1, 0)])
def test_no_blocks_are_refused(length, size):
    with pytest.raises(ValueError, match="1 or more"):
        block_edges(length, size)
