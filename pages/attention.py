"""Where does the model look? One head, all heads at a glance or in numbers, means and maxima, rollout, contacts."""

from functools import partial

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import attention as looks
from esmviz.analysis import contacts as touching
from esmviz.analysis import parts, reach
from esmviz.types import Request


def show_heads(choice, look, provenance, values):
    record, is_grid = choice.record, look.kind == "grid"
    numbers = reach.mean_distance(values, len(record)) if is_grid else values
    table = ui.tables.heads(reach.ranked_heads(numbers), look.measure)
    draw = views.attention_grid if is_grid else partial(views.head_heatmap, measure=look.measure)
    picture, side = st.columns([3, 1.3], gap="medium")
    with picture:
        points = ui.panel(
            f"attention-{look.kind}",
            draw(values, record, provenance, selected=(choice.layer, choice.session.head)),
            choice,
            provenance,
            alt=f"Attention of every head of every layer: {look.show}",
            text=look.text,
            columns=partial(dict, table),
            arrays={look.value: values},
            points=True,
        )
    with side:
        ui.ranking(f"Heads by {look.measure}", table, note="Click a head to open it.")
    ui.open_head(choice, views.grid_choice(points))


def strongest(look, attention, apart):
    if look.kind == "contacts":
        return touching.top_contacts(attention, min_separation=apart)
    return looks.top_pairs(attention, k=50, min_separation=apart, directed=look.is_directed)


def map_figure(choice, look, provenance, attention, pairs, apart, note):
    cells, (edges, _) = parts.drawn_part(attention, *ui.pick_parts(choice.record))
    common = {"edges": edges, "note": note}
    if look.kind == "contacts":
        top = pairs if len(cells) == len(attention) else ()
        return views.contact_map(cells, choice.record, provenance, min_separation=apart, top=top, **common)
    limits = look.limits
    return views.attention_map(cells, choice.record, provenance, kind=look.kind, limits=limits, **common)


def show_map(choice, look, provenance, raw):
    record, attention = choice.record, looks.corrected(raw, look.kind)
    apart = st.sidebar.slider("List pairs at least this far apart", 1, 30, 6, key="apart")
    pairs = strongest(look, attention, apart)
    # A row from several windows has no such sum.
    lost = "" if provenance.windows else look.lost(looks.special_share(raw).mean())
    note = " · ".join(filter(None, [look.summary, lost]))
    picture, side = st.columns([3, 1.3], gap="medium")
    with picture:
        ui.panel(
            "attention",
            map_figure(choice, look, provenance, attention, pairs, apart, note),
            choice,
            provenance,
            alt=f"Map of {look.show}, residue by residue",
            text=look.text,
            columns=partial(ui.tables.matrix, attention, record, record),
            arrays={look.value: attention},
            settings={"shown": look.show, "correction": look.kind, "note": note},
        )
    with side:
        table = ui.tables.pairs(pairs, record, record, look.value, names=look.pair_names)
        ui.ranking("Strongest pairs", table, note=lost)


with ui.opened("attention", needs="attentions") as choice:
    ui.check_map(choice.record)
    look = ui.pick_look(choice)
    output = ui.inspect(choice, Request(probes=(look.probe,), precision=choice.precision))
    provenance = ui.provenance(choice, output, layer=look.layer, head=look.head)
    values = output.probes[look.probe.key]
    if look.kind in ("grid", "heads"):
        show_heads(choice, look, provenance, values)
    else:
        show_map(choice, look, provenance, values[0] if look.show == "one head" else values)
