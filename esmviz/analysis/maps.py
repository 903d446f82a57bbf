"""Residue x residue maps made smaller: block means, one definition for pages, thumbnails and probes."""

from __future__ import annotations

import numpy as np

from esmviz.types import FloatArray, IntArray


def block_edges(length: int, size: int) -> IntArray:
    """Where blocks of residues begin and end.

    With s = min(length, size) blocks, block i holds residues floor(i * length / s) to floor((i + 1) * length
    / s), the end not included. No block is empty, lengths differ by at most 1, and where ``length <= size``
    every residue is a block of its own.

    Parameters
    ----------
    length : int
        Residues, 1 or more.
    size : int
        Blocks at most, 1 or more.

    Returns
    -------
    edges : ndarray, shape=(s + 1,), dtype=int64
        From 0 to `length`, rising.

    Raises
    ------
    ValueError
        If `length` or `size` is less than 1.

    Examples
    --------
    >>> block_edges(7, 3)
    array([0, 2, 4, 7])
    """
    if length < 1 or size < 1:
        raise ValueError(f"length {length} and size {size}: both are 1 or more")
    n_blocks = min(length, size)
    return np.arange(n_blocks + 1, dtype=np.int64) * length // n_blocks


def block_means(matrix: FloatArray, size: int) -> tuple[FloatArray, IntArray, IntArray]:
    """A map of at most `size` blocks on each side, each the mean of the cells that it holds.

    Parameters
    ----------
    matrix : ndarray, shape=(..., L, M), dtype=float32
        One or more maps. NaN cells are left out of their block's mean.
    size : int
        Blocks at most on each side, 1 or more.

    Returns
    -------
    blocks : ndarray, shape=(..., s, t), dtype=float32
        True means, in the range and unit of `matrix`; NaN where a block holds nothing but NaN. s = min(L,
        size), t = min(M, size).
    row_edges : ndarray, shape=(s + 1,), dtype=int64
        0-based first residue of each block of rows, and L: see `block_edges`.
    column_edges : ndarray, shape=(t + 1,), dtype=int64
        The same for columns.

    Raises
    ------
    ValueError
        If there are fewer than two axes, no residues, or `size` is less than 1.

    Examples
    --------
    >>> blocks, rows, columns = block_means(np.array([[1, 2, 6], [3, 4, 8]], dtype=np.float32), 2)
    >>> blocks
    array([[1., 4.],
           [3., 6.]], dtype=float32)
    >>> columns
    array([0, 1, 3])
    """
    matrix = np.asarray(matrix, dtype=np.float32)
    if matrix.ndim < 2 or 0 in matrix.shape[-2:]:
        raise ValueError(f"expected a matrix (..., L, M) with at least one residue, not shape {matrix.shape}")
    rows, columns = (block_edges(length, size) for length in matrix.shape[-2:])
    missing = np.isnan(matrix)
    if missing.any():
        sums = _block_sums(np.where(missing, np.float32(0), matrix), rows, columns)
        counts = _block_sums((~missing).astype(np.float32), rows, columns)
    else:
        sums = _block_sums(matrix, rows, columns)
        counts = np.broadcast_to(np.outer(np.diff(rows), np.diff(columns)).astype(np.float64), sums.shape)
    blocks = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return blocks.astype(np.float32), rows, columns


def _block_sums(
    matrix: FloatArray, rows: IntArray, columns: IntArray
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    narrow = np.add.reduceat(matrix, columns[:-1], axis=-1, dtype=np.float64)
    return np.add.reduceat(narrow, rows[:-1], axis=-2)
