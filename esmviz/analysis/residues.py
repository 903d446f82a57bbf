"""Where the residues of a sequence are on an axis of amino acids."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from esmviz.types import AMBIGUOUS, AMINO_ACIDS, IntArray


def amino_acid_columns(values: ArrayLike, sequence: str) -> IntArray:
    """Column of each residue, and a check that the array and the sequence belong together.

    Parameters
    ----------
    values : ndarray, shape=(L, 20)
        Any array with a row a residue and a column an amino acid.
    sequence : str
        L letters of ``AMINO_ACIDS`` or ``AMBIGUOUS``.

    Returns
    -------
    columns : ndarray, shape=(L,), dtype=int64
        0 to 19 in ``AMINO_ACIDS``; -1 at B, Z, X, U and O.

    Raises
    ------
    ValueError
        If the shape is not (L, 20), or a letter is in neither list.

    Examples
    --------
    >>> amino_acid_columns(np.zeros((3, 20)), "CAX")
    array([ 1,  0, -1])
    """
    shape = np.shape(values)
    if shape != (len(sequence), len(AMINO_ACIDS)):
        raise ValueError(
            f"expected shape ({len(sequence)}, {len(AMINO_ACIDS)}) for the sequence, not {shape}"
        )
    unknown = set(sequence) - set(AMINO_ACIDS) - set(AMBIGUOUS)
    if unknown:
        raise ValueError(f"letters that are no residues: {''.join(sorted(unknown))}")
    return np.array([AMINO_ACIDS.find(letter) for letter in sequence], dtype=np.int64)
