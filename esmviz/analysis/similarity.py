"""How alike the model sees residues: cosines of their vectors, ranked and placed among all."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from esmviz.analysis.pairs import Pair, as_matrix, best_pairs, upper_cells
from esmviz.types import FloatArray

ROUNDING = 4 * float(np.finfo(np.float32).eps)  # a difference this small beside the vector is float32 noise


def residue_similarity(a: FloatArray, b: FloatArray, *, center: bool = True) -> FloatArray:
    """Cosine between every residue of one protein and every residue of another, or of itself.

    Parameters
    ----------
    a : ndarray, shape=(L, D), dtype=float32
        Residue vectors of one protein from one layer.
    b : ndarray, shape=(M, D), dtype=float32
        Those of the other, same model and layer. Give `a` twice for a protein against itself.
    center : bool
        Subtract from each residue the mean residue vector of its own protein. Raw cosines are all high, since
        the residues of a protein share most of their vector.

    Returns
    -------
    similarity : ndarray, shape=(L, M), dtype=float32
        From -1 to 1. NaN where a vector is zero and has no direction: a protein of one residue, or of
        identical residue vectors, after centring.

    Raises
    ------
    ValueError
        If an array has not two axes, is empty, or the widths differ.

    Examples
    --------
    >>> a = np.array([[1, 0], [0, 2]], dtype=np.float32)
    >>> residue_similarity(a, a, center=False)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    >>> residue_similarity(a, a).round(3)
    array([[ 1., -1.],
           [-1.,  1.]], dtype=float32)
    """
    a, b = as_matrix(a), as_matrix(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of different widths: {a.shape} and {b.shape}")
    rows = _directions(a, center)
    # One array on both sides makes the product exactly symmetric.
    columns = rows if np.array_equal(a, b) else _directions(b, center)
    similarity: FloatArray = np.clip(rows @ columns.T, -1, 1)
    return similarity


def _directions(vectors: FloatArray, center: bool) -> FloatArray:
    exact = vectors.astype(np.float64)
    noise = ROUNDING * np.linalg.norm(exact, axis=1, keepdims=True)
    if center:
        exact -= exact.mean(axis=0)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    norms[norms <= noise] = np.nan
    directions: FloatArray = (exact / norms).astype(np.float32)
    return directions


def top_pairs(
    similarity: FloatArray, *, k: int = 20, min_separation: int = 0, within: bool = False
) -> list[Pair]:
    """The pairs of residues with the highest values.

    Parameters
    ----------
    similarity : ndarray, shape=(L, M), dtype=float32
        Any matrix of residues by residues; NaN is left out.
    k : int
        How many at most.
    min_separation : int
        Smallest distance along the chain, j - i, in residues; only with `within`.
    within : bool
        Whether rows and columns are one protein. Then each pair counts once, i < j.

    Returns
    -------
    pairs : list of (int, int, float)
        0-based row i, 0-based column j and value, best first; equal values in reading order.

    Raises
    ------
    ValueError
        If the matrix has not two axes, or is not square with `within`; if `k` or `min_separation` is
        negative, or a separation is asked for between two proteins.

    Examples
    --------
    >>> s = np.array([[1, .2, .9], [.2, 1, .5], [.9, .5, 1]], dtype=np.float32)
    >>> [(i, j) for i, j, _ in top_pairs(s, k=2, within=True)]
    [(0, 2), (1, 2)]
    >>> [(i, j) for i, j, _ in top_pairs(s, within=True, min_separation=2)]
    [(0, 2)]
    """
    matrix = as_matrix(similarity, square=within)
    if within:
        return best_pairs(matrix, k, upper_cells(len(matrix), min_separation))
    if min_separation:
        raise ValueError("min_separation counts residues along one protein: say within=True")
    return best_pairs(matrix, k)


def percentile_rank(
    similarity: FloatArray, values: ArrayLike, *, within: bool = False, min_separation: int = 0
) -> FloatArray:
    """Where values stand among all cells of a matrix.

    Parameters
    ----------
    similarity : ndarray, shape=(L, M), dtype=float32
        The matrix; NaN is left out.
    values : array_like
        Values to place, of any shape.
    within, min_separation
        As in `top_pairs`: with `within` only the cells above the diagonal count.

    Returns
    -------
    ranks : ndarray, shape of `values`, dtype=float32
        In percent, 0 to 100: the share of cells that are lower, equal ones counted half. NaN for NaN, and
        where there is no cell to compare with.

    Raises
    ------
    ValueError
        As `top_pairs`.

    Examples
    --------
    >>> percentile_rank(np.array([[1, 2], [3, 4]], dtype=np.float32), [4, 2.5])
    array([87.5, 50. ], dtype=float32)
    """
    matrix = as_matrix(similarity, square=within)
    if min_separation and not within:
        raise ValueError("min_separation counts residues along one protein: say within=True")
    cells = matrix[upper_cells(len(matrix), min_separation)] if within else matrix.ravel()
    cells = np.sort(cells[~np.isnan(cells)])
    wanted = np.asarray(values, dtype=np.float32)
    if len(cells) == 0:
        return np.full_like(wanted, np.nan)
    lower_or_half = np.searchsorted(cells, wanted, "left") + np.searchsorted(cells, wanted, "right")
    ranks = 50.0 * lower_or_half / len(cells)
    return np.where(np.isnan(wanted), np.nan, ranks).astype(np.float32)
