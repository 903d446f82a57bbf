"""Perplexity of a network in training form, for the sweep: `python -m training.validate RUN ...`.

The same masks as training/evaluate.py, which measures the finished checkpoint through transformers.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.batches import token_dropout_scale
from training.checkpoint import load_run
from training.corpus import Pool, load_pools
from training.network import CLS, EOS, FIRST_AMINO_ACID, LAST_AMINO_ACID, MASK, Network

MASK_RATIO = 0.15


def representatives(pool: Pool) -> list[NDArray[np.uint8]]:
    """The first protein of each cluster."""
    return [pool.protein(int(first)) for first in pool.clusters[:-1]]


@torch.no_grad()
def perplexity(network: Network, proteins: list[NDArray[np.uint8]], seed: int = 0) -> float:
    rng = np.random.default_rng(seed)
    total, count = 0.0, 0
    for protein in proteins:
        picked = np.sort(rng.choice(len(protein), max(1, round(MASK_RATIO * len(protein))), replace=False))
        tokens = np.concatenate(([CLS], protein, [EOS])).astype(np.int64)[None]
        labels = torch.from_numpy(tokens[0, picked + 1] - FIRST_AMINO_ACID)
        tokens[0, picked + 1] = MASK
        documents = np.zeros_like(tokens)
        arrays = (
            tokens,
            token_dropout_scale(tokens, documents),
            np.arange(tokens.shape[1])[None],
            documents,
            picked + 1,
        )
        logits = network(*map(torch.from_numpy, arrays))[:, FIRST_AMINO_ACID : LAST_AMINO_ACID + 1]
        total += float(torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum"))
        count += len(picked)
    return math.exp(total / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parent / "data" / "corpus.npz")
    args = parser.parse_args()
    pools = load_pools(args.corpus)
    held_out = pools["families_held_out"]
    sample = [held_out.protein(i) for i in range(0, len(held_out), 4)]
    for folder in args.runs:
        groups, progress, shape = load_run(folder)
        network = Network(shape).eval()
        network.load_state_dict(groups["average"] or groups["network"])
        general, families = perplexity(network, representatives(pools["valid"])), perplexity(network, sample)
        print(
            f"{folder.name}: {progress.step} steps, {progress.residues:,} residues, {progress.minutes:.1f} min, "
            f"perplexity {general:.3f} general, {families:.3f} on families held out",
            flush=True,
        )


if __name__ == "__main__":
    main()
