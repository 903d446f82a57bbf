"""One vector out of many."""

import numpy as np
import pytest

from esmviz.analysis.pooling import pool

HIDDEN = np.array([[1, -2, 0], [4, -8, 0], [1, 1, 0]], dtype=np.float32)


def test_mean_and_maximum_by_hand():
    np.testing.assert_array_equal(pool(HIDDEN), np.float32([2, -3, 0]))
    np.testing.assert_array_equal(pool(HIDDEN, "max"), np.float32([4, 1, 0]))
    assert pool(HIDDEN).dtype == pool(HIDDEN, "max").dtype == np.float32


def test_the_mean_of_a_long_protein_does_not_drift():
    hidden = np.full((100_000, 1), np.float32(0.1))
    assert pool(hidden)[0] == np.float32(0.1)


@pytest.mark.parametrize("how", ["mean", "max"])
def test_one_residue_is_its_own_pool(how):
    np.testing.assert_array_equal(pool(HIDDEN[:1], how), HIDDEN[0])


def test_what_cannot_be_pooled_is_refused():
    with pytest.raises(ValueError, match="'bos'"):
        pool(HIDDEN, "bos")
    for wrong in (HIDDEN[0], HIDDEN[:0], HIDDEN[None]):
        with pytest.raises(ValueError, match=r"expected a matrix"):
            pool(wrong)
