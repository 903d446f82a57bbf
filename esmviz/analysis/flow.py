"""Attention through several layers at once: which residues a residue's state is made of."""

from __future__ import annotations

import numpy as np

from esmviz.types import FloatArray


def rollout(attention: FloatArray) -> FloatArray:
    """Attention rollout: the layers' maps multiplied, each with half of it replaced by the residual connection.

    With W the mean over the heads of a layer, A = 0.5 W + 0.5 I, and R = A_n ... A_2 A_1. Rows of W sum to 1, so
    those of A and R do, and the paper's renormalisation changes nothing.

    Start and end tokens are tokens like others here, since what a residue takes from them they may have taken from
    residues a layer before. Cut their rows and columns off the result, not off the input: then a row sums to 1
    minus the share that came from them.

    Parameters
    ----------
    attention : ndarray, shape=(n, H, T, T), dtype=float32
        Weights of n consecutive layers, first to last, over T tokens; rows are queries and sum to 1.

    Returns
    -------
    shares : ndarray, shape=(T, T), dtype=float32
        Cell (i, j) is the share of token i after the last of these layers that came from token j before the first,
        as far as attention and the residual tell: values and feed-forward layers are left out of account.

    Raises
    ------
    ValueError
        If the shape is another, or there is no layer.

    Source
    ------
    Abnar & Zuidema 2020, https://doi.org/10.18653/v1/2020.acl-main.385 (arXiv:2005.00928), section 3; heads are
    averaged there, too.

    Examples
    --------
    >>> rollout(np.array([[[[0, 1], [0, 1]]]] * 2, dtype=np.float32))
    array([[0.25, 0.75],
           [0.  , 1.  ]], dtype=float32)
    """
    attention = np.asarray(attention, dtype=np.float32)
    if attention.ndim != 4 or attention.shape[2] != attention.shape[3] or 0 in attention.shape:
        raise ValueError(f"expected attention (n, H, T, T), not shape {attention.shape}")
    shares = np.eye(attention.shape[-1])
    for layer in attention:
        shares = 0.5 * (layer.mean(axis=0, dtype=np.float64) @ shares + shares)
    return shares.astype(np.float32)
