"""Where does the model look? One head, all heads at a glance or in numbers, means and maxima, rollout, contacts."""

import streamlit as st

from esmviz import panels, ui, views
from esmviz.panels.attention import APART
from esmviz.types import Request

with ui.opened("attention", needs="attentions") as choice:
    ui.check_map(choice.record)
    look = ui.pick_look(choice)
    output = ui.inspect(choice, Request(probes=(look.probe,), precision=choice.precision))
    provenance = ui.provenance(choice, output, layer=look.layer, head=look.head)
    are_heads = look.kind in ("grid", "heads")
    drawn = {"stretch": slice(0, len(choice.record)), "selected": (choice.layer, choice.session.head)}
    if not are_heads:
        drawn["apart"] = st.sidebar.slider("List pairs at least this far apart", 1, 30, APART, key="apart")
        drawn["stretch"], _ = ui.pick_parts(choice.record)
    shown = ui.once(panels.attention, output.probes[look.probe.key], look, choice.record, provenance, **drawn)
    points = ui.spread(choice, shown, side=1.3, points=are_heads)
    if are_heads:
        st.caption("Click a head to open it.")
        ui.open_head(choice, views.grid_choice(points))
