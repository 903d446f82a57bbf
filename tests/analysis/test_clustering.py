"""Groups that anyone can see, in any order, and the index against a count of pairs."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmviz.analysis.clustering import agreement, default_min_cluster_size, hdbscan, kmeans

RNG = np.random.default_rng(5)
SIZES = (4, 9, 6)
TRUTH = np.repeat([2, 0, 1], SIZES)  # named by size


def three_groups():
    """Three tight bundles of directions, lengths all different."""
    directions = np.repeat(np.eye(8)[:3], SIZES, axis=0) + RNG.normal(scale=0.01, size=(sum(SIZES), 8))
    return (directions * RNG.uniform(0.5, 20, size=(sum(SIZES), 1))).astype(np.float32)


VECTORS = three_groups()


@pytest.mark.parametrize("find", [hdbscan, lambda vectors: kmeans(vectors, 3)])
def test_groups_are_found_by_direction_and_named_by_size_in_any_order(find):
    order = RNG.permutation(len(VECTORS))
    clusters = find(VECTORS[order])
    assert clusters.dtype == np.int64
    np.testing.assert_array_equal(clusters, TRUTH[order])


def test_a_stranger_is_noise():
    stranger = np.full((1, 8), [0, 0, 0, 0, 0, 0, 0, -3.0], dtype=np.float32)
    clusters = hdbscan(np.concatenate([VECTORS, stranger]))
    np.testing.assert_array_equal(clusters, [*TRUTH, -1])


def test_a_group_smaller_than_wanted_is_no_cluster():
    clusters = hdbscan(VECTORS, min_cluster_size=5)
    assert (clusters[:4] == -1).all()
    np.testing.assert_array_equal(clusters[4:], np.repeat([0, 1], SIZES[1:]))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_proteins_are_noise_not_an_error(n):
    assert hdbscan(VECTORS[:n]).tolist() == [-1] * n


def test_default_size():
    assert [default_min_cluster_size(n) for n in (1, 99, 100, 600, 10_000)] == [3, 3, 5, 6, 100]


def test_kmeans_from_one_cluster_to_one_each():
    assert kmeans(VECTORS, 1).tolist() == [0] * len(VECTORS)
    assert sorted(kmeans(VECTORS[:5], 5)) == [0, 1, 2, 3, 4]


def test_kmeans_repeats_itself_for_a_seed():
    cloud = RNG.normal(size=(40, 6)).astype(np.float32)
    np.testing.assert_array_equal(kmeans(cloud, 4, seed=2), kmeans(cloud, 4, seed=2))


def test_kmeans_of_equal_vectors_has_fewer_clusters():
    assert kmeans(np.ones((4, 3)), 3).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("k", [0, 6])
def test_kmeans_refuses_more_clusters_than_proteins(k):
    with pytest.raises(ValueError, match="5 proteins"):
        kmeans(VECTORS[:5], k)


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="2 or more"):
        hdbscan(VECTORS, min_cluster_size=1)
    for find in (hdbscan, lambda vectors: kmeans(vectors, 1)):
        with pytest.raises(ValueError, match="expected a matrix"):
            find(VECTORS[0])


def rand_index_by_pairs(clusters, labels):
    """Hubert and Arabie: (index - expected) / (maximum - expected), counted pair by pair."""
    pairs = list(combinations(range(len(labels)), 2))
    same_cluster = sum(clusters[i] == clusters[j] for i, j in pairs)
    same_label = sum(labels[i] == labels[j] for i, j in pairs)
    both = sum(clusters[i] == clusters[j] and labels[i] == labels[j] for i, j in pairs)
    expected = same_cluster * same_label / len(pairs)
    highest = (same_cluster + same_label) / 2
    return 1.0 if highest == expected else (both - expected) / (highest - expected)


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc")), min_size=2, max_size=9))
def test_agreement_counted_by_pairs(cases):
    clusters, labels = zip(*cases, strict=True)
    if len(set(labels)) == len(labels):  # nothing to agree with
        assert math.isnan(agreement(clusters, labels))
    else:
        assert agreement(clusters, labels) == pytest.approx(rand_index_by_pairs(clusters, labels))


def test_noise_is_no_cluster_of_its_own():
    labels = ["a", "a", "a", "b", "b", "b"]
    assert agreement([-1] * 6, labels) == pytest.approx(0)
    assert agreement([0, 0, 0, -1, -1, -1], labels) < agreement([0, 0, 0, 1, 1, 1], labels) == 1


def test_only_labelled_proteins_count():
    assert agreement([0, 0, 1, 1, 0, 1], ["a", "a", "b", "b", "", None]) == 1
    assert np.isnan(agreement([0, 1], ["a", ""]))
    with pytest.raises(ValueError, match="2 clusters and 1 labels"):
        agreement([0, 1], ["a"])


def test_labels_that_nobody_shares_say_nothing_of_groups():
    assert math.isnan(agreement([-1] * 5, list("abcde")))
    assert math.isnan(agreement([0, 0, 1], ["a", "", "b"]))
    assert agreement([-1] * 4, list("aabb")) == 0.0
