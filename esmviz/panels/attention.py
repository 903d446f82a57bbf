"""Where the model looks: maps of residues, all heads at a glance or in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from esmviz import views
from esmviz.analysis import attention as looks
from esmviz.analysis import contacts as touching
from esmviz.analysis import parts, reach
from esmviz.exhibit import Table
from esmviz.panels import tables
from esmviz.panels.look import Look
from esmviz.panels.panel import Panel, Spread, Subject
from esmviz.types import FloatArray, ProteinRecord, Provenance

APART = 6  # least distance along the chain of the pairs that are listed

Pairs = Sequence[tuple[int, int, float]]


def attention(
    values: FloatArray,
    look: Look,
    record: ProteinRecord,
    provenance: Provenance,
    *,
    stretch: slice,
    apart: int = APART,
    selected: tuple[int, int] = (1, 0),
) -> Spread:
    """What the probe of a look found, as the look says.

    Parameters
    ----------
    values : ndarray
        Result of the probe.
    stretch : slice
        Residues that are drawn.
    selected : (int, int)
        Layer and head (0-based) that are marked among all of them.
    """
    if look.kind in ("grid", "heads"):
        return _heads(values, look, record, provenance, selected)
    raw = values[0] if look.show == "one head" else values
    return _map(raw, look, record, provenance, stretch, apart)


def _heads(
    values: FloatArray, look: Look, record: ProteinRecord, provenance: Provenance, selected: tuple[int, int]
) -> Spread:
    is_grid = look.kind == "grid"
    numbers = reach.mean_distance(values, len(record)) if is_grid else values
    table = tables.heads(reach.ranked_heads(numbers), look.measure)
    draw = views.attention_grid if is_grid else partial(views.head_heatmap, measure=look.measure)
    panel = Panel(
        f"attention-{look.kind}",
        draw(values, record, provenance, selected=selected),
        Subject(record.id),
        provenance,
        alt=f"Attention of every head of every layer: {look.show}",
        text=look.text,
        columns=partial(dict, table),
        arrays={look.value: values},
    )
    from_blocks = ", from block means" if is_grid and len(record) > values.shape[-1] else ""
    return Spread(panel, (Table(f"Heads by {look.measure}{from_blocks}", table),))


def _map(
    raw: FloatArray, look: Look, record: ProteinRecord, provenance: Provenance, stretch: slice, apart: int
) -> Spread:
    values = looks.corrected(raw, look.kind)
    pairs = _strongest(values, look, apart)
    # A row from several windows has no such sum.
    lost = "" if provenance.windows else look.lost(looks.special_share(raw).mean())
    note = " · ".join(filter(None, [look.summary, lost]))
    panel = Panel(
        "attention",
        _figure(values, look, record, provenance, stretch, pairs, apart, note),
        Subject(record.id),
        provenance,
        alt=f"Map of {look.show}, residue by residue",
        text=look.text,
        columns=partial(tables.matrix, values, record, record),
        arrays={look.value: values},
        settings={"shown": look.show, "correction": look.kind, "note": note},
    )
    table = tables.pairs(pairs, record, record, look.value, names=look.pair_names)
    return Spread(panel, (Table("Strongest pairs", table, lost),))


def _strongest(values: FloatArray, look: Look, apart: int) -> Pairs:
    if look.kind == "contacts":
        return touching.top_contacts(values, min_separation=apart)
    return looks.top_pairs(values, k=50, min_separation=apart, directed=look.is_directed)


def _figure(
    values: FloatArray,
    look: Look,
    record: ProteinRecord,
    provenance: Provenance,
    stretch: slice,
    pairs: Pairs,
    apart: int,
    note: str,
) -> Any:
    cells, (edges, _) = parts.drawn_part(values, stretch, stretch)
    common: dict[str, Any] = {"edges": edges, "note": note}
    if look.kind == "contacts":
        top = pairs if len(cells) == len(values) else ()
        return views.contact_map(cells, record, provenance, min_separation=apart, top=top, **common)
    # of a map, as the caller knows
    kind: Any = "maximum" if look.is_maximum and look.kind == "attention" else look.kind
    return views.attention_map(cells, record, provenance, kind=kind, limits=look.limits, **common)
