"""Attention maps made readable: symmetry, average product correction, special tokens, colour, ranking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from esmviz.analysis.pairs import Pair, as_matrix, best_pairs, upper_cells
from esmviz.types import FloatArray


def symmetrize(maps: FloatArray) -> FloatArray:
    """Mean of the two directions, (a + aᵀ) / 2.

    The contact regression of the ESM models takes the sum, a + aᵀ (Rao et al. 2021,
    doi:10.1101/2020.12.15.422761). The mean keeps attention in its range and leaves a symmetric map as it is;
    everything here is proportional, so twice this map, APC-corrected or not, is theirs.

    Parameters
    ----------
    maps : ndarray, shape=(..., L, L), dtype=float32
        Rows are queries, columns are keys.

    Returns
    -------
    maps : ndarray, shape=(..., L, L), dtype=float32
        Exactly symmetric, in the range of the input.

    Raises
    ------
    ValueError
        If the last two axes differ or are empty.

    Examples
    --------
    >>> symmetrize(np.array([[0, 1], [0.5, 0]], dtype=np.float32))
    array([[0.  , 0.75],
           [0.75, 0.  ]], dtype=float32)
    """
    maps = _as_maps(maps)
    return (maps + np.swapaxes(maps, -1, -2)) * np.float32(0.5)


def average_product_correction(maps: FloatArray) -> FloatArray:
    """Subtract what each pair of residues would have from its row and column alone.

    Corrected value = a_ij - (mean of row i) x (mean of column j) / (mean of the map), which with sums in place of
    means is the same for a map without gaps. Without it a few bright
    columns hide the contacts. For contacts, symmetrise first.

    Parameters
    ----------
    maps : ndarray, shape=(..., L, L), dtype=float32
        Attention of one or more heads. Means leave NaN out.

    Returns
    -------
    corrected : ndarray, shape=(..., L, L), dtype=float32
        Of either sign, NaN where the map is; without NaN rows and columns sum to 0. A map that sums to 0 is returned
        as it is.

    Raises
    ------
    ValueError
        If the last two axes differ or are empty.

    References
    ----------
    Dunn, Wahl, Gloor 2008, doi:10.1093/bioinformatics/btm604, over the whole map as in Rao et al. 2021,
    doi:10.1101/2020.12.15.422761 (Dunn et al. leave the diagonal out).

    Examples
    --------
    >>> average_product_correction(np.array([[2, 1], [1, 0]], dtype=np.float32))
    array([[-0.25,  0.25],
           [ 0.25, -0.25]], dtype=float32)
    """
    maps = _as_maps(maps)
    known = ~np.isnan(maps)
    rows, columns, totals = (_mean(maps, known, axis) for axis in (-1, -2, (-2, -1)))
    shares = np.divide(rows, totals, out=np.zeros_like(rows), where=totals != 0)
    # Products in float32: a map of 4096 residues in float64 would be 134 MB, per head.
    corrected: FloatArray = maps - shares.astype(np.float32) * columns.astype(np.float32)
    return corrected


def _mean(maps: FloatArray, known: NDArray[np.bool_], axis: int | tuple[int, int]) -> NDArray[np.float64]:
    sums = maps.sum(axis=axis, keepdims=True, dtype=np.float64, where=known)
    return np.asarray(sums / np.maximum(1, known.sum(axis=axis, keepdims=True)))


def corrected(maps: FloatArray, kind: str) -> FloatArray:
    """Attention as it is shown: ``symmetric`` is the mean of both directions, ``apc`` corrects that; else as it is.

    Parameters
    ----------
    maps : ndarray, shape=(..., L, L), dtype=float32
    kind : str
        ``symmetric``, ``apc`` or any other name for no change.

    Returns
    -------
    maps : ndarray, shape=(..., L, L), dtype=float32

    Examples
    --------
    >>> corrected(np.array([[0, 1], [0, 1]], dtype=np.float32), "symmetric")
    array([[0. , 0.5],
           [0.5, 1. ]], dtype=float32)
    """
    if kind == "symmetric":
        return symmetrize(maps)
    return average_product_correction(symmetrize(maps)) if kind == "apc" else maps


def received(attention: FloatArray) -> FloatArray:
    """How much each residue is looked at: the mean over queries, in multiples of an even share.

    Parameters
    ----------
    attention : ndarray, shape=(L, L), dtype=float32
        Rows are queries; each sums to 1 minus what goes to the start and end tokens.

    Returns
    -------
    received : ndarray, shape=(L,), dtype=float32
        1 where a residue gets as much as all would if every query looked at all residues alike. NaN cells are left
        out: of a protein read in windows, each of which shares its attention among its own residues.

    Examples
    --------
    >>> import numpy as np
    >>> received(np.array([[0.9, 0.1], [0.9, 0.1]], dtype=np.float32))
    array([1.8, 0.2], dtype=float32)
    """
    n_seen = np.isfinite(attention[0]).sum()  # the first residue is in one window, and all are of one length
    return np.asarray(np.nanmean(attention, axis=0) * n_seen, dtype=np.float32)


def special_share(attention: FloatArray) -> FloatArray:
    """Share of each residue's attention that went to the special tokens, which are not in the map.

    Parameters
    ----------
    attention : ndarray, shape=(..., L, L), dtype=float32
        Attention weights, or their mean over heads, special tokens left out. Not for maxima or corrected
        maps, whose rows never summed to 1.

    Returns
    -------
    share : ndarray, shape=(..., L), dtype=float32
        1 - row sum, from 0 to 1.

    Raises
    ------
    ValueError
        If the last two axes differ or are empty.

    Examples
    --------
    >>> special_share(np.array([[0.5, 0.25], [0, 0]], dtype=np.float32))
    array([0.25, 1.  ], dtype=float32)
    """
    sums = _as_maps(attention).sum(axis=-1, dtype=np.float64)
    share: FloatArray = np.clip(1 - sums, 0, 1).astype(np.float32)
    return share


def colour_limit(maps: FloatArray, percentile: float = 99.5) -> float:
    """End of the colour scale: 0 to limit for attention, -limit to limit for corrected maps.

    Parameters
    ----------
    maps : ndarray, any shape, dtype=float32
        NaN is left out.
    percentile : float
        From 0 to 100.

    Returns
    -------
    limit : float
        That percentile of the absolute values; their maximum where it is 0, and 1 where that is 0 as well or
        there is no value, so that a scale always has a length.

    Raises
    ------
    ValueError
        If `percentile` is outside 0 to 100.

    Examples
    --------
    >>> colour_limit(np.array([[0, -3], [1, 2]], dtype=np.float32), percentile=100)
    3.0
    """
    if not 0 <= percentile <= 100:
        raise ValueError(f"percentile is {percentile}; it goes from 0 to 100")
    values = np.abs(np.asarray(maps, dtype=np.float32)).ravel()
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return 1.0
    return float(np.percentile(values, percentile)) or float(values.max()) or 1.0


def top_pairs(
    attention: FloatArray, *, k: int = 20, min_separation: int = 1, directed: bool = True
) -> list[Pair]:
    """The strongest cells of an attention map.

    Parameters
    ----------
    attention : ndarray, shape=(L, L), dtype=float32
        Rows are queries, columns are keys; NaN is left out.
    k : int
        How many at most.
    min_separation : int
        Smallest distance along the chain, |i - j|, in residues; 0 lets a residue attend to itself.
    directed : bool
        Whether i to j and j to i are two things. Say False for a symmetric map; then each pair counts once, i
        < j.

    Returns
    -------
    pairs : list of (int, int, float)
        0-based query, 0-based key and weight, best first; equal weights in reading order.

    Raises
    ------
    ValueError
        If the map is not square, or `k` or `min_separation` is negative.

    Examples
    --------
    >>> a = np.array([[0.5, 0.25], [0.75, 0.125]], dtype=np.float32)
    >>> top_pairs(a)
    [(1, 0, 0.75), (0, 1, 0.25)]
    >>> top_pairs(a, directed=False)
    [(0, 1, 0.25)]
    """
    matrix = as_matrix(attention, square=True)
    cells = upper_cells(len(matrix), min_separation)
    if directed:
        cells |= cells.T
        if min_separation == 0:
            np.fill_diagonal(cells, True)
    return best_pairs(matrix, k, cells)


def _as_maps(maps: FloatArray) -> FloatArray:
    maps = np.asarray(maps, dtype=np.float32)
    if maps.ndim < 2 or maps.shape[-1] != maps.shape[-2] or maps.shape[-1] == 0:
        raise ValueError(f"expected maps (..., L, L) with at least one residue, not shape {maps.shape}")
    return maps
