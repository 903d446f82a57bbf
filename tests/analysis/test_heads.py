"""Statistics of heads and rollout: loops, and heads whose answer is plain."""

import numpy as np
import pytest

from esmviz.analysis.flow import rollout
from esmviz.analysis.heads import head_statistic


def weights(n_layers=2, n_heads=3, n_tokens=9, seed=0):
    scores = np.exp(2 * np.random.default_rng(seed).standard_normal((n_layers, n_heads, n_tokens, n_tokens)))
    return (scores / scores.sum(-1, keepdims=True)).astype(np.float32)


def test_rollout_by_loops():
    attention = weights(3)
    expected = np.eye(9)
    for layer in attention:
        new = np.zeros((9, 9))
        for i in range(9):
            for j in range(9):
                for k in range(9):
                    new[i, j] += (0.5 * layer[:, i, k].mean() + 0.5 * (i == k)) * expected[k, j]
        expected = new
    np.testing.assert_allclose(rollout(attention), expected, atol=1e-6)
    np.testing.assert_allclose(rollout(attention).sum(-1), 1, atol=1e-6)


def test_rollout_of_heads_that_look_at_themselves_changes_nothing():
    np.testing.assert_array_equal(
        rollout(np.broadcast_to(np.eye(5, dtype=np.float32), (4, 2, 5, 5))), np.eye(5)
    )


@pytest.mark.parametrize("shape", [(3, 4, 4), (0, 2, 4, 4), (1, 2, 3, 4)])
def test_rollout_of_another_shape(shape):
    with pytest.raises(ValueError, match="expected attention"):
        rollout(np.zeros(shape, dtype=np.float32))


def test_statistics_by_loops():
    n, attention = 40, weights(1, 2, 42)
    names = ("entropy", "separated", "long_range", "start", "end", "distance")
    for head in range(2):
        a = attention[0, head].astype(np.float64)
        entropy = separated = long_range = distance = between = 0.0
        for i in range(n):
            for token in range(n + 2):
                entropy -= a[i + 1, token] * np.log2(a[i + 1, token]) / n
            for j in range(n):
                share = a[i + 1, j + 1]
                separated += share / n if abs(i - j) >= 6 else 0
                long_range += share / n if abs(i - j) >= 24 else 0
                distance, between = distance + share * abs(i - j), between + share
        expected = [entropy, separated, long_range, a[1:-1, 0].mean(), a[1:-1, -1].mean(), distance / between]
        found = [head_statistic(attention, name)[0, head] for name in names]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_head_that_looks_only_at_the_start():
    attention = np.zeros((12, 12), dtype=np.float32)
    attention[:, 0] = 1
    found = {
        name: float(head_statistic(attention, name)) for name in ("entropy", "start", "end", "long_range")
    }
    assert found == {"entropy": 0, "start": 1, "end": 0, "long_range": 0}
    assert np.isnan(head_statistic(attention, "distance"))


def test_an_even_head_has_the_largest_entropy():
    even = np.full((1, 16, 16), 1 / 16, dtype=np.float32)
    assert head_statistic(even, "entropy")[0] == pytest.approx(4)


def test_unknown_names_and_shapes_are_mistakes():
    with pytest.raises(ValueError, match="no statistic is called 'mode'"):
        head_statistic(weights(), "mode")
    with pytest.raises(ValueError, match="expected attention"):
        head_statistic(np.ones((2, 2), dtype=np.float32), "entropy")
