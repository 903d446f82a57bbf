"""Numbers as columns with names for people: the tables beside the figures and the CSV files from them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from esmviz.export import no_formula
from esmviz.labels import head_label, mutation_label, residue_labels, value_labels
from esmviz.types import AMINO_ACIDS, FloatArray, IntArray, Predictor, ProteinRecord

Columns = Mapping[str, Any]  # of each name a sequence or an array of one axis

AMINO_ACID_ARRAY = np.array(list(AMINO_ACIDS))
MOST_LABELS = 40  # with a column or a colour of their own; headers can bring a thousand a protein


def shown(columns: Columns) -> dict[str, Any]:
    """Columns for the page's own tables, whose button saves them as CSV: no cell and no name of a column is a formula."""
    return {
        no_formula(name): column
        if isinstance(column, np.ndarray)
        else [no_formula(cell) if isinstance(cell, str) else cell for cell in column]
        for name, column in columns.items()
    }


def pairs(
    found: Iterable[tuple[int, int, float]],
    rows: ProteinRecord,
    columns: ProteinRecord,
    value: str,
    *,
    names: tuple[str, str] = ("residue", "with"),
    percentile: Sequence[float] | FloatArray = (),
) -> Columns:
    """Ranked residue pairs."""
    found = list(found)
    left, right = residue_labels(rows.sequence), residue_labels(columns.sequence)
    same = rows.id == columns.id
    table: dict[str, Sequence[object]] = {
        names[0] if same else rows.id: [left[i] for i, _, _ in found],
        names[1] if same else columns.id: [right[j] for _, j, _ in found],
        value: [float(f"{score:.3g}") for _, _, score in found],
    }
    if same:
        table["apart"] = [abs(j - i) for i, j, _ in found]
    if len(percentile):
        table["percentile"] = [math.floor(rank * 100) / 100 for rank in percentile]
    return table


def matrix(values: FloatArray, rows: ProteinRecord, columns: ProteinRecord) -> Columns:
    """A residue x residue matrix: one line a residue of ``rows``, one column a residue of ``columns``."""
    names = residue_labels(columns.sequence)
    cells: Columns = {name: values[:, j] for j, name in enumerate(names)}
    return {"residue": residue_labels(rows.sequence), **cells}


def by_residue(record: ProteinRecord, **values: Sequence[object] | FloatArray) -> Columns:
    """One line a residue."""
    return {"residue": residue_labels(record.sequence), **values}


def amino_acids(values: FloatArray, record: ProteinRecord, **more: Sequence[object] | FloatArray) -> Columns:
    """One line a residue, one column an amino acid, then ``more``."""
    return {
        "residue": residue_labels(record.sequence),
        **{a: values[:, k] for k, a in enumerate(AMINO_ACIDS)},
        **more,
    }


def mutations(ranked: Iterable[tuple[int, str, str, float]]) -> Columns:
    """Ranked substitutions with their score in nats."""
    ranked = list(ranked)
    return {
        "mutation": [mutation_label(i, wild, mutant) for i, wild, mutant, _ in ranked],
        "score": [round(score, 2) for *_, score in ranked],
    }


def positions(
    indices: Sequence[int] | IntArray,
    record: ProteinRecord,
    **values: Sequence[float] | FloatArray | IntArray,
) -> Columns:
    """Ranked positions with a value or two."""
    names = residue_labels(record.sequence)
    columns: dict[str, Sequence[object]] = {"residue": [names[int(i)] for i in indices]}
    for name, column in values.items():
        columns[name.replace("_", " ")] = [round(float(np.asarray(column)[int(i)]), 3) for i in indices]
    return columns


def proteins(
    records: Sequence[ProteinRecord],
    indices: Iterable[int],
    clusters: Sequence[int] | IntArray,
    coordinates: FloatArray | None = None,
) -> Columns:
    """Proteins with their cluster, place on the map and labels."""
    chosen = [int(index) for index in indices]
    names = label_names([records[index] for index in chosen])
    table: dict[str, Sequence[object] | FloatArray] = {
        "id": [records[index].id for index in chosen],
        "cluster": ["noise" if clusters[index] < 0 else str(clusters[index] + 1) for index in chosen],
        "residues": [len(records[index]) for index in chosen],
    }
    if coordinates is not None:
        table |= {axis: coordinates[chosen, k] for k, axis in enumerate(("x", "y"))}
    taken = set(table)
    for name in names:
        table[name if name not in taken else f"{name} (label)"] = [
            records[i].labels.get(name, "") for i in chosen
        ]
    rest = [{k: v for k, v in records[i].labels.items() if k not in names} for i in chosen]
    if any(rest):
        table["other labels"] = ["; ".join(f"{k}={v}" for k, v in labels.items()) for labels in rest]
    return table


def predictions(
    names: Mapping[str, Sequence[object]],
    values: FloatArray,
    predictor: Predictor,
    assigned: Sequence[Sequence[int]],
    shown: Sequence[int] | IntArray | None = None,
) -> Columns:
    """One line a protein or a residue, as ``names`` has them: the classes that hold, then a column for each class."""
    table: dict[str, Sequence[object] | FloatArray] = dict(names)
    if predictor.problem != "regression":
        table["predicted"] = ["; ".join(predictor.classes[k] for k in classes) for classes in assigned]
    labels = value_labels(predictor)
    return table | {labels[k]: values[:, k] for k in (range(len(labels)) if shown is None else shown)}


def classes(values: FloatArray, predictor: Predictor) -> Columns:
    """The classes of one protein, the highest value first."""
    order = np.argsort(-values, kind="stable")
    value = "value" if predictor.problem == "regression" else "probability"
    return {
        "class": [predictor.classes[k] for k in order],
        value: [float(f"{values[k]:.4g}") for k in order],
    }


def segments(
    found: Iterable[tuple[int, int, int, float]], record: ProteinRecord, predictor: Predictor
) -> Columns:
    """Stretches of residues with their class."""
    found, names = list(found), residue_labels(record.sequence)
    return {
        "segment": [
            names[start] if stop - start == 1 else f"{names[start]}–{names[stop - 1]}"
            for start, stop, *_ in found
        ],
        "class": [predictor.classes[k] for _, _, k, _ in found],
        "residues": [stop - start for start, stop, *_ in found],
        "mean p": [round(mean, 3) for *_, mean in found],
    }


def label_names(records: Iterable[ProteinRecord]) -> list[str]:
    """Names of the labels, of very many those that most proteins have."""
    counts = Counter(name for record in records for name in record.labels)
    return sorted(name for name, _ in counts.most_common(MOST_LABELS))


def heads(ranked: Iterable[tuple[int, int, float]], measure: str) -> Columns:
    """Ranked heads with what they are ranked by."""
    ranked = list(ranked)
    return {
        "layer": [layer for layer, _, _ in ranked],
        "head": [int(head_label(head)) for _, head, _ in ranked],
        measure: [float(f"{value:.3g}") for *_, value in ranked],
    }
