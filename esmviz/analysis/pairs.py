"""The best cells of a residue x residue matrix: shared by every ranking of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from esmviz.types import FloatArray

Pair = tuple[int, int, float]


def upper_cells(n_residues: int, min_separation: int) -> NDArray[np.bool_]:
    """Each pair of one protein once, away from the diagonal.

    Parameters
    ----------
    n_residues : int
        L.
    min_separation : int
        Smallest j - i, 0 or more; a residue is never a pair with itself, so that 0 means 1.

    Returns
    -------
    cells : ndarray, shape=(L, L), dtype=bool
        True where j - i >= max(1, min_separation).

    Examples
    --------
    >>> upper_cells(3, 2).astype(int)
    array([[0, 0, 1],
           [0, 0, 0],
           [0, 0, 0]])
    """
    if min_separation < 0:
        raise ValueError(f"min_separation is {min_separation}; it cannot be negative")
    return ~np.tri(n_residues, n_residues, max(1, min_separation) - 1, dtype=np.bool_)


def best_pairs(matrix: FloatArray, k: int, cells: NDArray[np.bool_] | None = None) -> list[Pair]:
    """The cells with the highest values.

    Parameters
    ----------
    matrix : ndarray, shape=(L, M), dtype=float32
        NaN is never among the best.
    k : int
        How many at most, 0 or more.
    cells : ndarray, shape=(L, M), dtype=bool, optional
        Where to look; everywhere when not given.

    Returns
    -------
    pairs : list of (int, int, float)
        0-based row, 0-based column and value, best first; equal values in reading order. Fewer than `k` where
        there are fewer cells.

    Raises
    ------
    ValueError
        If `matrix` has not two axes, `k` is negative, or `cells` has another shape.

    Examples
    --------
    >>> best_pairs(np.array([[1, 7], [5, 7]], dtype=np.float32), 3)
    [(0, 1, 7.0), (1, 1, 7.0), (1, 0, 5.0)]
    """
    values = as_matrix(matrix)
    if k < 0:
        raise ValueError(f"k is {k}; it cannot be negative")
    allowed = ~np.isnan(values)
    if cells is not None:
        if cells.shape != values.shape:
            raise ValueError(f"cells {cells.shape} and matrix {values.shape} differ in shape")
        allowed &= cells
    k = min(k, int(np.count_nonzero(allowed)))
    if k == 0:
        return []
    cell = _candidates(values, k, allowed)
    found = values.ravel()[cell]
    threshold = np.partition(found, -k)[
        -k
    ]  # quicker than partitioning indices, and ties stay in reading order
    above, level = cell[found > threshold], cell[found == threshold]
    level = level[: k - len(above)]
    above = above[np.argsort(-values.ravel()[above], kind="stable")]
    rows, columns = np.divmod(np.concatenate([above, level]), values.shape[1])
    best = values[rows, columns]
    return list(zip(rows.tolist(), columns.tolist(), best.tolist(), strict=True))


def _candidates(values: FloatArray, k: int, allowed: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices of few cells that hold the best `k`: those not below the k-th best row maximum."""
    if k >= len(values):
        return np.flatnonzero(allowed)
    row_best = values.max(axis=1, initial=-np.inf, where=allowed)
    floor = np.partition(row_best, -k)[-k]
    return np.flatnonzero((values >= floor) & allowed)


def as_matrix(values: Any, *, square: bool = False) -> FloatArray:
    """Check that `values` have two axes (of one length where `square`) and are not empty.

    Raises
    ------
    ValueError
        If they are not.
    """
    matrix = np.asarray(values, dtype=np.float32)
    if matrix.ndim != 2 or matrix.size == 0 or (square and matrix.shape[0] != matrix.shape[1]):
        wanted = "(L, L)" if square else "(L, M)"
        raise ValueError(f"expected a matrix {wanted} with at least one residue, not shape {matrix.shape}")
    return matrix
