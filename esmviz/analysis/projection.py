"""Maps of a set of proteins: UMAP and PCA, the same points for the same vectors and parameters."""

from __future__ import annotations

import logging
import warnings
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from esmviz.analysis.pairs import as_matrix
from esmviz.types import FloatArray

FEWEST_FOR_UMAP = 4
SEARCHED_FROM = 4096  # so many umap-learn would search by chance, and compile that for a minute
_LOG = logging.getLogger(__name__)


def umap_neighbors(n_proteins: int, n_neighbors: int = 15) -> int:
    """Neighbours that UMAP really uses, so that a page and a file can say it.

    Parameters
    ----------
    n_proteins : int
        N.
    n_neighbors : int
        Wanted, 2 or more.

    Returns
    -------
    n_neighbors : int
        At most N - 1: a protein has no more neighbours.

    Raises
    ------
    ValueError
        If `n_neighbors` is less than 2, or there are too few proteins for UMAP.

    Examples
    --------
    >>> umap_neighbors(58), umap_neighbors(8)
    (15, 7)
    """
    if n_neighbors < 2:
        raise ValueError(f"n_neighbors is {n_neighbors}; it is 2 or more")
    if n_proteins < FEWEST_FOR_UMAP:
        raise ValueError(f"UMAP needs {FEWEST_FOR_UMAP} proteins or more, not {n_proteins}: use pca")
    return min(n_neighbors, n_proteins - 1)


def umap(
    vectors: FloatArray,
    *,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str = "cosine",
    seed: int = 0,
    n_components: int = 2,
) -> FloatArray:
    """A map that keeps neighbours together; distances between far groups mean little.

    Neighbours are exact for any number of proteins where `metric` is ``cosine``. The map is laid out in one thread, so
    that a seed decides everything. Two calls at once can abort the process where numba
    has no OpenMP: run one at a time.

    Parameters
    ----------
    vectors : ndarray, shape=(N, D), dtype=float32
        Comparable vectors: one model, layer and pooling.
    n_neighbors : int
        Wanted; `umap_neighbors` says how many are used.
    min_dist : float
        How close points may lie on the map, 0 to 1.
    metric : str
        Any distance that umap-learn knows.
    seed : int
        Of the random start and of the sampling.
    n_components : int
        2 or 3.

    Returns
    -------
    coords : ndarray, shape=(N, n_components), dtype=float32
        Without unit; only the neighbourhoods mean something.

    Raises
    ------
    ValueError
        If `vectors` has not two axes, N <= n_components + 1 or N < 4 (use `pca`), or `n_neighbors` is less
        than 2.

    References
    ----------
    McInnes et al. 2018, doi:10.21105/joss.00861
    """
    vectors = as_matrix(vectors)
    n_neighbors = umap_neighbors(len(vectors), n_neighbors)
    if len(vectors) <= n_components + 1:
        raise ValueError(
            f"UMAP needs {n_components + 2} proteins or more for {n_components} axes, not {len(vectors)}: "
            "use pca"
        )
    known = {}
    if metric == "cosine" and len(vectors) >= SEARCHED_FROM:
        known = {"precomputed_knn": (*nearest(vectors, n_neighbors), None)}
    reducer = _umap_class()(
        n_neighbors=n_neighbors,
        min_dist=min_dist,
        metric=metric,
        random_state=seed,
        n_components=n_components,
        n_jobs=1,
        **known,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]")  # no further proteins are put on the map
        return np.asarray(reducer.fit_transform(np.ascontiguousarray(vectors)), dtype=np.float32)


def nearest(vectors: FloatArray, k: int) -> tuple[NDArray[np.int32], FloatArray]:
    """The nearest of each protein by cosine, itself among them; exact.

    Parameters
    ----------
    vectors : ndarray, shape=(N, D), dtype=float32
        Comparable vectors. One of zeros has no direction: it is 0.5 from all others.
    k : int
        1 to N.

    Returns
    -------
    neighbors : ndarray, shape=(N, k), dtype=int32
        Nearest first.
    distances : ndarray, shape=(N, k), dtype=float32
        1 - cosine, 0 to 2: half the square of the distance between vectors of length 1.

    Examples
    --------
    >>> neighbors, distances = nearest(np.array([[1, 0], [0, 2], [3, 3]], dtype=np.float32), 2)
    >>> neighbors.tolist()
    [[0, 2], [1, 2], [2, 0]]
    >>> distances[:, 1].round(3)
    array([0.293, 0.293, 0.293], dtype=float32)
    """
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    unit = normalize(as_matrix(vectors))
    distances, neighbors = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(unit).kneighbors(unit)
    return neighbors.astype(np.int32), (distances**2 / 2).astype(np.float32)


