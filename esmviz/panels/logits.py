"""What the model expects at each position, and which mutations it dislikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from esmviz import views
from esmviz.analysis import logits as expectation
from esmviz.analysis import mutations, parts
from esmviz.exhibit import Facts, Table
from esmviz.panels import tables, texts
from esmviz.panels.panel import Panel, Spread, Subject
from esmviz.types import FloatArray, ProteinRecord, Provenance
from esmviz.views.mutations import RowOrder
from esmviz.views.window import MOST_WITHOUT_SLIDER

SHOWN = ("mutations", "probabilities", "entropy", "wild type")
WILD_TYPE, MASKED = SCHEMES = ("wild-type marginals", "masked marginals")
MOST_RESIDUES = parts.MOST_POSITIONS  # that are drawn one by one
AMINO_ACIDS = {"amino_acids": tables.AMINO_ACID_ARRAY}


@dataclass(frozen=True)
class LogitsLook:
    """One of ``SHOWN``, by one of ``SCHEMES``, of a stretch of residues, with the amino acids in an order."""

    stretch: slice
    show: str = SHOWN[0]
    scheme: str = WILD_TYPE
    row_order: RowOrder = "field"


def logits(values: FloatArray, look: LogitsLook, record: ProteinRecord, provenance: Provenance) -> Spread:
    """The picture that a look asks for, made of logits (L, A)."""
    show = _mutations if look.show == "mutations" else _expectation
    figure, text, columns, arrays, listed = show(values, look, record, provenance)
    panel = Panel(
        look.show,
        figure,
        Subject(record.id),
        provenance,
        alt=f"{look.show} by position",
        text=text,
        columns=columns,
        arrays=arrays,
        settings={"scheme": look.scheme},
    )
    return Spread(panel, (Facts(_perplexity(values, record, look.scheme)), *listed))


def mutation_figure(
    values: FloatArray, look: LogitsLook, record: ProteinRecord, provenance: Provenance
) -> Any:
    """Scores of all substitutions; NaN where nothing is known yet."""
    scores = mutations.mutation_scores(values, record.sequence)
    cells, edges = parts.drawn_stretch(scores, look.stretch)
    return views.mutation_heatmap(
        cells, record, provenance, scheme=look.scheme, row_order=look.row_order, edges=edges
    )


Shown = tuple[Any, tuple[str, str, str], Callable[[], tables.Columns], dict[str, Any], list[Table]]


def _mutations(values: FloatArray, look: LogitsLook, record: ProteinRecord, provenance: Provenance) -> Shown:
    scores = mutations.mutation_scores(values, record.sequence)
    figure = mutation_figure(values, look, record, provenance)
    note = texts.OF_ALL.format(n=len(record)) if len(record) > MOST_WITHOUT_SLIDER else ""
    listed = [
        Table(
            title, tables.mutations(mutations.rank_mutations(scores, record.sequence, k=50, best=best)), note
        )
        for title, best in (("Most tolerated", True), ("Least tolerated", False))
    ]
    arrays = {"scores": scores, "logits": values, **AMINO_ACIDS}
    return figure, texts.MUTATIONS, partial(tables.amino_acids, scores, record), arrays, listed


def _expectation(
    values: FloatArray, look: LogitsLook, record: ProteinRecord, provenance: Provenance
) -> Shown:
    probabilities = expectation.probabilities(values)
    entropy = expectation.entropy(probabilities)
    wild = expectation.wild_type_log_probability(values, record.sequence)
    ranks = expectation.wild_type_rank(values, record.sequence)
    profile = {"entropy_bits": entropy, "wild_type_log_probability": wild, "wild_type_rank": ranks}
    views_of: dict[str, tuple[FloatArray, Callable[..., Any]]] = {
        "probabilities": (probabilities, partial(views.probability_heatmap, row_order=look.row_order)),
        "entropy": (entropy, views.entropy_profile),
        "wild type": (wild, partial(views.wild_type_profile, ranks=ranks[look.stretch])),
    }
    along, view = views_of[look.show]
    cells, edges = parts.drawn_stretch(along, look.stretch)
    figure = view(cells, record, provenance, edges=edges, note=look.scheme)
    is_wild = look.show == "wild type"
    if is_wild:
        least = wild.argsort()[
            : min(50, int(np.isfinite(wild).sum()))
        ]  # what is no standard residue has none
        listed = tables.positions(least, record, log_p=wild, rank=ranks, entropy=entropy)
    else:
        most = expectation.most_constrained(entropy, k=50)
        listed = tables.positions(most, record, entropy=entropy, rank=ranks)
    return (
        figure,
        texts.EXPECTATION[look.show],
        partial(tables.amino_acids, probabilities, record, **profile),
        {"logits": values, **AMINO_ACIDS, **profile},
        [Table("Least expected" if is_wild else "Most constrained", listed)],
    )


def _perplexity(values: FloatArray, record: ProteinRecord, scheme: str) -> dict[str, str]:
    if scheme == MASKED:
        return {"Pseudo-perplexity (masked)": _figure(expectation.pseudo_perplexity(values, record.sequence))}
    value = expectation.wild_type_marginal_perplexity(values, record.sequence)
    return {"Wild-type-marginal perplexity": _figure(value), "Pseudo-perplexity": "run masked marginals"}


def _figure(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "none: no standard residue"
