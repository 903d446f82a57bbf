"""One vector for a protein out of its residue vectors."""

from __future__ import annotations

from typing import Literal

import numpy as np

from esmviz.analysis.pairs import as_matrix
from esmviz.types import FloatArray


def pool(hidden: FloatArray, how: Literal["mean", "max"] = "mean") -> FloatArray:
    """Mean or maximum over the residues.

    Parameters
    ----------
    hidden : ndarray, shape=(L, D), dtype=float32
        Residue vectors of one layer, special tokens gone.
    how : {"mean", "max"}
        ``"bos"`` is a vector of its own that only the model can give: it is not among the residues.

    Returns
    -------
    vector : ndarray, shape=(D,), dtype=float32
        In the units of `hidden`.

    Raises
    ------
    ValueError
        If `hidden` has not two axes, has no residues, or `how` is something else.

    Examples
    --------
    >>> hidden = np.array([[1, 5], [3, 0]], dtype=np.float32)
    >>> pool(hidden), pool(hidden, "max")
    (array([2. , 2.5], dtype=float32), array([3., 5.], dtype=float32))
    """
    hidden = as_matrix(hidden)
    if how == "mean":
        vector: FloatArray = hidden.mean(axis=0, dtype=np.float64).astype(np.float32)
    elif how == "max":
        vector = hidden.max(axis=0)
    else:
        raise ValueError(f"how is {how!r}; it is 'mean' or 'max'")
    return vector
