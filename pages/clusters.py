"""How does the set of proteins fall into groups? One vector a protein, a map of them, and clusters."""

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import clustering

with ui.opened("clusters", needs="hidden_states", layers_from=0) as choice:
    records = choice.session.records
    pooling = st.sidebar.selectbox(
        "Pooling", ["mean", "max", "bos"], key="pooling", help=ui.texts.POOLING_TIP
    )
    layout = ui.pick_map(len(records))
    colour = ui.pick_colour(records)
    if not ui.wants_embedding(choice):
        st.stop()

    embeddings = ui.embedding(choice, layer=choice.layer, pooling=pooling)
    projection = ui.projection(embeddings, layout.method, **layout.params)
    clusters = ui.groups(embeddings, layout.grouping, **layout.group_params)
    provenance = ui.provenance(choice, embeddings, layer=choice.layer)
    if "note" in projection.params:
        st.info(ui.plain(projection.params["note"]))
    groups = ui.tables.colour_groups(records, colour, views.cluster_names(clusters))
    note = f"{pooling} pooling"
    figure = views.projection_scatter(
        projection, records, provenance, color_by=colour, groups=groups, note=note
    )

    picture, side = st.columns([3, 1.5], gap="medium")
    with picture:
        points = ui.figure(figure, "clusters", alt="Map of the proteins, near ones alike", points=True)
        arrays = {
            "ids": list(embeddings.ids),
            "vectors": embeddings.vectors,
            "coordinates": projection.coords,
        }
        columns = ui.tables.proteins(records, range(len(records)), clusters, projection.coords)
        settings = {
            "pooling": pooling,
            "map": projection.method,
            **projection.params,
            "groups": layout.grouping,
        }
        ui.downloads(
            "clusters",
            figure,
            choice,
            provenance,
            columns=lambda: columns,
            arrays={**arrays, "clusters": clusters},
            settings={**settings, **layout.group_params},
        )
        ui.how_to_read(*ui.texts.CLUSTERS)
    with side:
        names = [record.labels.get(colour, "") for record in records]
        ui.cluster_facts(clusters, colour, clustering.agreement(clusters, names) if all(names) else None)
        picked = views.selected_indices(points)
        shown = picked or range(len(records))
        ui.ranking(
            "Selected proteins" if picked else "Proteins",
            ui.tables.proteins(records, shown, clusters),
            height=420,
        )
        st.caption("Draw a box or a lasso on the map to list its proteins.")
