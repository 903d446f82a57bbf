"""What does a protein language model make of your proteins? The way in: proteins, and a first look at one."""

from functools import partial

import streamlit as st

from esmviz import panels, ui, views
from esmviz.analysis import logits as expectation
from esmviz.analysis import parts
from esmviz.labels import residue_label
from esmviz.types import Request

with ui.opened("home") as choice:
    ui.intake.draw(choice.session)
    record = choice.record
    picture, side = st.columns([3, 2], gap="medium")
    with side:
        st.markdown("**Records**")
        ui.intake.records_table(choice.session)
        with st.expander("Labels for colours and tables"):
            ui.intake.draw_labels(choice.session)
        with st.expander("Your session: save, bring back, forget"):
            ui.session_menu.draw(choice.session)
        st.markdown("**Questions to ask**")
        for page in ui.PAGES[1:]:
            ui.link(page.file, page.question)
    with picture:
        st.markdown(f"**A first look at {ui.plain(record.id)}: where is the model sure?**")
        output = ui.inspect(choice, Request(logits=True, precision=choice.precision))
        entropy = expectation.entropy(expectation.probabilities(output.logits))
        provenance = ui.provenance(choice, output)
        drawn, edges = parts.drawn_stretch(entropy, ui.pick_stretch(record, parts.MOST_POSITIONS))
        figure = ui.once(views.entropy_profile, drawn, record, provenance, edges=edges)
        surest = [residue_label(i, record.sequence[i]) for i in expectation.most_constrained(entropy, k=5)]
        table = ui.tables.by_residue(record, entropy_bits=entropy)
        panel = panels.Panel(
            "first-look",
            figure,
            choice.subject,
            provenance,
            alt="Entropy of the model's expectation along the protein, in bits",
            text=ui.texts.ENTROPY,
            columns=partial(dict, table),
            arrays={"entropy_bits": entropy},
        )
        ui.panel(choice, panel)
        st.caption(f"Surest at {', '.join(surest)}, on average {entropy.mean():.2f} bits of at most 4.32.")
        ranked = expectation.most_constrained(entropy, k=50)
        ui.ranking(
            "Most constrained residues", ui.tables.positions(ranked, record, entropy=entropy), height=180
        )
