"""What a classifier of one's own says: probabilities from raw predictions, classes, segments of a protein."""

from __future__ import annotations

import numpy as np

from esmviz.types import FloatArray, IntArray, Problem

THRESHOLD = 0.5  # of a class that may hold beside others: more likely than not
Segment = tuple[int, int, int, float]


def probabilities(raw: FloatArray, problem: Problem) -> FloatArray:
    """What raw predictions mean: the inverse of the losses that transformers trains each problem with.

    Softmax for cross-entropy: one class holds (Bridle 1990, doi:10.1007/978-3-642-76153-9_28). The logistic function
    of each class for binary cross-entropy: several or none may hold. The number itself for a regression.

    Parameters
    ----------
    raw : ndarray, shape=(..., K), dtype=float32
    problem : str

    Returns
    -------
    values : ndarray, shape=(..., K), dtype=float32
        From 0 to 1, with a sum of 1 over K for ``single_label_classification``; as they came for ``regression``.

    Examples
    --------
    >>> raw = np.log(np.array([1, 3], dtype=np.float32))
    >>> probabilities(raw, "single_label_classification")
    array([0.25, 0.75], dtype=float32)
    >>> probabilities(raw, "multi_label_classification")
    array([0.5 , 0.75], dtype=float32)
    """
    if problem == "regression":
        return raw
    exact = np.asarray(raw, dtype=np.float64)
    if problem == "multi_label_classification":
        shares = np.exp(-np.logaddexp(0, -exact))
    else:
        powers = np.exp(exact - exact.max(axis=-1, keepdims=True))
        shares = powers / powers.sum(axis=-1, keepdims=True)
    return np.asarray(shares, dtype=np.float32)


def assigned(values: FloatArray, problem: Problem) -> list[tuple[int, ...]]:
    """Classes that hold, row by row.

    Parameters
    ----------
    values : ndarray, shape=(N, K), dtype=float32
        From `probabilities`.

    Returns
    -------
    classes : list of tuple of int, length N
        The most probable one for ``single_label_classification``, those of at least 0.5 in the order of K for
        ``multi_label_classification``, none for ``regression``.

    Examples
    --------
    >>> assigned(np.array([[0.6, 0.7, 0.1]]), "multi_label_classification")
    [(0, 1)]
    """
    if problem == "regression":
        return [()] * len(values)
    if problem == "single_label_classification":
        return [(int(index),) for index in values.argmax(axis=-1)]
    return [tuple(np.flatnonzero(row >= THRESHOLD).tolist()) for row in values]


def segments(values: FloatArray, problem: Problem) -> list[Segment]:
    """Stretches of residues to which the same class is assigned.

    Parameters
    ----------
    values : ndarray, shape=(L, K), dtype=float32
        From `probabilities`.

    Returns
    -------
    segments : list of (start, stop, class, mean)
        0-based and half-open, with the class's mean probability in it; those with the largest sum of probabilities,
        the long and sure ones, first. Empty for ``regression``.

    Examples
    --------
    >>> segments(np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]), "single_label_classification")
    [(1, 3, 1, 0.7), (0, 1, 0, 0.9)]
    """
    held = np.zeros(values.shape, dtype=bool)
    for residue, classes in enumerate(assigned(values, problem)):
        held[residue, list(classes)] = True
    found: list[Segment] = []
    for index in np.flatnonzero(held.any(axis=0)).tolist():
        edges = np.flatnonzero(np.diff(held[:, index], prepend=False, append=False)).reshape(-1, 2)
        found += [
            (start, stop, index, float(values[start:stop, index].mean())) for start, stop in edges.tolist()
        ]
    return sorted(found, key=lambda segment: -(segment[1] - segment[0]) * segment[3])


def prominent(values: FloatArray, most: int) -> IntArray:
    """Classes to draw where there are too many: those that peak highest anywhere, in their own order.

    Parameters
    ----------
    values : ndarray, shape=(N, K), dtype=float32
    most : int
        1 or more.

    Returns
    -------
    classes : ndarray, shape=(min(K, most),), dtype=int64

    Examples
    --------
    >>> prominent(np.array([[0.1, 0.2, 0.7], [0.9, 0.1, 0.0]]), 2)
    array([0, 2])
    """
    peaks = values.max(axis=0)
    return np.sort(np.argsort(-peaks, kind="stable")[:most]).astype(np.int64)
