"""Where does the model look? One head, all heads at a glance, means and maxima over heads, contacts."""

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import attention as looks
from esmviz.analysis import contacts as touching
from esmviz.analysis import parts, reach
from esmviz.types import Request


def show_grid(choice, provenance, thumbnails):
    open_now = (choice.layer, choice.session.head)
    table = ui.tables.heads(reach.ranked_heads(reach.mean_distance(thumbnails, len(choice.record))))
    picture, side = st.columns([3, 1.3], gap="medium")
    with picture:
        points = ui.panel(
            "attention-grid",
            views.attention_grid(thumbnails, choice.record, provenance, selected=open_now),
            choice,
            provenance,
            alt="Attention of every head of every layer, as thumbnails",
            text=ui.texts.GRID,
            columns=lambda: table,
            arrays={"block_means": thumbnails},
            points=True,
        )
    with side:
        ui.ranking("Heads that look farthest", table, note="Click a tile to open its head.")
    ui.open_head(choice, views.grid_choice(points))


def strongest(look, attention, apart):
    if look.kind == "contacts":
        return touching.top_contacts(attention, min_separation=apart)
    return looks.top_pairs(attention, k=50, min_separation=apart, directed=look.kind == "attention")


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
    adds_up = look.rows_are_shares and not provenance.windows  # a row from several windows has no such sum
    lost = ui.texts.share_lost(looks.special_share(raw).mean()) if adds_up else ""
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
            columns=lambda: ui.tables.matrix(attention, record, record),
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
    if look.kind == "grid":
        show_grid(choice, provenance, values)
    else:
        show_map(choice, look, provenance, values[0] if look.show == "one head" else values)
