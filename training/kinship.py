"""Who is related to whom, cheaply, by the short words that two sequences share."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from training.network import FIRST_AMINO_ACID


def kmer_codes(tokens: NDArray[np.uint8], k: int) -> NDArray[np.int64]:
    """The words of k residues as numbers below 20**k, in the order of the sequence."""
    digits = tokens.astype(np.int64) - FIRST_AMINO_ACID
    n_words = max(len(digits) - k + 1, 0)
    return sum((digits[i : i + n_words] * 20**i for i in range(k)), start=np.zeros(n_words, np.int64))


def link_relatives(
    proteins: Sequence[NDArray[np.uint8]], threshold: float = 0.2, k: int = 4
) -> NDArray[np.int32]:
    """Cluster number of each protein, single linkage.

    Two proteins are linked when they share `threshold` of the distinct words of the one that has fewer; 0.2 of words
    of four is about 60 % identity.
    """
    words = [np.unique(kmer_codes(protein, k)) for protein in proteins]
    counts = np.array([len(w) for w in words])
    table = csr_matrix(
        (np.ones(counts.sum(), np.float32), np.concatenate(words), np.concatenate(([0], np.cumsum(counts)))),
        shape=(len(words), 20**k),
    )
    shared = (table @ table.T).tocoo()
    linked = shared.data >= threshold * np.minimum(counts[shared.row], counts[shared.col])
    graph = csr_matrix((linked[linked], (shared.row[linked], shared.col[linked])), shape=shared.shape)
    return connected_components(graph, directed=False)[1]


def mark_kmers(words: Iterable[NDArray[np.int64]], k: int = 5) -> NDArray[np.bool_]:
    """A table that knows which words of k residues occur."""
    table = np.zeros(20**k, dtype=bool)
    for codes in words:
        table[codes] = True
    return table


def share_marked(words: NDArray[np.int64], table: NDArray[np.bool_]) -> float:
    return float(table[words].mean()) if len(words) else 0.0
