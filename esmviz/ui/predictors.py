"""A classifier or a regression of one's own on its page: what to do without one, the whole set, one class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from esmviz.export import no_formula
from esmviz.labels import value_labels
from esmviz.panels import texts
from esmviz.panels.tables import shown
from esmviz.types import ModelSpec, Predictor, Provenance
from esmviz.ui.errors import plain
from esmviz.ui.figures import files
from esmviz.ui.frame import Choice
from esmviz.ui.resources import workbench

EVERY_CLASS = "every class"


def require_predictor(choice: Choice) -> Predictor:
    """What the chosen model predicts. Without any, the page says what it is for, and ends."""
    predictor = choice.spec.predictor
    if predictor is None:
        _explain(choice)
        st.stop()
    if predictor.is_assumed:
        st.caption(plain(texts.assumed_problem(predictor)))
    return predictor


def _explain(choice: Choice) -> None:
    name = choice.spec.title or choice.spec.name
    st.info(plain(f"{name} is a language model: it predicts amino acids, and nothing else.") + texts.PREDICTS)
    able = [spec for spec in workbench().specs().values() if spec.predictor is not None]
    if able:
        st.markdown("Models here that predict:")
        with st.container(horizontal=True):
            for spec in able:
                _offer(spec, choice)
    else:
        st.markdown("None of the models here predicts anything of the kind.")
    st.markdown(texts.BRING_A_PREDICTOR)


def _offer(spec: ModelSpec, choice: Choice) -> None:
    assert spec.predictor is not None
    label = f"{spec.title or spec.name}, for {spec.predictor.unit}"
    st.button(plain(label), on_click=choice.session.pick, kwargs={"model": spec.name}, key=f"use_{spec.name}")


def list_of_proteins(
    choice: Choice,
    provenance: Provenance,
    table: Mapping[str, Sequence[Any]],
    *,
    columns: Callable[[], Mapping[str, Sequence[Any]]],
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """One row for each protein of the set, a bar in each probability; a click chooses the protein.

    ``columns`` and ``arrays`` are the CSV and the NPZ file below it.
    """
    predictor = choice.spec.predictor
    assert predictor is not None
    numbers = [name for name in value_labels(predictor) if name in table]
    _clickable(choice, table, numbers if predictor.problem != "regression" else ())
    if len(numbers) < len(predictor.classes):
        n_all = len(predictor.classes)
        st.caption(f"The {len(numbers)} of {n_all:,} classes that peak highest; the files have all.")
    files("predictions", choice, provenance, columns=columns, arrays=arrays, settings=settings)


def _clickable(choice: Choice, table: Mapping[str, Sequence[Any]], shares: Sequence[str]) -> None:

    def picked() -> None:  # only a click counts: the mark stays in the table while the choice moves on
        marked = st.session_state["predicted"].selection.rows
        if marked and (protein := table["id"][marked[0]]) != choice.session.protein:
            choice.session.pick(protein=protein)

    bar = st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.3f")
    st.dataframe(
        shown(table),
        column_config=dict.fromkeys(map(no_formula, shares), bar),
        hide_index=True,
        height=420,
        key="predicted",
        on_select=picked,
        selection_mode="single-row",
    )


def pick_class(predictor: Predictor) -> int | None:
    """The class whose segments or positions are listed; None is every class."""
    if len(predictor.classes) == 1:
        return 0
    classes = range(len(predictor.classes))
    every = [] if predictor.problem == "regression" else [None]
    name = EVERY_CLASS
    picked = st.sidebar.selectbox(
        "Listed class",
        [*every, *classes],
        format_func=lambda k: name if k is None else predictor.classes[k],
        key=f"listed_{len(predictor.classes)}_{predictor.problem}",
    )
    return None if picked is None else int(picked)
