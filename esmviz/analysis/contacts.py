"""Predicted contacts: the likeliest ones, and how many of them are real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from esmviz.analysis.pairs import Pair, as_matrix, best_pairs, upper_cells
from esmviz.types import FloatArray

MIN_SEPARATION = 6  # nearer residues touch by way of the chain
RANGES: dict[str, tuple[int, int | None]] = {  # |i - j| from and below; None: no limit
    "all": (6, None),
    "short": (6, 12),
    "medium": (12, 24),
    "long": (24, None),
}


@dataclass(frozen=True)
class ContactPrecision:
    """Precision in one range of separations: shares, 0 to 1, NaN where nothing is known.

    ``at_l``, ``at_l2`` and ``at_l5`` are the shares of real contacts among the L, L // 2 and L // 5 likeliest
    pairs whose truth is known. ``n_pairs`` such pairs lie in the range, ``n_contacts`` of them real:
    ``n_contacts / n_pairs`` is what guessing gives.
    """

    range: str
    at_l: float
    at_l2: float
    at_l5: float
    n_contacts: int
    n_pairs: int


def top_contacts(
    contacts: FloatArray, *, min_separation: int = MIN_SEPARATION, per_length: float = 1.0
) -> list[Pair]:
    """The likeliest contacts, as many as the protein has residues, or a share of that.

    Parameters
    ----------
    contacts : ndarray, shape=(L, L), dtype=float32
        Probabilities, symmetric; the upper triangle is read. NaN is left out.
    min_separation : int
        Smallest j - i, in residues.
    per_length : float
        Pairs per residue, above 0: 1 is top-L, 0.2 is top-L/5. Rounded down, at least one pair.

    Returns
    -------
    pairs : list of (int, int, float)
        0-based i < j and probability, best first.

    Raises
    ------
    ValueError
        If the map is not square, `min_separation` is negative, or `per_length` is not above 0.

    Examples
    --------
    >>> contacts = np.zeros((8, 8), dtype=np.float32)
    >>> contacts[0, 7] = contacts[7, 0] = 0.5
    >>> top_contacts(contacts, per_length=0.2)
    [(0, 7, 0.5)]
    """
    matrix = as_matrix(contacts, square=True)
    if not per_length > 0:
        raise ValueError(f"per_length is {per_length}; it must be above 0")
    n_pairs = max(1, int(len(matrix) * per_length))
    return best_pairs(matrix, n_pairs, upper_cells(len(matrix), min_separation))


def contact_precision(contacts: FloatArray, truth: NDArray[Any]) -> list[ContactPrecision]:
    """Share of real contacts among the likeliest, by range of separation.

    Parameters
    ----------
    contacts : ndarray, shape=(L, L), dtype=float32
        Probabilities, symmetric; the upper triangle is read.
    truth : ndarray, shape=(L, L), dtype=bool or float
        1 or True for a contact (Cβ-Cβ below 8 Å), 0 or False for none, NaN where a residue is not in the
        structure.

    Returns
    -------
    table : list of ContactPrecision
        One for each of ``RANGES``: all (6 or more residues apart), short (6-11), medium (12-23), long (24 or
        more). Where fewer pairs than L (L // 2, L // 5) are known, precision is over those that are; ESM's
        own code divides by L there, which lowers it for proteins of less than about 40 residues.

    Raises
    ------
    ValueError
        If the maps are not square or differ in shape, or `truth` holds anything but 0, 1 and NaN.

    References
    ----------
    Rao et al. 2021, doi:10.1101/2020.12.15.422761

    Examples
    --------
    >>> contacts, truth = np.zeros((10, 10), dtype=np.float32), np.zeros((10, 10), dtype=bool)
    >>> contacts[0, 8] = contacts[0, 9] = 0.75
    >>> truth[0, 9] = True
    >>> short = contact_precision(contacts, truth)[1]
    >>> short.range, short.at_l5, short.n_contacts, short.n_pairs
    ('short', 0.5, 1, 10)
    """
    predicted, real = as_matrix(contacts, square=True), as_matrix(truth, square=True)
    if predicted.shape != real.shape:
        raise ValueError(f"contacts {predicted.shape} and truth {real.shape} differ in shape")
    known = ~np.isnan(real)
    if not np.isin(real[known], (0, 1)).all():
        raise ValueError("truth holds 0, 1 and NaN only")
    return [_precision(name, predicted, real, known) for name in RANGES]


def _precision(
    name: str, predicted: FloatArray, real: FloatArray, known: NDArray[np.bool_]
) -> ContactPrecision:
    nearest, beyond = RANGES[name]
    length = len(predicted)
    cells = upper_cells(length, nearest) & known & ~np.isnan(predicted)
    if beyond is not None:
        cells &= ~upper_cells(length, beyond)
    hits = np.array([real[i, j] for i, j, _ in best_pairs(predicted, length, cells)], dtype=np.float32)
    at_l, at_l2, at_l5 = (_share(hits[: max(1, length // part)]) for part in (1, 2, 5))
    return ContactPrecision(name, at_l, at_l2, at_l5, int(real[cells].sum()), int(cells.sum()))


def _share(hits: FloatArray) -> float:
    return float(hits.mean()) if len(hits) else float("nan")
