"""What a classifier or a regression predicts: for one protein, along it, for a set."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from esmviz import views
from esmviz.analysis import predictions as said
from esmviz.exhibit import Table
from esmviz.panels import tables, texts
from esmviz.panels.panel import Panel, Spread, Subject
from esmviz.types import FloatArray, Predictor, ProteinRecord, Provenance

Settings = Mapping[str, Any]


def arrays(predictor: Predictor, raw: FloatArray, values: FloatArray) -> dict[str, Any]:
    """What goes into the NPZ file: probabilities, and the numbers that they are made of."""
    return {"classes": np.array(predictor.classes), "values": values, "raw": raw}


def of_protein(
    raw: FloatArray, predictor: Predictor, record: ProteinRecord, provenance: Provenance, settings: Settings
) -> Spread:
    """A bar for each class of one protein; ``raw`` has shape (K,)."""
    values = said.probabilities(raw, predictor.problem)
    shown = said.prominent(values[None], views.MOST_CLASSES)
    panel = Panel(
        "prediction",
        views.prediction_bars(values, shown, predictor, record, provenance),
        Subject(record.id),
        provenance,
        alt="A bar for each class of the protein",
        text=texts.of_predictor(predictor),
        columns=partial(dict, {"class": predictor.classes, "value": values, "raw": raw}),
        arrays=arrays(predictor, raw, values),
        settings=settings,
    )
    return Spread(panel, (Table("Classes", tables.classes(values, predictor)),))


def along_protein(
    raw: FloatArray,
    predictor: Predictor,
    record: ProteinRecord,
    provenance: Provenance,
    settings: Settings,
    *,
    listed: int | None,
) -> Spread:
    """The classes along one protein; ``raw`` has shape (L, K), ``listed`` is the class that is listed; None is
    all of them, which a regression has no list of.
    """
    problem = predictor.problem
    values, rows = said.probabilities(raw, problem), tables.by_residue(record)
    shown = said.prominent(values, views.MOST_CLASSES)
    panel = Panel(
        "predictions",
        views.prediction_profile(values, shown, predictor, record, provenance),
        Subject(record.id),
        provenance,
        alt="The classes along the sequence",
        text=texts.of_predictor(predictor),
        columns=partial(tables.predictions, rows, values, predictor, said.assigned(values, problem)),
        arrays=arrays(predictor, raw, values),
        settings=settings,
    )
    return Spread(panel, (_listed(values, predictor, record, listed),))


def _listed(values: FloatArray, predictor: Predictor, record: ProteinRecord, listed: int | None) -> Table:
    if predictor.problem == "regression":
        assert listed is not None, "highest values are of one class"
        of_class = values[:, listed]
        ranked = of_class.argsort()[::-1][:50]
        return Table("Highest values", tables.positions(ranked, record, value=of_class))
    found = [part for part in said.segments(values, predictor.problem) if listed in (None, part[2])]
    return Table("Segments, long and sure first", tables.segments(found, record, predictor))
