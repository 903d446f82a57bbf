"""Zero-shot effects of mutations, from measured variants in the layout of ProteinGym."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from training import blosum
from training.corpus import LETTERS
from training.reference import letter_indices, log_probabilities, token_ids

Floats = NDArray[np.float64]
Mutation = tuple[int, str, str]  # residue counted from 0, letter before, letter after


@dataclass(frozen=True)
class Assay:
    wild_type: str
    variants: tuple[tuple[Mutation, ...], ...]
    measured: Floats


def parse_mutant(mutant: str) -> tuple[Mutation, ...]:
    """`A1P:D2N`, positions from 1."""
    return tuple((int(part[1:-1]) - 1, part[0], part[-1]) for part in mutant.split(":"))


def undo(sequence: str, mutations: tuple[Mutation, ...]) -> str:
    letters = list(sequence)
    for position, before, after in mutations:
        if letters[position] != after:
            raise ValueError(f"residue {position + 1} is {letters[position]}, not {after}")
        letters[position] = before
    return "".join(letters)


def read_assay(path: Path) -> Assay:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    variants = tuple(parse_mutant(row["mutant"]) for row in rows)
    wild_types = {undo(row["mutated_sequence"], v) for row, v in zip(rows, variants, strict=True)}
    if len(wild_types) != 1:
        raise ValueError(f"{path}: {len(wild_types)} wild types")
    return Assay(wild_types.pop(), variants, np.array([float(row["DMS_score"]) for row in rows]))


def score(assay: Assay, table: Floats) -> float:
    """Spearman of the summed differences table[position, after] - table[position, before]."""
    index = {letter: i for i, letter in enumerate(LETTERS)}
    predicted = [sum(table[p, index[b]] - table[p, index[a]] for p, a, b in v) for v in assay.variants]
    return float(spearmanr(predicted, assay.measured).statistic)


def masked_marginals(model: Any, assay: Assay) -> Floats:
    table = np.zeros((len(assay.wild_type), 20))
    for position in sorted({p for variant in assay.variants for p, _, _ in variant}):
        table[position] = log_probabilities(model, token_ids(assay.wild_type, [position]))[position]
    return table


def evaluate_assay(model: Any, path: Path) -> dict[str, Any]:
    assay = read_assay(path)
    wild_type = log_probabilities(model, token_ids(assay.wild_type)).astype(np.float64)
    return {
        "variants": len(assay.variants),
        "wild_type_marginals": score(assay, wild_type),
        "masked_marginals": score(assay, masked_marginals(model, assay)),
        "blosum62": score(assay, blosum.scores()[letter_indices(assay.wild_type)]),
    }
