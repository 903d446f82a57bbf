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


def farthest_heads(distance: FloatArray) -> list[tuple[int, int, float]]:
    """Layer (1-based), head (0-based) and distance of every head, farthest first."""
    order = np.argsort(-np.nan_to_num(distance, nan=-1.0), axis=None, kind="stable")
    return [
        (int(k // distance.shape[1]) + 1, int(k % distance.shape[1]), float(distance.flat[k])) for k in order
    ]
