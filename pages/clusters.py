"""How does the set of proteins fall into groups? One vector a protein, a map of them, and clusters."""

from functools import partial

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import clustering

with ui.opened("clusters", needs="hidden_states", layers_from=0) as choice:
    records = choice.session.records
    tip = ui.texts.POOLING_TIP
    pooling = st.sidebar.selectbox("Pooling", choice.spec.poolings, key="pooling", help=tip)
    layout = ui.pick_map(len(records))
    colour = ui.pick_colour(records)
    if not ui.wants_all(choice, "Embed", "embed"):
        st.stop()

    embeddings = ui.embedding(choice, layer=choice.layer, pooling=pooling)
    projection = ui.projection(embeddings, layout.method, **layout.params)
    clusters = ui.groups(embeddings, layout.grouping, **layout.group_params)
    provenance = ui.provenance(choice, embeddings, layer=choice.layer)
    if "note" in projection.params:
        st.info(ui.plain(projection.params["note"]))
    groups = ui.tables.colour_groups(records, colour, views.cluster_names(clusters))
    look = {"color_by": colour, "groups": groups, "note": f"{pooling} pooling"}
    figure = views.projection_scatter(projection, records, provenance, **look)

    vectors = {"ids": list(embeddings.ids), "vectors": embeddings.vectors}
    made_by = {"pooling": pooling, "map": projection.method, **projection.params}
    picture, side = st.columns([3, 1.5], gap="medium")
    with picture:
        points = ui.panel(
            "clusters",
            figure,
            choice,
            provenance,
            alt="Map of the proteins: near ones have similar vectors",
            text=ui.texts.CLUSTERS,
            columns=partial(ui.tables.proteins, records, range(len(records)), clusters, projection.coords),
            arrays={**vectors, "coordinates": projection.coords, "clusters": clusters},
            settings={**made_by, **layout.group_facts},
            points=True,
            of_protein=False,
        )
    with side:
        names = ui.tables.label_values(records, colour)
        ui.cluster_facts(clusters, colour, clustering.agreement(clusters, names) if any(names) else None)
        picked = views.selected_indices(points)
        table = ui.tables.proteins(records, picked or range(len(records)), clusters)
        ui.ranking("Selected proteins" if picked else "Proteins", table, height=420)
        st.caption("Draw a box or a lasso on the map to list its proteins.")
