"""What does a classifier or a regression of one's own predict, for each protein or along the sequence?"""

from functools import partial

import numpy as np
import streamlit as st

from esmviz import panels, ui, views
from esmviz.analysis import predictions as said
from esmviz.types import Request


def arrays(predictor, raw, values):
    return {"classes": np.array(predictor.classes), "values": values, "raw": raw}


def show_protein(choice, predictor, provenance, raw, settings):
    values = said.probabilities(raw, predictor.problem)
    shown = said.prominent(values[None], views.MOST_CLASSES)
    panel = panels.Panel(
        "prediction",
        views.prediction_bars(values, shown, predictor, choice.record, provenance),
        choice.subject,
        provenance,
        alt="A bar for each class of the protein",
        text=ui.texts.of_predictor(predictor),
        columns=partial(dict, {"class": predictor.classes, "value": values, "raw": raw}),
        arrays=arrays(predictor, raw, values),
        settings=settings,
    )
    listed = panels.Table("Classes", ui.tables.classes(values, predictor))
    ui.spread(choice, panels.Spread(panel, (listed,)))


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
        arrays={"ids": np.array(everyone.ids), **arrays(predictor, everyone.vectors, values)},
        settings=settings,
    )


def show_residues(choice, predictor, provenance, raw, settings):
    record, problem, listed = choice.record, predictor.problem, ui.pick_class(predictor)
    values, rows = said.probabilities(raw, problem), ui.tables.by_residue(record)
    panel = panels.Panel(
        "predictions",
        views.prediction_profile(
            values, said.prominent(values, views.MOST_CLASSES), predictor, record, provenance
        ),
        choice.subject,
        provenance,
        alt="The classes along the sequence",
        text=ui.texts.of_predictor(predictor),
        columns=partial(ui.tables.predictions, rows, values, predictor, said.assigned(values, problem)),
        arrays=arrays(predictor, raw, values),
        settings=settings,
    )
    if problem == "regression":
        ranked = values[:, listed].argsort()[::-1][:50]
        table = ui.tables.positions(ranked, record, value=values[:, listed])
        beside = panels.Table("Highest values", table)
    else:
        found = [part for part in said.segments(values, problem) if listed in (None, part[2])]
        table = ui.tables.segments(found, record, predictor)
        beside = panels.Table("Segments, long and sure first", table)
    ui.spread(choice, panels.Spread(panel, (beside,)))


with ui.opened("predictions") as choice:
    predictor = ui.require_predictor(choice)
    settings = {"problem": predictor.problem, "of each": predictor.unit}
    output = ui.inspect(choice, Request(predictions=True, precision=choice.precision))
    provenance = ui.provenance(choice, output)
    draw = show_protein if predictor.unit == "proteins" else show_residues
    draw(choice, predictor, provenance, output.predictions, settings)
    if predictor.unit == "proteins":
        st.markdown("**All proteins of the set**")
        if ui.wants_all(choice, "Predict", "predict"):
            show_set(choice, predictor, settings)
