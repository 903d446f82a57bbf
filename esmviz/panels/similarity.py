"""Residue by residue: how alike the model sees them."""

from __future__ import annotations

from functools import partial
from typing import Any

from esmviz import views
from esmviz.analysis import parts
from esmviz.analysis import similarity as alike
from esmviz.exhibit import Facts, Table
from esmviz.labels import windows_label
from esmviz.panels import tables, texts
from esmviz.panels.panel import Panel, Spread, Subject
from esmviz.types import FloatArray, ModelOutput, ProteinRecord, Provenance

APART = 6  # least distance along the chain of the pairs that are listed


def similarity(
    outputs: tuple[ModelOutput, ModelOutput],
    record: ProteinRecord,
    other: ProteinRecord | None,
    provenance: Provenance,
    *,
    stretches: tuple[slice, slice],
    centred: bool = True,
    apart: int = APART,
) -> Spread:
    """The map and its most similar pairs.

    Parameters
    ----------
    outputs : (ModelOutput, ModelOutput)
        Hidden states of the first, and of the protein that it is compared with: the same one without ``other``.
    stretches : (slice, slice)
        Residues of rows and columns that are drawn.
    """
    second = other or record
    rows, columns = outputs
    assert rows.hidden_states is not None
    assert columns.hidden_states is not None
    values = alike.residue_similarity(rows.hidden_states[0], columns.hidden_states[0], center=centred)
    cells, edges = parts.drawn_part(values, *stretches)
    note = texts.other_in_windows(second.id, windows_label(columns.windows)) if other else ""
    figure = views.similarity_heatmap(
        cells, record, second, provenance, centered=centred, edges=edges, note=note
    )
    panel = Panel(
        "similarity",
        figure,
        Subject(record.id),
        provenance,
        alt="Heatmap of the cosine similarity between residues",
        text=texts.SIMILARITY,
        columns=partial(tables.matrix, values, record, second),
        arrays={"similarity": values},
        settings={"compared with": second.id, "mean residue subtracted": centred, "note": note},
    )
    length = f"{len(record):,}" + (f" and {len(second):,}" if other else "")
    listed = _most_similar(values, record, other, 0 if other else apart)
    return Spread(panel, (Facts({"Residues": length}), listed))


def _most_similar(
    values: FloatArray, record: ProteinRecord, other: ProteinRecord | None, apart: int
) -> Table:
    look: dict[str, Any] = {"within": other is None, "min_separation": apart}
    pairs = alike.top_pairs(values, k=50, **look)
    ranks = alike.percentile_rank(values, [value for *_, value in pairs], **look)
    columns = tables.pairs(pairs, record, other or record, "cosine", percentile=ranks)
    return Table("Most similar pairs", columns)
