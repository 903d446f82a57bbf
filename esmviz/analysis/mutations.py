"""What the model thinks of each substitution, and which ones stand out.

Scores are log-odds, log p(mutant) - log p(wild type). From logits of one pass over the protein they are
wild-type marginals; from logits in which each position was masked in turn, masked marginals. The two are
different schemes and never compared (Meier et al. 2021, doi:10.1101/2021.07.09.450648).
"""

from __future__ import annotations

import numpy as np

from esmviz.analysis.residues import amino_acid_columns
from esmviz.types import AMINO_ACIDS, FloatArray

MUTATION_ROWS = (
    "KRHEDNQTSCGAVLIMPYFW"  # charged, polar, small, aliphatic, aromatic: the order of the field's heatmaps
)


def mutation_scores(logits: FloatArray, sequence: str) -> FloatArray:
    """Score of every substitution at every position.

    Parameters
    ----------
    logits : ndarray, shape=(L, 20), dtype=float32
        Raw, columns in the order of ``AMINO_ACIDS``: of one pass, or masked position by position.
    sequence : str
        The wild type: L letters of ``AMINO_ACIDS`` or ``AMBIGUOUS``.

    Returns
    -------
    scores : ndarray, shape=(L, 20), dtype=float32
        In nats, columns in the order of ``AMINO_ACIDS``: log p(mutant) - log p(wild type). Above 0 the model
        prefers the mutant; exactly 0 at the wild type; a row of NaN at B, Z, X, U and O.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a letter is unknown.

    References
    ----------
    Meier et al. 2021, doi:10.1101/2021.07.09.450648

    Examples
    --------
    >>> logits = np.zeros((1, 20), dtype=np.float32)
    >>> logits[0, AMINO_ACIDS.index("V")] = 1.5
    >>> mutation_scores(logits, "A")[0, AMINO_ACIDS.index("V")]
    np.float32(1.5)
    """
    columns = amino_acid_columns(logits, sequence)
    exact = np.asarray(logits, dtype=np.float64)
    wild = exact[np.arange(len(columns)), columns]
    # The softmax's denominator is the same for both and cancels.
    scores = exact - np.where(columns >= 0, wild, np.nan)[:, None]
    return scores.astype(np.float32)


def rank_mutations(
    scores: FloatArray, sequence: str, k: int = 20, best: bool = True
) -> list[tuple[int, str, str, float]]:
    """The substitutions that the model likes most, or least.

    Parameters
    ----------
    scores : ndarray, shape=(L, 20), dtype=float32
        From `mutation_scores`.
    sequence : str
        The wild type, L letters.
    k : int
        How many at most, 0 or more.
    best : bool
        Whether the highest scores come first, or the lowest.

    Returns
    -------
    mutations : list of (int, str, str, float)
        0-based position, wild type, mutant and score in nats. The wild type itself and NaN are left out;
        equal scores in the order of the protein.

    Raises
    ------
    ValueError
        If the shapes do not fit, a letter is unknown, or `k` is negative.

    Examples
    --------
    >>> scores = np.zeros((1, 20), dtype=np.float32)
    >>> scores[0, AMINO_ACIDS.index("W")] = -4
    >>> rank_mutations(scores, "A", k=1, best=False)
    [(0, 'A', 'W', -4.0)]
    """
    values = _substitutions(scores, sequence)
    if k < 0:
        raise ValueError(f"k is {k}; it cannot be negative")
    flat = values.ravel()
    order = np.argsort(-flat if best else flat, kind="stable")[: min(k, int((~np.isnan(flat)).sum()))]
    return [
        (int(i), sequence[i], AMINO_ACIDS[column], float(values[i, column]))
        for i, column in zip(*np.divmod(order, len(AMINO_ACIDS)), strict=True)
    ]


def mean_effect(scores: FloatArray, sequence: str) -> FloatArray:
    """Mean score of the 19 substitutions at each position: how well the position takes a change.

    Parameters
    ----------
    scores : ndarray, shape=(L, 20), dtype=float32
        From `mutation_scores`.
    sequence : str
        The wild type, L letters.

    Returns
    -------
    effect : ndarray, shape=(L,), dtype=float32
        In nats; the lower, the less the model tolerates. NaN at B, Z, X, U and O.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a letter is unknown.

    Examples
    --------
    >>> scores = np.full((1, 20), -2, dtype=np.float32)
    >>> scores[0, AMINO_ACIDS.index("A")] = 0
    >>> mean_effect(scores, "A")
    array([-2.], dtype=float32)
    """
    columns = amino_acid_columns(scores, sequence)
    others = np.arange(len(AMINO_ACIDS)) != columns[:, None]
    mean = np.mean(scores, axis=1, dtype=np.float64, where=others)
    return np.where(columns >= 0, mean, np.nan).astype(np.float32)


def rank_positions(scores: FloatArray, sequence: str, k: int = 20, tolerant: bool = True) -> list[int]:
    """Positions that take a change best, or worst, by `mean_effect`.

    Parameters
    ----------
    scores, sequence
        As in `mean_effect`.
    k : int
        How many at most, 0 or more.
    tolerant : bool
        Whether the highest mean comes first, or the lowest.

    Returns
    -------
    positions : list of int
        0-based; B, Z, X, U and O are left out; of equals, the first in the protein.

    Raises
    ------
    ValueError
        As `rank_mutations`.

    Examples
    --------
    >>> scores = np.array([[-1.0], [-3.0]], dtype=np.float32) * np.ones(20, dtype=np.float32)
    >>> rank_positions(scores, "MK", k=1), rank_positions(scores, "MK", k=1, tolerant=False)
    ([0], [1])
    """
    if k < 0:
        raise ValueError(f"k is {k}; it cannot be negative")
    effect = mean_effect(scores, sequence)
    order = np.argsort(-effect if tolerant else effect, kind="stable")  # NaN sorts last
    return [int(i) for i in order[: min(k, int((~np.isnan(effect)).sum()))]]


def _substitutions(scores: FloatArray, sequence: str) -> FloatArray:
    """A copy with NaN at the wild type and in the rows of ambiguous letters."""
    columns = amino_acid_columns(scores, sequence)
    values = np.array(scores, dtype=np.float32)
    values[np.arange(len(columns)), columns] = np.nan
    values[columns < 0] = np.nan
    return values
