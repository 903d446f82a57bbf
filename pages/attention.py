"""Where does the model look? One head, all heads at a glance, means and maxima over heads, contacts."""

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import attention as looks
from esmviz.analysis import contacts as touching
from esmviz.analysis import parts, reach
from esmviz.types import Request


def show_grid(choice, provenance, thumbnails):
    heads = reach.farthest_heads(reach.mean_distance(thumbnails, len(choice.record)))
    picture, side = st.columns([3, 1.3], gap="medium")
    with picture:
        figure = views.attention_grid(thumbnails, choice.record, provenance)
        points = ui.figure(
            figure, "attention-grid", alt="Attention of every head of every layer", points=True
        )
        st.caption("Click a tile to open its head.")
        columns = ui.tables.heads(heads)
        arrays = {"block_means": thumbnails}
        ui.downloads("attention-grid", figure, choice, provenance, columns=lambda: columns, arrays=arrays)
        ui.how_to_read(*ui.texts.GRID)
    with side:
        ui.ranking("Heads that look farthest", columns)
    ui.open_head(choice, views.grid_choice(points))


def show_map(choice, look, provenance, attention):
    record = choice.record
    apart = st.sidebar.slider("List pairs at least this far apart", 1, 30, 6, key="apart")
    note = look.summary
    if look.kind == "contacts":
        name, pairs = "probability", touching.top_contacts(attention, min_separation=apart)
    else:
        if look.kind == "attention":
            share = float(looks.special_share(attention).mean())
            note = " · ".join(
                filter(None, [note, f"{share:.0%} of the attention goes to start and end tokens"])
            )
        else:
            attention = looks.symmetrize(attention)
        if look.kind == "apc":
            attention = looks.average_product_correction(attention)
        name = "attention"
        pairs = looks.top_pairs(attention, k=50, min_separation=apart, directed=look.kind == "attention")
    cells, (edges, _) = parts.drawn_part(attention, *ui.pick_parts(record))
    if look.kind == "contacts":
        figure = views.contact_map(cells, record, provenance, edges=edges, min_separation=apart)
    else:
        figure = views.attention_map(
            cells, record, provenance, kind=look.kind, limits=look.limits, edges=edges, note=note
        )
    picture, side = st.columns([3, 1.3], gap="medium")
    with picture:
        ui.figure(figure, "attention", alt=f"Map of {look.show}, residue by residue")
        columns = lambda: ui.tables.matrix(attention, record, record)  # noqa: E731
        settings = {"shown": look.show, "correction": look.kind, "note": note}
        arrays = {name: attention}
        ui.downloads(
            "attention", figure, choice, provenance, columns=columns, arrays=arrays, settings=settings
        )
        ui.how_to_read(*look.text)
    with side:
        names = ("residue", "attends to") if look.kind == "attention" else ("residue", "with")
        ui.ranking("Strongest pairs", ui.tables.pairs(pairs, record, record, name, names=names), note=note)


with ui.opened("attention", needs="attentions", layers_from=1) as choice:
    ui.check_map(choice.record)
    look = ui.pick_look(choice)
    output = ui.inspect(choice, Request(probes=(look.probe,), precision=choice.precision))
    provenance = ui.provenance(choice, output, layer=look.layer, head=look.head)
    values = output.probes[look.probe.key]
    if look.kind == "grid":
        show_grid(choice, provenance, values)
    else:
        show_map(choice, look, provenance, values[0] if look.show == "one head" else values)
