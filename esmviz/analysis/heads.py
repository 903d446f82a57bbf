"""One number for each head: how far, how sharply and at what it looks."""

from __future__ import annotations

import numpy as np

from esmviz.analysis.reach import mean_distance
from esmviz.types import SEPARATION, FloatArray, Statistic


def head_statistic(attention: FloatArray, name: Statistic) -> FloatArray:
    """A statistic of each head over the residues of one protein.

    ``distance``
        Mean of |i - j| over pairs of residues, weighted by attention, in residues, 0 to L - 1; NaN for a head
        that attends to no residue. See ``reach.mean_distance``.
    ``entropy``
        Mean over residues i of -sum a_ij log2 a_ij, start and end token counted among the j, in bits: 0 where each
        residue looks at one place, log2(L + 2) where it looks everywhere alike.
    ``separated``, ``long_range``
        Share of the residues' attention that goes to residues at least 6, or 24, apart along the chain, 0 to 1.
    ``start``, ``end``
        Share of the residues' attention that goes to the start, or the end token, 0 to 1.

    Parameters
    ----------
    attention : ndarray, shape=(..., L + 2, L + 2), dtype=float32
        Weights over tokens, of which the first is the start and the last the end token; rows are queries and sum to
        1. Queries are residues only.
    name : str

    Returns
    -------
    values : ndarray, shape=(...), dtype=float32

    Raises
    ------
    ValueError
        If there is no residue, or no statistic of that name.

    Source
    ------
    Distance: Vig & Belinkov 2019, https://doi.org/10.18653/v1/W19-4808. Entropy, and the shares of special tokens:
    Clark et al. 2019, https://doi.org/10.18653/v1/W19-4828. Separations are those between which contacts are counted:
    Rao et al. 2021, https://doi.org/10.1101/2020.12.15.422761.

    Examples
    --------
    >>> attention = np.array([[1, 0, 0, 0], [0.5, 0.25, 0.25, 0], [0, 0, 1, 0], [1, 0, 0, 0]], dtype=np.float32)
    >>> [float(head_statistic(attention, name)) for name in ("entropy", "start", "end", "separated")]
    [0.75, 0.25, 0.0, 0.0]
    """
    attention = np.asarray(attention, dtype=np.float32)
    if attention.ndim < 2 or attention.shape[-1] != attention.shape[-2] or attention.shape[-1] < 3:
        raise ValueError(f"expected attention (..., L + 2, L + 2), not shape {attention.shape}")
    rows, residues = attention[..., 1:-1, :], attention[..., 1:-1, 1:-1]
    match name:
        case "distance":
            values = mean_distance(residues, residues.shape[-1])
        case "entropy":
            positive = rows > 0
            terms = np.where(positive, rows * np.log2(rows, where=positive, out=np.zeros_like(rows)), 0)
            values = -_mean_row(terms)
        case "separated" | "long_range":
            place = np.arange(residues.shape[-1])
            far = abs(place[:, None] - place) >= SEPARATION[name]
            values = _mean_row(residues * far)
        case "start" | "end":
            values = _mean_row(rows[..., [0 if name == "start" else -1]])
        case _:
            raise ValueError(f"no statistic is called {name!r}")
    return np.asarray(values, dtype=np.float32)


def _mean_row(terms: FloatArray) -> FloatArray:
    """Mean over residues of the sums of their rows, (...)."""
    mean: FloatArray = terms.sum(axis=-1, dtype=np.float64).mean(axis=-1)
    return mean
