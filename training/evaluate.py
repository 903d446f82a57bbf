"""Measure the finished checkpoint: `python -m training.evaluate DATA`.

DATA holds train/, dms/, fasta/ and structures/. Everything goes through plain transformers, as any user would load the
folder. The results are written to card.json beside the weights, and MODEL_CARD.md is made from it.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from training import neighbours, perplexity
from training.card import render
from training.chains import read_chains
from training.checkpoint import load_run, noted_run
from training.contacts import beats_prior, evaluate_contacts
from training.corpus import header_field, load_pools, read_fasta
from training.mutations import evaluate_assay
from training.network import FIRST_AMINO_ACID
from training.reference import load, load_untrained, mean_vectors

HERE = Path(__file__).parent
ASSAYS = {
    "BLAT_ECOLX_Stiffler_2015": "BLAT_ECOLX_Stiffler_2015.csv",
    "B2L11_HUMAN_Dutta_2010_binding-Mcl-1": "B2L11_HUMAN_Dutta_2010_binding-Mcl-1.csv",
}
N_WRITTEN_DOWN = (
    12  # proteins of medium length that tests/models/test_mini.py holds, to repeat the figure without data
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=HERE.parent / "esmviz" / "assets" / "mini")
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "mini")
    parser.add_argument("--corpus", type=Path, default=HERE / "data" / "corpus.npz")
    parser.add_argument(
        "--only", nargs="*", choices=list(PARTS), help="measure these, keep the rest of card.json"
    )
    args = parser.parse_args()
    path = args.model / "card.json"
    card = json.loads(path.read_text()) if path.exists() else {}
    card |= {"name": "esmviz-mini", "licence": "MIT"} | describe(args)
    model = load(args.model)
    for name in args.only or PARTS:
        card[name] = PARTS[name](model, args)
        print(name, json.dumps(card[name]), flush=True)
        path.write_text(json.dumps(rounded(card), indent=2) + "\n")
    if all(name in card for name in PARTS):
        write_card(args.model, card)


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """The promises that follow from the figures, then the card as numbers and as words."""
    card["contacts"] = beats_prior(card["contact_precision"]["by_family"])
    card["predicts_effects"] = all(
        max(a["wild_type_marginals"], a["masked_marginals"]) > a["blosum62"]
        for a in card["mutations"].values()
    )
    card = rounded(card)
    (folder / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (folder / "MODEL_CARD.md").write_text(render(card))


def describe(args: argparse.Namespace) -> dict[str, Any]:
    """Sizes, and what the model was trained on."""
    config = json.loads((args.model / "config.json").read_text())
    model = load(args.model)
    settings, before = noted_run(args.run)
    _, progress, shape = load_run(args.run)
    pools = load_pools(args.corpus)
    return {
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "trained_residues": settings["training"]["long_row_tokens"],
        "shape": asdict(shape),
        "dtype": config["dtype"],
        "megabytes": (args.model / "model.safetensors").stat().st_size / 1e6,
        "training": {
            "steps": progress.step,
            "residues_seen": progress.residues,
            "minutes": progress.minutes,
            "seed": settings["training"]["seed"],
            "shares_of_tokens": settings["data"],
            "runs_before": before,
            "corpus": {
                name: {"proteins": len(pool), "clusters": pool.n_clusters, "residues": len(pool.tokens)}
                for name, pool in pools.items()
            },
        },
    }


def corpus_frequencies(path: Path) -> NDArray[np.float64]:
    """The amino acids of the general proteins of the corpus, in the order of `corpus.LETTERS`."""
    pools = load_pools(path)
    tokens = np.concatenate([pools["general"].tokens, pools["varied"].tokens])
    counts = np.bincount(tokens - FIRST_AMINO_ACID, minlength=20)
    result: NDArray[np.float64] = counts / counts.sum()
    return result


def validation_proteins(args: argparse.Namespace) -> list[tuple[str, str]]:
    """The first protein of each cluster: (header, sequence)."""
    first: dict[str, tuple[str, str]] = {}
    for header, sequence in read_fasta(args.data / "train" / "valid.fasta.gz"):
        first.setdefault(header_field(header, "cluster"), (header, sequence))
    return list(first.values())


def compare(model: Any, sequences: list[str], frequencies: NDArray[np.float64]) -> dict[str, Any]:
    predictors = {
        "model": perplexity.by_model(model),
        "amino_acid_frequencies": perplexity.by_frequencies(frequencies),
        "blosum62_neighbours": perplexity.by_blosum(frequencies),
        "own_composition": perplexity.by_composition(frequencies),
    }
    results: dict[str, Any] = {name: perplexity.perplexity(sequences, p) for name, p in predictors.items()}
    return results | {"proteins": len(sequences)}


def measure_perplexity(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    frequencies = corpus_frequencies(args.corpus)
    general = [sequence for _, sequence in validation_proteins(args)]
    held_out: dict[str, list[str]] = {}
    for header, sequence in read_fasta(args.corpus.with_name("families_held_out.fasta")):
        held_out.setdefault(header_field(header, "family"), []).append(sequence)
    everyone = [sequence for members in held_out.values() for sequence in members]
    written_down = [sequence for sequence in general if 80 <= len(sequence) <= 120][:N_WRITTEN_DOWN]
    return {
        "general": compare(model, general, frequencies),
        "families_held_out": compare(model, everyone, frequencies)
        | {"by_family": {name: compare(model, members, frequencies) for name, members in held_out.items()}},
        "written_down": perplexity.perplexity(written_down, perplexity.by_model(model)),
    }


def measure_mutations(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    return {name: evaluate_assay(model, args.data / "dms" / file) for name, file in ASSAYS.items()}


def measure_neighbours(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    fasta = args.data / "fasta"
    sets = {
        "3FTx_groups": neighbours.read_toxins(fasta / "3FTx_mature_labelled.fasta"),
        "CATH_superfamilies": neighbours.read_superfamilies(fasta / "cath_s40_labelled.fasta.gz"),
    }
    untrained = load_untrained(args.model)
    results = {}
    for name, (sequences, labels) in sets.items():
        results[name] = {
            "proteins": len(sequences),
            "groups": len(set(labels)),
            "model_by_layer": [neighbours.accuracy(v, labels) for v in mean_vectors(model, sequences)],
            "untrained_by_layer": [
                neighbours.accuracy(v, labels) for v in mean_vectors(untrained, sequences)
            ],
            "composition": neighbours.accuracy(neighbours.composition(sequences, 1), labels),
            "words_of_two": neighbours.accuracy(neighbours.composition(sequences, 2), labels),
        }
    return results


def measure_contacts(model: Any, args: argparse.Namespace) -> dict[str, Any]:
    result, regression = evaluate_contacts(model, read_chains(args.data / "structures"))
    store_contact_head(args.model, regression if beats_prior(result["by_family"]) else None)
    return result


PARTS = {
    "perplexity": measure_perplexity,
    "mutations": measure_mutations,
    "contact_precision": measure_contacts,
    "neighbours": measure_neighbours,
}


def store_contact_head(folder: Path, regression: Any | None) -> None:
    """Write the regression into the checkpoint, or zeros where contacts are not offered."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    weight, bias = (tensors[f"esm.contact_head.regression.{kind}"] for kind in ("weight", "bias"))
    weight.copy_(torch.from_numpy(regression.coef_) if regression else torch.zeros_like(weight))
    bias.copy_(torch.from_numpy(regression.intercept_) if regression else torch.zeros_like(bias))
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)


def rounded(value: Any) -> Any:
    """Four digits after the point: more would be noise."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
