"""Perplexity by one protocol: 15 % of the residues replaced by <mask> only, whole sequences, seed 0, 20 letters."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import blosum
from training.reference import letter_indices, log_probabilities, token_ids

MASK_RATIO = 0.15
PSEUDO_COUNT = 50.0  # residues of background that are added to a protein's own composition
Floats = NDArray[np.float64]
Predictor = Callable[
    [str, NDArray[np.int64]], Floats
]  # log probabilities of the hidden residues, (hidden, 20)


def hidden_residues(sequence: str, rng: np.random.Generator) -> NDArray[np.int64]:
    n_hidden = max(1, round(MASK_RATIO * len(sequence)))
    return np.sort(rng.choice(len(sequence), n_hidden, replace=False))


def losses(sequences: Sequence[str], predict: Predictor, seed: int = 0) -> list[Floats]:
    """Negative log probability of each hidden residue, protein by protein. Every predictor sees the same masks."""
    rng = np.random.default_rng(seed)
    result = []
    for sequence in sequences:
        hidden = hidden_residues(sequence, rng)
        truth = letter_indices(sequence)[hidden]
        result.append(-predict(sequence, hidden)[np.arange(len(hidden)), truth])
    return result


def perplexity(sequences: Sequence[str], predict: Predictor, seed: int = 0) -> float:
    return math.exp(float(np.concatenate(losses(sequences, predict, seed)).mean()))


def by_model(model: Any) -> Predictor:
    def predict(sequence: str, hidden: NDArray[np.int64]) -> Floats:
        return log_probabilities(model, token_ids(sequence, hidden)).astype(np.float64)[hidden]

    return predict


def by_frequencies(frequencies: Floats) -> Predictor:
    """The amino acids of the training corpus, the same everywhere."""
    return lambda sequence, hidden: np.log(np.tile(frequencies, (len(hidden), 1)))


def by_composition(frequencies: Floats) -> Predictor:
    """What is visible of the protein itself, counted."""

    def predict(sequence: str, hidden: NDArray[np.int64]) -> Floats:
        counts = np.bincount(np.delete(letter_indices(sequence), hidden), minlength=20)
        shares = (counts + PSEUDO_COUNT * frequencies) / (counts.sum() + PSEUDO_COUNT)
        return np.log(np.tile(shares, (len(hidden), 1)))

    return predict


def by_blosum(frequencies: Floats) -> Predictor:
    """The substitutes that BLOSUM62 expects of the nearest visible residues, one on each side, averaged."""
    conditional = blosum.conditional(frequencies)

    def predict(sequence: str, hidden: NDArray[np.int64]) -> Floats:
        letters = letter_indices(sequence)
        visible = np.setdiff1d(np.arange(len(letters)), hidden)
        if not len(visible):
            return np.log(np.tile(frequencies, (len(hidden), 1)))
        after = np.searchsorted(visible, hidden)
        left = letters[visible[np.maximum(after - 1, 0)]]
        right = letters[visible[np.minimum(after, len(visible) - 1)]]
        return np.log((conditional[left] + conditional[right]) / 2)

    return predict
