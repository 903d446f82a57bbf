"""A predicted fold along the protein."""

from __future__ import annotations

from functools import partial

from esmviz import views
from esmviz.analysis import parts
from esmviz.panels import tables, texts
from esmviz.panels.panel import Panel, Subject
from esmviz.types import ProteinRecord, Provenance, Structure


def confidence(fold: Structure, record: ProteinRecord, provenance: Provenance, *, stretch: slice) -> Panel:
    """How sure the model is of each residue; ``stretch`` are those that are drawn."""
    cells, edges = parts.drawn_stretch(fold.plddt, stretch)
    return Panel(
        "plddt",
        views.plddt_profile(cells, record, provenance, edges=edges),
        Subject(record.id),
        provenance,
        alt="Confidence along the protein",
        text=texts.FOLD,
        columns=partial(tables.by_residue, record, plddt=fold.plddt),
        arrays={"plddt": fold.plddt, "pae": fold.pae, "ptm": fold.ptm},
    )
