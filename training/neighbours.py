"""Do proteins of one group lie beside each other? 1-nearest-neighbour accuracy, leave one out, by cosine."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.corpus import LETTERS, encode, read_fasta
from training.kinship import kmer_codes

Floats = NDArray[np.float32]


def accuracy(vectors: Floats, labels: Sequence[str], block: int = 2048) -> float:
    """Share of proteins whose nearest other protein has the same label."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    names = np.array(labels)
    hits = 0
    for first in range(0, len(unit), block):
        similarity = unit[first : first + block] @ unit.T
        similarity[np.arange(len(similarity)), np.arange(first, first + len(similarity))] = -np.inf
        hits += int((names[similarity.argmax(axis=1)] == names[first : first + block]).sum())
    return hits / len(unit)


def standardised(vectors: Floats) -> Floats:
    """Each dimension to mean 0 and deviation 1, so that one large dimension does not decide a cosine."""
    result: Floats = (vectors - vectors.mean(axis=0)) / (vectors.std(axis=0) + 1e-6)
    return result


def composition(sequences: Sequence[str], k: int) -> Floats:
    """Shares of the words of k residues, (proteins, 20**k)."""
    counts = np.stack([np.bincount(kmer_codes(encode(s), k), minlength=20**k) for s in sequences]).astype(
        np.float32
    )
    result: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return result


def read_toxins(path: Path) -> tuple[list[str], list[str]]:
    """Sequences of three-finger toxins and their five groups: `>ID Group|species`."""
    records = [(header.split(" ", 1)[1].partition("|")[0], s) for header, s in read_fasta(path)]
    return [standard(s) for _, s in records], [group for group, _ in records]


def read_superfamilies(path: Path, at_least: int = 5) -> tuple[list[str], list[str]]:
    """Domains of superfamilies with at least so many members: `>ID superfamily`."""
    records = [(header.split()[1], standard(s)) for header, s in read_fasta(path)]
    sizes = Counter(name for name, _ in records)
    kept = [(name, s) for name, s in records if sizes[name] >= at_least]
    return [s for _, s in kept], [name for name, _ in kept]


def standard(sequence: str) -> str:
    """Without X: some domains of CATH hold residues that nobody saw."""
    return "".join(letter for letter in sequence if letter in LETTERS)
