"""What a fold needs beside the model, and the refusal of one that needs more than is free. No torch."""

from __future__ import annotations

from esmviz.errors import OutOfMemoryError
from esmviz.models.memory import gibibytes
from esmviz.types import ModelSpec, ProteinRecord

# Pair states (L, L, d_pair) in float32 that a fold holds at its peak, measured on random weights of the true widths
# (docs/models.md has the figures). ESMFold2 judges its eight samples at once, about 13 each.
PAIR_STATES = {"esmfold": 20, "esmfold2": 125}


def fold_bytes(spec: ModelSpec, n_residues: int) -> int:
    """Memory of one fold beside the model: pair states, and the hidden states of all layers of its language model."""
    square, linear = _fold_terms(spec)
    return square * n_residues**2 + linear * n_residues


def longest_fold(spec: ModelSpec, n_bytes: int) -> int:
    """Residues of the longest protein whose fold takes at most so many bytes."""
    square, linear = _fold_terms(spec)
    return int(((linear**2 + 4 * square * n_bytes) ** 0.5 - linear) / (2 * square))


def check_fold(record: ProteinRecord, spec: ModelSpec, free: int) -> None:
    """Refuse a fold that needs more than is free.

    Raises
    ------
    OutOfMemoryError
        Names both figures and the longest protein that would fit.
    """
    needed = fold_bytes(spec, len(record))
    if needed <= free:
        return
    longest = longest_fold(spec, free)
    raise OutOfMemoryError(
        f"{record.id} has {len(record)} residues; folding it with {spec.name} needs about {gibibytes(needed)} "
        f"beside the model, free are {gibibytes(free)}.",
        f"What is free is enough for about {longest} residues." if longest else "Free some memory first.",
    )


def _fold_terms(spec: ModelSpec) -> tuple[int, int]:
    """Bytes a squared residue and bytes a residue."""
    return PAIR_STATES.get(spec.family, 20) * 4 * spec.d_pair, 2 * 4 * (spec.n_layers + 1) * spec.d_model
