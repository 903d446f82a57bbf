"""BLOSUM62, the baseline that everybody has."""

import numpy as np
from biotite.sequence.align import SubstitutionMatrix
from numpy.typing import NDArray

from training.corpus import LETTERS

Floats = NDArray[np.float64]


def scores() -> Floats:
    """(20, 20) in the order of `corpus.LETTERS`, half bits."""
    matrix = SubstitutionMatrix.std_protein_matrix()
    return np.array([[matrix.get_score(a, b) for b in LETTERS] for a in LETTERS], dtype=np.float64)


def conditional(frequencies: Floats) -> Floats:
    """P(a | b) = p(a) 2^(S(a, b) / 2), each row b made to sum to 1."""
    joint = frequencies[None, :] * 2.0 ** (scores() / 2)
    result: Floats = joint / joint.sum(axis=1, keepdims=True)
    return result
