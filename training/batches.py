"""Batches: rows of proteins end to end, some residues masked. Batch number s is a pure function of (seed, s)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.corpus import Pool
from training.network import CLS, EOS, FIRST_AMINO_ACID, MASK, MASK_RATIO_IN_TRAINING, PAD

SHORTEST_PIECE = 24  # what is left of a row is padding rather than a piece shorter than this


@dataclass(frozen=True)
class Batch:
    """R rows of T tokens and K positions to predict."""

    tokens: NDArray[np.int64]  # (R, T)
    scale: NDArray[np.float32]  # (R, T), the factor of token dropout, 0 where masked
    positions: NDArray[np.int64]  # (R, T), counted within each protein
    documents: NDArray[np.int64]  # (R, T), which protein of the row
    targets: NDArray[np.int64]  # (K,), indices into the flattened rows
    labels: NDArray[np.int64]  # (K,)

    def split(self, n: int) -> "list[Batch]":
        """About equal parts of the rows, each with its own targets."""
        n_rows, n_tokens = self.tokens.shape
        bounds = [n_rows * i // n for i in range(n + 1)]
        return [self._rows(a, b, n_tokens) for a, b in pairwise(bounds) if a < b]

    def _rows(self, first: int, last: int, n_tokens: int) -> "Batch":
        here = (self.targets >= first * n_tokens) & (self.targets < last * n_tokens)
        rows = (self.tokens, self.scale, self.positions, self.documents)
        targets = (self.targets[here] - first * n_tokens, self.labels[here])
        return Batch(*(array[first:last] for array in rows), *targets)


class Sampler:
    """Draws clusters, then one member of each, so that large families of near-copies do not rule."""

    def __init__(self, pools: Mapping[str, Pool], shares: Mapping[str, float], seed: int) -> None:
        self.pools = {name: pools[name] for name in shares}
        self.shares = dict(shares)
        self.seed = seed
        self._cumulative = {
            name: np.cumsum(p.weights, dtype=np.float64) / p.weights.sum(dtype=np.float64)
            for name, p in self.pools.items()
        }

    def batch(self, step: int, n_rows: int, n_tokens: int, mask_ratio: float) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        rows = [fill_row(self, name, n_tokens, rng) for name in self.pools_of_rows(step, n_rows)]
        tokens = np.stack([row[0] for row in rows])
        documents = np.stack([row[1] for row in rows])
        return mask(tokens, documents, mask_ratio, rng)

    def pools_of_rows(self, step: int, n_rows: int) -> list[str]:
        """Each pool's share of all rows so far, exact to one row."""
        before = {name: round(share * step * n_rows) for name, share in self.shares.items()}
        rows = [
            n
            for n, share in self.shares.items()
            for _ in range(round(share * (step + 1) * n_rows) - before[n])
        ]
        first = max(self.shares, key=lambda name: self.shares[name])
        return (rows + [first] * n_rows)[:n_rows]

    def draw(self, name: str, rng: np.random.Generator) -> NDArray[np.uint8]:
        pool = self.pools[name]
        cluster = int(np.searchsorted(self._cumulative[name], rng.random(), side="right"))
        cluster = min(cluster, pool.n_clusters - 1)
        return pool.protein(int(rng.integers(pool.clusters[cluster], pool.clusters[cluster + 1])))


def fill_row(
    sampler: Sampler, name: str, n_tokens: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tokens and document numbers of one row; a protein that does not fit is cropped at random."""
    tokens = np.full(n_tokens, PAD, dtype=np.int64)
    documents = np.zeros(n_tokens, dtype=np.int64)
    used, document = 0, 0
    while n_tokens - used >= SHORTEST_PIECE:
        piece = crop(sampler.draw(name, rng), n_tokens - used, rng)
        tokens[used : used + len(piece)] = piece
        documents[used : used + len(piece)] = document
        used, document = used + len(piece), document + 1
    documents[used:] = document
    return tokens, documents


def crop(protein: NDArray[np.uint8], room: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The protein between <cls> and <eos>, or a part of it: an end that is cut off bears no special token."""
    whole = np.concatenate(([CLS], protein, [EOS])).astype(np.int64)
    start = int(rng.integers(0, len(whole) - room + 1)) if len(whole) > room else 0
    return whole[start : start + room]


def mask(
    tokens: NDArray[np.int64], documents: NDArray[np.int64], mask_ratio: float, rng: np.random.Generator
) -> Batch:
    """Choose residues to predict and hide them as ESM-2 does: 80 % <mask>, 10 % another residue, 10 % as they are."""
    is_residue = tokens >= FIRST_AMINO_ACID
    chosen = is_residue & (rng.random(tokens.shape) < mask_ratio)
    how = rng.random(tokens.shape)
    shown = np.where(chosen & (how < 0.8), MASK, tokens)
    swapped = chosen & (how >= 0.8) & (how < 0.9)
    shown[swapped] = rng.integers(FIRST_AMINO_ACID, FIRST_AMINO_ACID + 20, swapped.sum())
    targets = np.flatnonzero(chosen)
    return Batch(
        tokens=shown,
        scale=token_dropout_scale(shown, documents),
        positions=positions_within(documents),
        documents=documents,
        targets=targets,
        labels=tokens.ravel()[targets],
    )


def token_dropout_scale(shown: NDArray[np.int64], documents: NDArray[np.int64]) -> NDArray[np.float32]:
    """0.88 / (1 - masked fraction of the protein), and 0 for <mask>: what transformers does for one protein a row."""
    n_rows, n_documents = len(shown), int(documents.max()) + 1
    keys = documents + np.arange(n_rows)[:, None] * n_documents
    is_masked = shown == MASK
    sizes = np.bincount(keys.ravel(), minlength=n_rows * n_documents)
    n_masked = np.bincount(keys.ravel(), is_masked.ravel(), minlength=n_rows * n_documents)
    visible = np.maximum(sizes - n_masked, 1) / np.maximum(sizes, 1)
    return np.where(is_masked, 0.0, (1 - MASK_RATIO_IN_TRAINING) / visible[keys]).astype(np.float32)


def positions_within(documents: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2 ... from the first token of each protein."""
    index = np.broadcast_to(np.arange(documents.shape[1]), documents.shape)
    starts = np.diff(documents, axis=1, prepend=-1) != 0
    return index - np.maximum.accumulate(np.where(starts, index, 0), axis=1)
