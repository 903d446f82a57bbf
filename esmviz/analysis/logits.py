"""What the model expects at each residue: probabilities, uncertainty, and its view of the residue there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from esmviz.analysis.residues import amino_acid_columns
from esmviz.types import FloatArray, IntArray

Exact = NDArray[np.float64]


def log_probabilities(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Natural logarithms of the probabilities of the amino acids.

    Parameters
    ----------
    logits : ndarray, shape=(L, A), dtype=float32
        Raw, amino acids in the order of ``AMINO_ACIDS``; any shift along a row changes nothing. A row of NaN
        (a position that has not been computed yet) stays NaN.
    temperature : float
        Above 0; logits are divided by it. Below 1 sharpens, above 1 flattens.

    Returns
    -------
    log_probs : ndarray, shape=(L, A), dtype=float32
        In nats, 0 or less; their exponentials sum to 1 in each row.

    Raises
    ------
    ValueError
        If `logits` has not two axes or no columns, or `temperature` is not above 0.

    Examples
    --------
    >>> log_probabilities(np.zeros((1, 4), dtype=np.float32))
    array([[-1.3862944, -1.3862944, -1.3862944, -1.3862944]], dtype=float32)
    """
    return _log_softmax(logits, temperature).astype(np.float32)


def probabilities(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Probabilities of the amino acids: softmax of the logits.

    Parameters
    ----------
    logits, temperature
        As in `log_probabilities`.

    Returns
    -------
    probs : ndarray, shape=(L, A), dtype=float32
        From 0 to 1; rows sum to 1.

    Raises
    ------
    ValueError
        As `log_probabilities`.

    Examples
    --------
    >>> probabilities(np.log(np.array([[1, 3]], dtype=np.float32)))
    array([[0.25, 0.75]], dtype=float32)
    """
    return np.exp(_log_softmax(logits, temperature)).astype(np.float32)


def entropy(probs: FloatArray) -> FloatArray:
    """Uncertainty of the model at each residue, -Σ p log2 p with 0 log 0 = 0.

    Parameters
    ----------
    probs : ndarray, shape=(L, A), dtype=float32
        Rows sum to 1, or are NaN.

    Returns
    -------
    entropy : ndarray, shape=(L,), dtype=float32
        In bits, from 0 (certain) to log2(20) = 4.32 (no idea): 2 to this power is the number of equally
        likely residues.

    Raises
    ------
    ValueError
        If `probs` has not two axes, or is negative or does not sum to 1 within 0.001 (logits by mistake).

    References
    ----------
    Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x

    Examples
    --------
    >>> entropy(np.full((1, 4), 0.25, dtype=np.float32))
    array([2.], dtype=float32)
    """
    p = _as_rows(probs)
    if (p < 0).any() or (np.abs(p.sum(axis=1) - 1) > 1e-3).any():
        raise ValueError("probs are not probabilities: rows must be 0 or more and sum to 1")
    bits = np.log2(np.where(p > 0, p, 1.0))
    entropy: FloatArray = (0.0 - (p * bits).sum(axis=1)).astype(np.float32)
    return entropy


def wild_type_log_probability(logits: FloatArray, sequence: str) -> FloatArray:
    """Log-probability of the residue that is there.

    Parameters
    ----------
    logits : ndarray, shape=(L, 20), dtype=float32
        Raw, columns in the order of ``AMINO_ACIDS``.
    sequence : str
        L letters of ``AMINO_ACIDS`` or ``AMBIGUOUS``.

    Returns
    -------
    log_probs : ndarray, shape=(L,), dtype=float32
        In nats, 0 or less; NaN at B, Z, X, U and O.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a letter is unknown.

    Examples
    --------
    >>> wild_type_log_probability(np.zeros((2, 20), dtype=np.float32), "MX")
    array([-2.9957323,        nan], dtype=float32)
    """
    columns = amino_acid_columns(logits, sequence)
    return _at_wild_type(_log_softmax(logits), columns).astype(np.float32)


def wild_type_rank(logits: FloatArray, sequence: str) -> FloatArray:
    """Place of the residue that is there among the 20, by probability.

    Parameters
    ----------
    logits, sequence
        As in `wild_type_log_probability`.

    Returns
    -------
    rank : ndarray, shape=(L,), dtype=float32
        Whole numbers, 1 (the most probable) to 20; of equals, the best place. NaN at B, Z, X, U and O.

    Raises
    ------
    ValueError
        As `wild_type_log_probability`.

    Examples
    --------
    >>> wild_type_rank(np.arange(40, dtype=np.float32).reshape(2, 20), "YA")
    array([ 1., 20.], dtype=float32)
    """
    columns = amino_acid_columns(logits, sequence)
    own = _at_wild_type(_as_rows(logits), columns)
    ahead = (_as_rows(logits) > own[:, None]).sum(axis=1)
    return np.where(np.isnan(own), np.nan, 1.0 + ahead).astype(np.float32)


def pseudo_perplexity(masked_logits: FloatArray, sequence: str) -> float:
    """How surprised the model is by the protein: exp(-mean log p(x_i | all others)).

    Parameters
    ----------
    masked_logits : ndarray, shape=(L, 20), dtype=float32
        Row i from a pass in which residue i was masked. One pass over the bare protein gives another figure,
        which is never compared with this one: see `wild_type_marginal_perplexity`.
    sequence : str
        L letters; the mean goes over the canonical residues only.

    Returns
    -------
    perplexity : float
        1 (each residue expected) or more; 20 is blind guessing. NaN without a canonical residue, and while
        the row of one is still NaN.

    Raises
    ------
    ValueError
        As `wild_type_log_probability`.

    References
    ----------
    Salazar et al. 2020, doi:10.18653/v1/2020.acl-main.240

    Examples
    --------
    >>> round(pseudo_perplexity(np.zeros((3, 20), dtype=np.float32), "MKX"), 4)
    20.0
    """
    return _perplexity(masked_logits, sequence)


def wild_type_marginal_perplexity(logits: FloatArray, sequence: str) -> float:
    """exp(-mean log p(x_i | the whole protein)) from one pass without a mask.

    The model has seen each residue that it scores, so that this is lower than `pseudo_perplexity` and never
    compared with it.

    Parameters
    ----------
    logits : ndarray, shape=(L, 20), dtype=float32
        Raw, from one pass over the protein as it is.
    sequence : str
        L letters; the mean goes over the canonical residues only.

    Returns
    -------
    perplexity : float
        1 or more; NaN without a canonical residue.

    Raises
    ------
    ValueError
        As `wild_type_log_probability`.

    Examples
    --------
    >>> round(wild_type_marginal_perplexity(np.zeros((1, 20), dtype=np.float32), "M"), 4)
    20.0
    """
    return _perplexity(logits, sequence)


def most_constrained(entropy: FloatArray, k: int = 5) -> list[int]:
    """Positions where the model is surest.

    Parameters
    ----------
    entropy : ndarray, shape=(L,), dtype=float32
        In bits; NaN is left out.
    k : int
        How many at most, 0 or more.

    Returns
    -------
    positions : list of int
        0-based, lowest entropy first; of equals, the first in the protein.

    Raises
    ------
    ValueError
        If `entropy` has not one axis, or `k` is negative.

    Examples
    --------
    >>> most_constrained(np.array([3, 0.5, np.nan, 2], dtype=np.float32), k=2)
    [1, 3]
    """
    values = np.asarray(entropy)
    if values.ndim != 1 or k < 0:
        raise ValueError(f"expected entropies (L,) and k of 0 or more, not shape {values.shape} and {k}")
    order = np.argsort(values, kind="stable")  # NaN sorts last
    return [int(i) for i in order[: min(k, int((~np.isnan(values)).sum()))]]


def _as_rows(values: FloatArray) -> Exact:
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"expected an array (L, A), not shape {rows.shape}")
    return rows


def _log_softmax(logits: FloatArray, temperature: float = 1.0) -> Exact:
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    scaled = _as_rows(logits) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True)))


def _at_wild_type(values: Exact, columns: IntArray) -> Exact:
    own = values[np.arange(len(columns)), columns]
    return np.where(columns >= 0, own, np.nan)


def _perplexity(logits: FloatArray, sequence: str) -> float:
    columns = amino_acid_columns(logits, sequence)
    known = _at_wild_type(_log_softmax(logits), columns)[columns >= 0]
    return float(np.exp(-known.mean())) if len(known) else float("nan")
