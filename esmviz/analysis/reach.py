"""How far heads look along the chain: one number a head, so that a grid of heads can be ranked."""

from __future__ import annotations

import numpy as np

from esmviz.analysis.maps import block_edges
from esmviz.types import FloatArray


def mean_distance(thumbnails: FloatArray, n_residues: int) -> FloatArray:
    """Mean attention distance of each head: residues between a query and what it attends to.

    The mean of |i - j| over all pairs, weighted by attention, as in Vig & Belinkov 2019. From thumbnails it is
    measured between block centres, so it is exact where each residue is its own block.

    Parameters
    ----------
    thumbnails : ndarray, shape=(n_layers, H, s, s), dtype=float32
        Block means of attention by the rule of ``maps.block_edges``; special tokens are not in it.
    n_residues : int
        L.

    Returns
    -------
    distance : ndarray, shape=(n_layers, H), dtype=float32
        In residues, from 0 to L - 1; NaN for a head without attention between residues.

    Source
    ------
    Vig & Belinkov 2019, https://doi.org/10.18653/v1/W19-4808

    Examples
    --------
    >>> mean_distance(np.array([[[[0.5, 0.5], [0.0, 1.0]]]], dtype=np.float32), 2)
    array([[0.25]], dtype=float32)
    """
    edges = block_edges(n_residues, thumbnails.shape[-1])
    centres, widths = (edges[:-1] + edges[1:] - 1) / 2, np.diff(edges)
    apart = np.abs(centres[:, None] - centres[None, :])
    weights = thumbnails.astype(np.float64) * np.outer(widths, widths)
    total = weights.sum(axis=(-2, -1))
    distance = np.full(total.shape, np.nan)
    np.divide((weights * apart).sum(axis=(-2, -1)), total, out=distance, where=total > 0)
    return distance.astype(np.float32)


def ranked_heads(values: FloatArray) -> list[tuple[int, int, float]]:
    """Layer (1-based), head (0-based) and value of every head, largest first and NaN last.

    Parameters
    ----------
    values : ndarray, shape=(n_layers, H), dtype=float32

    Examples
    --------
    >>> ranked_heads(np.array([[1, np.nan], [0.5, 2]], dtype=np.float32))
    [(2, 1, 2.0), (1, 0, 1.0), (2, 0, 0.5), (1, 1, nan)]
    """
    order = np.argsort(-values, axis=None, kind="stable")
    n_heads = values.shape[1]
    return [(int(k // n_heads) + 1, int(k % n_heads), float(values.flat[k])) for k in order]