@cache
def _umap_class() -> Any:
    """UMAP, told to keep on disk what numba compiles for it: else every start of a server compiles for a quarter of a
    minute, and whatever else it does waits.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Tensorflow not installed", ImportWarning
        )  # for a class not used here
        from umap import UMAP, layouts, umap_, utils

    slow = (
        utils.fast_knn_indices,
        umap_.smooth_knn_dist,
        umap_.compute_membership_strengths,
        layouts._nb_optimize_layout_euclidean_single_epoch,
    )
    try:
        for function in slow:
            function.enable_caching()
            function._cache = Lenient(function._cache)
    except (RuntimeError, OSError) as error:
        _LOG.warning("UMAP is compiled anew at each start (NUMBA_CACHE_DIR helps): %s", error)
    return UMAP


class Lenient:
    """What numba keeps of a function, where neither a full disk nor a damaged file is an error: it is compiled then."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    def load_overload(self, *asked: Any) -> Any:
        try:
            return self._kept.load_overload(*asked)
        except Exception as error:  # noqa: BLE001 - whatever half a file makes of itself
            _LOG.warning(
                "UMAP is compiled anew: what was kept of it cannot be read (%s)", type(error).__name__
            )
            return None

    def save_overload(self, *compiled: Any) -> None:
        try:
            self._kept.save_overload(*compiled)
        except OSError as error:
            _LOG.warning("UMAP will be compiled anew at the next start: %s", error)


def pca(vectors: FloatArray, n_components: int = 2) -> tuple[FloatArray, FloatArray]:
    """Coordinates along the directions in which the vectors vary most.

    Parameters
    ----------
    vectors : ndarray, shape=(N, D), dtype=float32
        Comparable vectors. Any N from 1 on; where there are fewer directions than axes, the rest is 0.
    n_components : int
        Axes, 1 or more.

    Returns
    -------
    coords : ndarray, shape=(N, n_components), dtype=float32
        In the units of `vectors`, centred. Each axis points where its largest weight is positive, so that the
        picture never flips from run to run.
    explained : ndarray, shape=(n_components,), dtype=float32
        Share of the variance along each axis, 0 to 1, falling.

    Raises
    ------
    ValueError
        If `vectors` has not two axes or is empty, or `n_components` is less than 1.

    References
    ----------
    Pearson 1901, doi:10.1080/14786440109462720

    Examples
    --------
    >>> coords, explained = pca(np.array([[0, 0], [0, 2], [0, 4]], dtype=np.float32))
    >>> coords
    array([[-2.,  0.],
           [ 0.,  0.],
           [ 2.,  0.]], dtype=float32)
    >>> explained
    array([1., 0.], dtype=float32)
    """
    vectors = as_matrix(vectors)
    if n_components < 1:
        raise ValueError(f"n_components is {n_components}; it is 1 or more")
    exact = vectors.astype(np.float64)
    exact -= exact.mean(axis=0)
    coords = np.zeros((len(exact), n_components))
    explained = np.zeros(n_components)
    if exact.any():
        axes = _main_axes(exact)[:n_components]
        signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
        coords[:, : len(axes)] = exact @ (axes * signs[:, None]).T
        explained[: len(axes)] = (coords[:, : len(axes)] ** 2).sum(axis=0) / (exact**2).sum()
    return coords.astype(np.float32), explained.astype(np.float32)


def _main_axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal directions (r, D), largest variance first, from the smaller of the two Gram matrices."""
    is_tall = len(centred) > centred.shape[1]
    variances, directions = np.linalg.eigh(centred.T @ centred if is_tall else centred @ centred.T)
    real = np.flatnonzero(variances > variances[-1] * 1e-12)[::-1]  # the rest is rounding
    found = directions[:, real].T
    if not is_tall:
        found = found @ centred / np.sqrt(variances[real])[:, None]
    return np.asarray(found)
