"""Which residues does the model see alike? Cosine of residue vectors, within one protein or between two."""

from functools import partial

import streamlit as st

from esmviz import ui, views
from esmviz.analysis import parts
from esmviz.analysis import similarity as alike
from esmviz.labels import windows_label
from esmviz.types import Request

with ui.opened("similarity", needs="hidden_states", layers_from=0) as choice:
    record, other = choice.record, ui.pick_other(choice)
    second = other or record
    centred = st.sidebar.toggle("Subtract the mean residue", True, key="centre", help=ui.texts.CENTRE_TIP)
    apart = 0 if other else st.sidebar.slider("List pairs at least this far apart", 1, 30, 6, key="apart")
    ui.check_map(record, second)

    request = Request(layers=(choice.layer,), keep_residues=True, precision=choice.precision)
    rows = ui.inspect(choice, request)
    columns = ui.inspect(choice, request, second, slot="other") if other else rows
    similarity = alike.residue_similarity(rows.hidden_states[0], columns.hidden_states[0], center=centred)
    provenance = ui.provenance(choice, rows, layer=choice.layer)
    cells, edges = parts.drawn_part(similarity, *ui.pick_parts(record, other))
    note = ui.texts.other_in_windows(second.id, windows_label(columns.windows)) if other else ""
    look = {"centered": centred, "edges": edges, "note": note}
    figure = views.similarity_heatmap(cells, record, second, provenance, **look)

    picture, side = st.columns([3, 1.5], gap="medium")
    with picture:
        ui.panel(
            "similarity",
            figure,
            choice,
            provenance,
            alt="Heatmap of the cosine similarity between residues",
            text=ui.texts.SIMILARITY,
            columns=partial(ui.tables.matrix, similarity, record, second),
            arrays={"similarity": similarity},
            settings={"compared with": second.id, "mean residue subtracted": centred, "note": note},
        )
    with side:
        pairs = alike.top_pairs(similarity, k=50, within=other is None, min_separation=apart)
        ranks = alike.percentile_rank(
            similarity, [value for *_, value in pairs], within=other is None, min_separation=apart
        )
        ui.facts({"Residues": f"{len(record):,}" + (f" and {len(second):,}" if other else "")})
        ui.ranking("Most similar pairs", ui.tables.pairs(pairs, record, second, "cosine", percentile=ranks))
