"""How does the set of proteins fall into groups? One vector a protein, a map of them, and clusters."""

import streamlit as st

from esmviz import panels, ui, views

with ui.opened("clusters", needs="hidden_states", layers_from=0) as choice:
    records = choice.session.records
    tip = ui.texts.POOLING_TIP
    pooling = st.sidebar.selectbox("Pooling", choice.spec.poolings, key="pooling", help=tip)
    look = ui.pick_map(len(records))
    colour = ui.pick_colour(records)
    if not ui.wants_all(choice, "Embed", "embed"):
        st.stop()

    embeddings = ui.embedding(choice, layer=choice.layer, pooling=pooling)
    projection = ui.projection(embeddings, look.method, **look.params)
    clusters = ui.groups(embeddings, look.grouping, **look.group_params)
    provenance = ui.provenance(choice, embeddings, layer=choice.layer)
    if "note" in projection.params:
        st.info(ui.plain(projection.params["note"]))

    grouped = panels.Grouped(records, embeddings, projection, clusters)
    by = {"pooling": pooling, "colour": colour}
    shown = ui.once(panels.clusters, grouped, look, choice.session.source, provenance, **by)
    picture, side = st.columns([3, 1.5], gap="medium")
    with picture:
        points = ui.panel(choice, shown.panel, points=True)
    with side:
        ui.beside(grouped.facts(colour))
        if grouped.is_mostly_noise:
            st.caption(ui.texts.MOSTLY_NOISE)
        picked = views.selected_indices(points)
        listed = grouped.listed(picked)
        ui.beside(listed, height=420)
        ui.download_listed("clusters", choice.session.source, listed, grouped.chosen(picked))
        st.caption("Draw a box or a lasso on the map to list its proteins alone.")
