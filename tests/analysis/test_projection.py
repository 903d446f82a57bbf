"""PCA against a singular value decomposition; UMAP for what must hold of any good map."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core.dispatcher import Dispatcher
from scipy.spatial.distance import pdist

from esmviz.analysis.projection import SEARCHED_FROM, Lenient, nearest, pca, umap, umap_neighbors

RNG = np.random.default_rng(11)


def test_umap_neighbors_says_the_cap():
    assert [umap_neighbors(n) for n in (4, 15, 16, 17, 1000)] == [3, 14, 15, 15, 15]
    assert umap_neighbors(1000, 50) == 50


@pytest.mark.parametrize(("n", "n_components"), [(1, 2), (2, 2), (3, 2), (4, 3)])
def test_too_few_proteins_for_umap_are_sent_to_pca(n, n_components):
    with pytest.raises(ValueError, match="use pca"):
        umap(RNG.normal(size=(n, 5)), n_components=n_components)


def test_one_neighbor_is_too_few():
    with pytest.raises(ValueError, match="2 or more"):
        umap(RNG.normal(size=(9, 5)), n_neighbors=1)


def test_umap_keeps_two_families_apart_and_repeats_itself():
    families = np.repeat(np.eye(6)[:2], 8, axis=0) + RNG.normal(scale=0.05, size=(16, 6))
    vectors = (families * RNG.uniform(1, 9, size=(16, 1))).astype(np.float32)  # cosine: lengths do not matter
    before = vectors.copy()
    coords = umap(vectors, n_neighbors=5, seed=3)
    assert coords.shape == (16, 2)
    assert coords.dtype == np.float32
    one, two = coords[:8], coords[8:]
    between = np.linalg.norm(one.mean(0) - two.mean(0))
    assert between > max(pdist(one).max(), pdist(two).max())
    np.testing.assert_array_equal(umap(vectors, n_neighbors=5, seed=3), coords)
    assert not np.array_equal(umap(vectors, n_neighbors=5, seed=4), coords)
    np.testing.assert_array_equal(vectors, before)


@pytest.mark.parametrize(("n", "n_components"), [(4, 2), (5, 3)])
def test_the_smallest_sets_that_umap_takes(n, n_components):
    coords = umap(RNG.normal(size=(n, 5)).astype(np.float32), n_components=n_components)
    assert coords.shape == (n, n_components)
    assert np.isfinite(coords).all()


def test_nearest_are_those_of_all_cosines():
    chance = np.random.default_rng(1)
    vectors = chance.normal(size=(300, 12)).astype(np.float32)
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    cosines = exact @ exact.T
    neighbors, distances = nearest(vectors, 15)
    assert (neighbors[:, 0] == np.arange(300)).all()
    np.testing.assert_array_equal(neighbors, np.argsort(-cosines, axis=1)[:, :15])
    np.testing.assert_allclose(
        distances, 1 - np.take_along_axis(cosines, neighbors.astype(int), axis=1), atol=1e-6
    )


def test_a_vector_of_zeros_is_half_from_all_others():
    neighbors, distances = nearest(np.array([[0, 0], [3, 0], [0, 1]], dtype=np.float32), 3)
    assert neighbors[0, 0] == 0
    np.testing.assert_allclose(distances[0], [0, 0.5, 0.5])


def test_neighbours_of_a_large_set_are_not_searched_for_by_chance(monkeypatch):
    from umap import umap_

    def searched(*_, **__):
        raise AssertionError("umap-learn searched")

    monkeypatch.setattr(umap_, "nearest_neighbors", searched)
    chance, n = np.random.default_rng(2), SEARCHED_FROM + 4
    families = np.arange(n) % 2
    vectors = (chance.normal(size=(2, 6))[families] * 5 + chance.normal(size=(n, 6))).astype(np.float32)
    coords = umap(vectors)
    assert coords.shape == (n, 2)
    centres = np.array([coords[families == family].mean(axis=0) for family in (0, 1)])
    away = np.linalg.norm(coords[:, None] - centres, axis=2)
    assert (away.argmin(axis=1) == families).mean() > 0.95


def test_umap_takes_duplicate_proteins():
    vectors = np.repeat(RNG.normal(size=(3, 5)), 3, axis=0).astype(np.float32)
    assert np.isfinite(umap(vectors)).all()


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (7, 7)])
def test_pca_is_the_singular_value_decomposition(shape):
    vectors = (RNG.normal(size=shape) * np.arange(1, shape[1] + 1) + 10).astype(np.float32)
    coords, explained = pca(vectors, n_components=3)
    centred = vectors - vectors.astype(np.float64).mean(0)
    left, singular, _ = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(coords), np.abs(left * singular)[:, :3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(explained, (singular**2 / (singular**2).sum())[:3], rtol=1e-5)


@given(st.integers(2, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_pca_with_all_axes_keeps_every_distance(n, width, seed):
    vectors = np.random.default_rng(seed).normal(size=(n, width)).astype(np.float32)
    coords, explained = pca(vectors, n_components=width)
    np.testing.assert_allclose(pdist(coords), pdist(vectors), atol=1e-4)
    assert explained.sum() == pytest.approx(1, abs=1e-5)
    assert (np.diff(explained) <= 1e-6).all()


def test_pca_points_where_the_largest_weight_is_positive():
    vectors = np.outer([0, 1, 2, 5], [1, -3]).astype(np.float32)
    coords, _ = pca(vectors)
    assert (np.diff(coords[:, 0]) < 0).all()  # along (-1, 3), against the order of the rows
    np.testing.assert_array_equal(coords[:, 1], 0)


@pytest.mark.parametrize("seed", range(6))
def test_every_axis_of_pca_has_its_sign_settled(seed):
    vectors = np.random.default_rng(seed).normal(size=(9, 4)).astype(np.float32)
    coords, _ = pca(vectors, n_components=3)
    weights = coords.T @ (vectors - vectors.mean(0))  # of each axis, times a positive number
    assert (weights[np.arange(3), np.abs(weights).argmax(axis=1)] > 0).all()


def test_pca_of_two_and_three_proteins():
    two, explained = pca(np.array([[1, 1, 1], [1, 1, 5]], dtype=np.float32))
    np.testing.assert_allclose(two, [[-2, 0], [2, 0]], atol=1e-6)
    np.testing.assert_allclose(explained, [1, 0])
    three, explained = pca(np.eye(3, dtype=np.float32), n_components=3)
    np.testing.assert_allclose(pdist(three), np.sqrt(2), rtol=1e-5)
    np.testing.assert_array_equal(three[:, 2], 0)
    np.testing.assert_allclose(explained, [0.5, 0.5, 0], atol=1e-6)


@pytest.mark.parametrize("n", [1, 7])
def test_pca_of_one_protein_or_equal_ones_is_the_origin(n):
    coords, explained = pca(np.full((n, 4), np.float32(0.1)))
    np.testing.assert_array_equal(coords, np.zeros((n, 2)))
    np.testing.assert_array_equal(explained, [0, 0])


def test_pca_refuses_what_is_no_table():
    with pytest.raises(ValueError, match="expected a matrix"):
        pca(np.zeros(3))
    with pytest.raises(ValueError, match="1 or more"):
        pca(np.zeros((3, 3)), n_components=0)


def test_what_umap_compiles_for_a_set_is_kept_on_disk():
    from umap import layouts, umap_, utils

    umap(RNG.normal(size=(20, 5)).astype(np.float32))
    compiled = [
        f
        for module in (layouts, umap_, utils)
        for f in vars(module).values()
        if isinstance(f, Dispatcher) and f.signatures
    ]
    slow = {f.py_func.__name__ for f in compiled if f.targetoptions.get("parallel") or "layout" in f.__name__}
    assert {"fast_knn_indices", "compute_membership_strengths"} <= slow
    assert not [f.py_func.__name__ for f in compiled if f.py_func.__name__ in slow and not f.stats.cache_path]


class Broken:
    """A folder that can neither be read nor written."""

    cache_path = "there"

    def load_overload(self, *asked):
        raise EOFError

    def save_overload(self, *compiled):
        raise OSError("No space left on device")


def test_what_cannot_be_kept_is_compiled_and_said(caplog):
    kept = Lenient(Broken())
    assert kept.load_overload("signature", "target") is None
    kept.save_overload("signature", "code")
    assert kept.cache_path == "there"
    assert "EOFError" in caplog.text
    assert "No space left" in caplog.text
