"""Which models can run here? Sizes, licences, what is on this machine, download, and how to bring one's own."""

import streamlit as st

from esmviz import ui

with ui.opened("models") as choice:
    table, detail = st.columns([3, 2], gap="medium")
    with table:
        ui.model_catalogue.table(choice.session)
    with detail:
        ui.model_catalogue.detail(choice.spec)
    ui.model_catalogue.bring_your_own()
