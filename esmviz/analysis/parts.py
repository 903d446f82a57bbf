"""The part of a residue x residue map that is drawn, made small enough to travel."""

from __future__ import annotations

from esmviz.analysis.maps import block_means
from esmviz.types import FloatArray, IntArray

MOST_CELLS = 1024  # a side; a heatmap of 1024 x 1024 float32 cells paints in about a second


MOST_POSITIONS = 4096  # of a figure along a protein: 20 rows of them are 330 kB


def drawn_stretch(values: FloatArray, part: slice, size: int = MOST_POSITIONS) -> tuple[FloatArray, IntArray]:
    """Cut a stretch out of what there is for each residue, and reduce it to block means where it is longer than `size`.

    Parameters
    ----------
    values : ndarray, shape=(L,) or (L, A), dtype=float32
    part : slice
        0-based residues to keep, with start and stop and no step.
    size : int
        Positions at most; not less than A.

    Returns
    -------
    cells : ndarray, shape=(s,) or (s, A), dtype=float32
        In the unit of `values`; NaN is left out of the means.
    edges : ndarray, shape=(s + 1,), dtype=int64
        0-based residues, counted in the whole protein, where the cells begin and end.

    Examples
    --------
    >>> import numpy as np
    >>> drawn_stretch(np.array([9, 1, 2, 4, 8], dtype=np.float32), slice(1, 5), size=2)
    (array([1.5, 6. ], dtype=float32), array([1, 3, 5]))
    """
    stretch = values[part]
    cells, edges, _ = block_means(stretch.reshape(len(stretch), -1), size)
    return cells.reshape(len(cells), *stretch.shape[1:]), edges + part.start


def drawn_part(
    matrix: FloatArray, rows: slice, columns: slice, size: int = MOST_CELLS
) -> tuple[FloatArray, tuple[IntArray, IntArray]]:
    """Cut a part out of a map and reduce it to block means where it is larger than `size`.

    Parameters
    ----------
    matrix : ndarray, shape=(L, M), dtype=float32
    rows, columns : slice
        0-based residues to keep, with start and stop and no step.
    size : int
        Cells at most on each side.

    Returns
    -------
    cells : ndarray, shape=(s, t), dtype=float32
        In the unit of `matrix`.
    edges : (ndarray, shape=(s + 1,), ndarray, shape=(t + 1,)), dtype=int64
        0-based residues, counted in the whole protein, where the cells of rows and columns begin and end.

    Examples
    --------
    >>> import numpy as np
    >>> cells, edges = drawn_part(np.eye(4, dtype=np.float32), slice(1, 3), slice(0, 4), size=2)
    >>> cells
    array([[0.5, 0. ],
           [0. , 0.5]], dtype=float32)
    >>> edges
    (array([1, 2, 3]), array([0, 2, 4]))
    """
    cells, row_edges, column_edges = block_means(matrix[rows, columns], size)
    return cells, (row_edges + rows.start, column_edges + columns.start)
