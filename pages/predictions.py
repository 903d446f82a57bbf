"""What does a classifier or a regression of one's own predict, for each protein or along the sequence?"""

from functools import partial

import numpy as np
import streamlit as st

from esmviz import ui, views
from esmviz.analysis import predictions as said
from esmviz.panels import predictions as panels
from esmviz.types import Request


def show_set(choice, predictor, settings):
    everyone = ui.predictions(choice)
    values = said.probabilities(everyone.vectors, predictor.problem)
    lengths = {record.id: len(record) for record in choice.session.records}
    names = {"id": everyone.ids, "residues": [lengths[name] for name in everyone.ids]}
    assigned = said.assigned(values, predictor.problem)
    ui.list_of_proteins(
        choice,
        ui.provenance(choice, everyone),
        ui.tables.predictions(names, values, predictor, assigned, said.prominent(values, views.MOST_CLASSES)),
        columns=partial(ui.tables.predictions, names, values, predictor, assigned),
        arrays={"ids": np.array(everyone.ids), **panels.arrays(predictor, everyone.vectors, values)},
        settings=settings,
    )


with ui.opened("predictions") as choice:
    predictor = ui.require_predictor(choice)
    settings = {"problem": predictor.problem, "of each": predictor.unit}
    output = ui.inspect(choice, Request(predictions=True, precision=choice.precision))
    asked = (output.predictions, predictor, choice.record, ui.provenance(choice, output), settings)
    if predictor.unit == "residues":
        ui.spread(choice, panels.along_protein(*asked, listed=ui.pick_class(predictor)))
    else:
        ui.spread(choice, panels.of_protein(*asked))
        st.markdown("**All proteins of the set**")
        if ui.wants_all(choice, "Predict", "predict"):
            show_set(choice, predictor, settings)
