"""Which residues does the model see alike? Cosine of residue vectors, within one protein or between two."""

import streamlit as st

from esmviz import panels, ui
from esmviz.panels.similarity import APART
from esmviz.types import Request

with ui.opened("similarity", needs="hidden_states", layers_from=0) as choice:
    record, other = choice.record, ui.pick_other(choice)
    centred = st.sidebar.toggle("Subtract the mean residue", True, key="centre", help=ui.texts.CENTRE_TIP)
    apart = 0 if other else st.sidebar.slider("List pairs at least this far apart", 1, 30, APART, key="apart")
    ui.check_map(record, other or record)

    request = Request(layers=(choice.layer,), keep_residues=True, precision=choice.precision)
    rows = ui.inspect(choice, request)
    columns = ui.inspect(choice, request, other, slot="other") if other else rows
    provenance = ui.provenance(choice, rows, layer=choice.layer)
    look = {"stretches": ui.pick_parts(record, other), "centred": centred, "apart": apart}
    shown = ui.once(panels.similarity, (rows, columns), record, other, provenance, **look)
    ui.spread(choice, shown)
