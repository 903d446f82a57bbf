"""The corpus as a few flat arrays, and the file they travel in."""

import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.network import FIRST_AMINO_ACID, VOCABULARY

LETTERS = "".join(VOCABULARY[FIRST_AMINO_ACID : FIRST_AMINO_ACID + 20])
_TO_TOKEN = np.full(256, 255, dtype=np.uint8)
_TO_TOKEN[np.frombuffer(LETTERS.encode(), dtype=np.uint8)] = np.arange(20, dtype=np.uint8) + FIRST_AMINO_ACID


def encode(sequence: str) -> NDArray[np.uint8]:
    """Token ids of the residues, without the special tokens."""
    tokens = _TO_TOKEN[np.frombuffer(sequence.encode(), dtype=np.uint8)]
    if (tokens == 255).any():
        raise ValueError("only the 20 standard amino acids can be packed")
    return tokens


def decode(tokens: NDArray[np.uint8]) -> str:
    return "".join(VOCABULARY[token] for token in tokens)


def read_fasta(path: Path) -> Iterator[tuple[str, str]]:
    """(header, sequence) of each record; gzip by the name's ending."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as lines:
        header, parts = None, []
        for line in lines:
            if line.startswith(">"):
                if header is not None:
                    yield header, "".join(parts)
                header, parts = line[1:].strip(), []
            else:
                parts.append(line.strip())
        if header is not None:
            yield header, "".join(parts)


def header_field(header: str, name: str) -> str:
    """Value of `name=...` up to the next ` key=`: a family's name may hold spaces."""
    _, _, rest = header.partition(f"{name}=")
    value: list[str] = []
    for word in rest.split(" "):
        if "=" in word:
            break
        value.append(word)
    return " ".join(value)


@dataclass(frozen=True)
class Pool:
    """Proteins end to end, each in a cluster of relatives; a cluster is drawn by its weight."""

    tokens: NDArray[np.uint8]  # all residues, one protein after the other
    offsets: NDArray[
        np.int64
    ]  # protein i is tokens[offsets[i]:offsets[i + 1]]; proteins are sorted by cluster
    clusters: NDArray[np.int64]  # cluster c is the proteins clusters[c] .. clusters[c + 1]
    weights: NDArray[np.float32]  # one per cluster

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def n_clusters(self) -> int:
        return len(self.weights)

    def protein(self, index: int) -> NDArray[np.uint8]:
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]


def build_pool(records: Iterable[tuple[str, str, float]]) -> Pool:
    """A pool of (cluster, sequence, weight of the cluster)."""
    by_cluster: dict[str, list[NDArray[np.uint8]]] = {}
    weights: dict[str, float] = {}
    for cluster, sequence, weight in records:
        by_cluster.setdefault(cluster, []).append(encode(sequence))
        weights[cluster] = weight
    proteins = [protein for members in by_cluster.values() for protein in members]
    return Pool(
        tokens=np.concatenate(proteins) if proteins else np.zeros(0, np.uint8),
        offsets=np.cumsum([0, *map(len, proteins)], dtype=np.int64),
        clusters=np.cumsum([0, *map(len, by_cluster.values())], dtype=np.int64),
        weights=np.array(list(weights.values()), dtype=np.float32),
    )


def save_pools(path: Path, pools: dict[str, Pool]) -> None:
    """One compressed npz: deflate brings a residue to 4.4 bits, which no fixed code of ours would beat by much."""
    arrays = {f"{name}.{f.name}": getattr(pool, f.name) for name, pool in pools.items() for f in fields(pool)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def load_pools(path: Path) -> dict[str, Pool]:
    with np.load(path, allow_pickle=False) as arrays:
        names = sorted({key.rsplit(".", 1)[0] for key in arrays.files})
        return {name: Pool(**{f.name: arrays[f"{name}.{f.name}"] for f in fields(Pool)}) for name in names}
