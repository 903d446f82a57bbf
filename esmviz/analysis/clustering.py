"""Groups in a set of proteins, found in the space of the vectors and never on the map.

Vectors are scaled to length 1 first, so that distance and cosine agree. Clusters count from 0, the largest
first, of equals the one that comes first in the input.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence

import numpy as np

from esmviz.analysis.pairs import as_matrix
from esmviz.types import FloatArray, IntArray

NOISE = -1


def default_min_cluster_size(n_proteins: int) -> int:
    """Smallest group worth a name: 3 below 100 proteins, else 1 % of them, at least 5.

    Examples
    --------
    >>> default_min_cluster_size(58), default_min_cluster_size(100), default_min_cluster_size(2000)
    (3, 5, 20)
    """
    return 3 if n_proteins < 100 else max(5, round(n_proteins / 100))


def smallest_cluster(n_proteins: int, wanted: int | None = None) -> int:
    """The `min_cluster_size` that `hdbscan` uses.

    Parameters
    ----------
    n_proteins : int
        N.
    wanted : int, optional
        2 or more; `default_min_cluster_size` of N when not given.

    Raises
    ------
    ValueError
        If `wanted` is less than 2.

    Examples
    --------
    >>> smallest_cluster(2000), smallest_cluster(2000, 7)
    (20, 7)
    """
    if wanted is None:
        return default_min_cluster_size(n_proteins)
    if wanted < 2:
        raise ValueError(f"min_cluster_size is {wanted}; it is 2 or more")
    return wanted


def hdbscan(vectors: FloatArray, *, min_cluster_size: int | None = None) -> IntArray:
    """Dense groups, two or more, or none; what lies between is noise. One group of all is never found.

    Parameters
    ----------
    vectors : ndarray, shape=(N, D), dtype=float32
        Comparable vectors: one model, layer and pooling.
    min_cluster_size : int, optional
        2 or more; `default_min_cluster_size` of N when not given.

    Returns
    -------
    clusters : ndarray, shape=(N,), dtype=int64
        From 0 on, the largest first; -1 is noise. All noise where N is less than `min_cluster_size`.

    Raises
    ------
    ValueError
        If `vectors` has not two axes or is empty, or `min_cluster_size` is less than 2.

    References
    ----------
    Campello, Moulavi, Sander 2013, doi:10.1007/978-3-642-37456-2_14
    """
    vectors = as_matrix(vectors)
    size = smallest_cluster(len(vectors), min_cluster_size)
    if len(vectors) < size:
        return np.full(len(vectors), NOISE, dtype=np.int64)
    from sklearn.cluster import HDBSCAN

    return _largest_first(HDBSCAN(min_cluster_size=size, copy=True).fit_predict(_unit(vectors)))


def check_k(k: int, n_proteins: int) -> None:
    """Raises ValueError where there are not from 1 to N groups."""
    if not 1 <= k <= n_proteins:
        raise ValueError(f"k is {k}; it goes from 1 to the {n_proteins} proteins")


def kmeans(vectors: FloatArray, k: int, seed: int = 0) -> IntArray:
    """Exactly `k` round groups; every protein is in one.

    Parameters
    ----------
    vectors : ndarray, shape=(N, D), dtype=float32
        Comparable vectors.
    k : int
        From 1 to N. Where fewer vectors differ, there are fewer clusters.
    seed : int
        Of the ten starts, of which the best wins.

    Returns
    -------
    clusters : ndarray, shape=(N,), dtype=int64
        0 to k - 1, the largest first.

    Raises
    ------
    ValueError
        If `vectors` has not two axes or is empty, or `k` is not from 1 to N.

    References
    ----------
    Lloyd 1982, doi:10.1109/TIT.1982.1056489, from k-means++ starts
    """
    vectors = as_matrix(vectors)
    check_k(k, len(vectors))
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct vectors than k, as documented
        return _largest_first(KMeans(k, n_init=10, random_state=seed).fit_predict(_unit(vectors)))


def agreement(clusters: Sequence[int] | IntArray, labels: Sequence[Hashable]) -> float:
    """How well clusters match labels that they never saw: the adjusted Rand index.

    Parameters
    ----------
    clusters : sequence of int, length N
        -1 is noise; each such protein counts as a cluster of its own, so that calling all noise earns
        nothing, and a protein whose label nobody shares is rightly noise.
    labels : sequence, length N
        Proteins with ``""`` or None for a label are left out.

    Returns
    -------
    index : float
        1 for the same groups, about 0 for groups at random, less for worse; NaN where no two proteins share a
        label, as there is nothing to agree with.

    Raises
    ------
    ValueError
        If the lengths differ.

    References
    ----------
    Hubert, Arabie 1985, doi:10.1007/BF01908075

    Examples
    --------
    >>> agreement([0, 0, 1, 1], ["kinase", "kinase", "globin", "globin"])
    1.0
    >>> agreement([0, 0, 1, -1], ["kinase", "globin", "", ""])
    nan
    """
    if len(clusters) != len(labels):
        raise ValueError(f"{len(clusters)} clusters and {len(labels)} labels")
    known = [i for i, label in enumerate(labels) if label not in ("", None)]
    if len({labels[i] for i in known}) == len(known):
        return float("nan")
    from sklearn.metrics import adjusted_rand_score

    groups = [int(clusters[i]) if clusters[i] != NOISE else -2 - i for i in known]
    numbers = {label: number for number, label in enumerate(dict.fromkeys(labels))}
    return float(adjusted_rand_score([numbers[labels[i]] for i in known], groups))


def _unit(vectors: FloatArray) -> FloatArray:
    """Rows of length 1; a row of zeros stays as it is."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(norms > 0, norms, 1)).astype(np.float32)


def _largest_first(clusters: IntArray) -> IntArray:
    found, first, sizes = np.unique(clusters[clusters != NOISE], return_index=True, return_counts=True)
    renamed = np.full(len(clusters), NOISE, dtype=np.int64)
    for name, old in enumerate(found[np.lexsort((first, -sizes))]):
        renamed[clusters == old] = name
    return renamed
