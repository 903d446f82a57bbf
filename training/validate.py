"""Perplexity of runs, for a sweep: `python -m training.validate RUN ...`.

The masks are those of training/evaluate.py, which measures the finished checkpoint through transformers.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.batches import token_dropout_scale
from training.checkpoint import load_run
from training.corpus import decode, load_pools
from training.network import FIRST_AMINO_ACID, LAST_AMINO_ACID, Network
from training.perplexity import Floats, Predictor, perplexity
from training.reference import token_ids


def by_network(network: Network) -> Predictor:
    """Predictions of a network in training form, one protein a row."""

    @torch.inference_mode()
    def predict(sequence: str, hidden: NDArray[np.int64]) -> Floats:
        tokens = token_ids(sequence, hidden).numpy()
        documents = np.zeros_like(tokens)
        positions = np.arange(tokens.size)[None]
        arrays = (tokens, token_dropout_scale(tokens, documents), positions, documents, hidden + 1)
        logits = network(*map(torch.from_numpy, arrays))[:, FIRST_AMINO_ACID : LAST_AMINO_ACID + 1]
        result: Floats = logits.double().log_softmax(-1).numpy()
        return result

    return predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--corpus", type=Path, default=Path(__file__).parent / "data" / "corpus.npz")
    args = parser.parse_args()
    pools = load_pools(args.corpus)
    valid, held_out = pools["valid"], pools["families_held_out"]
    general = [decode(valid.protein(int(first))) for first in valid.clusters[:-1]]
    families = [decode(held_out.protein(i)) for i in range(0, len(held_out), 4)]
    for folder in args.runs:
        groups, progress, shape = load_run(folder)
        network = Network(shape).eval()
        network.load_state_dict(groups["average"] or groups["network"])
        predict = by_network(network)
        print(
            f"{folder.name}: {progress.step} steps, {progress.residues:,} residues, {progress.minutes:.1f} min, "
            f"perplexity {perplexity(general, predict):.3f} general, "
            f"{perplexity(families, predict):.3f} on families held out",
            flush=True,
        )


if __name__ == "__main__":
    main()
