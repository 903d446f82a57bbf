"""Windows over a protein that is too long for one pass, and how what each window gave becomes one result.

Neighbouring windows overlap by at least half their length. Within each, residues near an end that is not the protein's
own have seen little of their surroundings and count little: weights fall off towards window edges as in Brandes et al.
2023, doi:10.1038/s41588-023-01465-0 (Extended Data Fig. 5; ESM-1b, windows of 1022, overlap 511). Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from esmviz.types import FloatArray, ModelSpec, Windows

STEEPNESS = 16  # quarters of a window to one unit of the logistic: 256 / 16 = 16 residues, as published


@dataclass(frozen=True)
class Windowing:
    """Proteins of more than ``above`` residues (None: none) run in windows of ``size``."""

    above: int | None
    size: int

    def __str__(self) -> str:
        return "none" if self.above is None else f"{self.size} above {self.above}"

    def windows(self, length: int) -> Windows:
        """Where the windows of a protein lie; () when it runs in one piece."""
        return () if self.above is None or length <= self.above else spread(length, self.size)


def windowing(spec: ModelSpec, above: int) -> Windowing:
    """How a model reads long proteins.

    What the model cannot take runs in windows always, what it can take up to `above` residues in one piece. A window
    is as long as the longest protein that the model saw in training, where that is known and within these bounds.

    Examples
    --------
    >>> from esmviz.models.catalog import CATALOG
    >>> windowing(CATALOG["esm2-8m"], 4096)
    Windowing(above=4096, size=1022)
    """
    longest = min(above, spec.max_residues or above)
    return Windowing(longest, min(longest, spec.trained_residues or longest))


def spread(length: int, size: int) -> Windows:
    """As few windows as overlap by half everywhere, all of one length, spread evenly.

    Parameters
    ----------
    length : int
        Residues of the protein, more than `size`.
    size : int
        Residues of a window, 1 or more.

    Returns
    -------
    windows : tuple of (start, stop)
        0-based and half-open, rising, from 0 to `length`; neighbours share at least ``size // 2`` residues.

    Examples
    --------
    >>> spread(1479, 1022)  # as in Brandes et al. 2023
    ((0, 1022), (457, 1479))
    """
    overlap = size // 2
    n_steps = -(-(length - size) // (size - overlap))
    starts = [step * (length - size) // n_steps for step in range(n_steps + 1)]
    return tuple((start, start + size) for start in starts)


def edge_weights(windows: Windows) -> list[FloatArray]:
    """Weight of each residue in each window.

    Parameters
    ----------
    windows : tuple of (start, stop)
        From `spread`.

    Returns
    -------
    weights : list of ndarray, shape=(size,), dtype=float32
        1 in the middle; over the outer quarter of the window a logistic that falls to 0.0003 at its edge, except
        where the edge is the protein's end. Never 0.

    Examples
    --------
    >>> [weights.round(2).tolist() for weights in edge_weights(((0, 8), (4, 12)))]
    [[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.0], [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]
    """
    size = windows[0][1] - windows[0][0]
    ramp = (size // 2 + 1) // 2
    rise = 1 / (1 + np.exp(STEEPNESS * (0.5 - np.arange(ramp) / max(1, ramp))))
    weights = [np.ones(size, dtype=np.float32) for _ in windows]
    for left, right in pairwise(weights):
        right[:ramp] = rise
        left[size - ramp :] = rise[::-1]
    return weights


def shares(windows: Windows) -> list[FloatArray]:
    """``edge_weights`` divided by their sum at each residue: what each window has to say there, (size,) each."""
    weights = edge_weights(windows)
    total = np.zeros(windows[-1][1])
    for (start, stop), weight in zip(windows, weights, strict=True):
        total[start:stop] += weight
    return [
        (weight / total[start:stop]).astype(np.float32)
        for (start, stop), weight in zip(windows, weights, strict=True)
    ]


def most_central(windows: Windows) -> NDArray[np.int64]:
    """Index (L,) of the window in which each residue lies nearest to the middle."""
    middles = np.array([start + stop - 1 for start, stop in windows]) / 2
    return np.searchsorted((middles[:-1] + middles[1:]) / 2, np.arange(windows[-1][1]))


class ResidueMean:
    """Weighted mean over windows of arrays (..., L, D): logits, hidden states."""

    def __init__(self, windows: Windows) -> None:
        self._windows, self._shares = windows, shares(windows)
        self._sum: FloatArray | None = None

    def add(self, index: int, part: FloatArray) -> None:
        """Take what the window of that index gave, (..., size, D)."""
        if self._sum is None:
            shape = (*part.shape[:-2], self._windows[-1][1], part.shape[-1])
            self._sum = np.zeros(shape, dtype=np.float32)
        start, stop = self._windows[index]
        self._sum[..., start:stop, :] += part * self._shares[index][:, None]

    def result(self) -> FloatArray | None:
        """(..., L, D), float32; None when nothing came."""
        return self._sum


class PairMean:
    """Mean over windows of maps (..., L, L), weighted by the product of both residues' weights.

    A pair that shares no window is unknown: NaN.
    """

    def __init__(self, windows: Windows) -> None:
        self._windows, self._weights = windows, edge_weights(windows)
        self._sum: FloatArray | None = None

    def add(self, index: int, part: FloatArray) -> None:
        """Take what the window of that index gave, (..., size, size)."""
        length = self._windows[-1][1]
        if self._sum is None:
            self._sum = np.zeros((*part.shape[:-2], length, length), dtype=np.float32)
        start, stop = self._windows[index]
        weight = self._weights[index]
        self._sum[..., start:stop, start:stop] += part * np.outer(weight, weight)

    def result(self) -> FloatArray:
        """(..., L, L), float32."""
        assert self._sum is not None
        total = np.zeros(self._sum.shape[-2:], dtype=np.float32)
        for (start, stop), weight in zip(self._windows, self._weights, strict=True):
            total[start:stop, start:stop] += np.outer(weight, weight)
        total[total == 0] = np.nan
        self._sum /= total
        return self._sum
