"""The page of a visitor's own classifiers and regressions, on the fake backend."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from esmviz.analysis import predictions as said
from esmviz.jobs import Job
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import Predictor, Request
from esmviz.ui import resources
from esmviz.workbench import Workbench
from tests.pages import test_pages
from tests.pages.test_pages import app, figures, settled, words  # noqa: F401  app is a fixture

SINGLE, MULTI, NUMBER = "single_label_classification", "multi_label_classification", "regression"
PLACES = ("nucleus", "membrane", "![x](http://evil.test/a.png)<img src=x>")


def backend_of(unit, problem, classes=PLACES, name="own", **fields):
    predictor = Predictor(unit, problem, classes, **fields)
    provides = frozenset({"hidden_states", "attentions", "predictions"})
    return FakeBackend(replace(SPEC, name=name, title=name, provides=provides, predictor=predictor))


@pytest.fixture
def opened(app, monkeypatch):  # noqa: F811
    """Opens the page with that model beside the language model; says the page and the workbench."""

    def open_page(backend, **query):
        bench = Workbench(Settings(default_model="fake"), models=FakeModels(FakeBackend(), backend))
        monkeypatch.setattr(resources, "_shared", lambda: bench)
        return app("predictions", model=backend.spec.name, **query), bench

    return open_page


def expected(backend, record):
    [output] = FakeBackend(backend.spec).run([record], Request(predictions=True))
    return said.probabilities(output.predictions, backend.spec.predictor.problem)


def table_with(at, column):
    return next(table.value for table in at.dataframe if column in table.value)


def test_a_language_model_is_told_what_the_page_is_for(app):  # noqa: F811
    at = app("predictions")
    assert "fake is a language model" in words(at)
    assert "None of the models here" in words(at)
    assert "ESMVIZ_MODELS_DIR" in words(at)
    assert not figures(at)
    assert not at.error


def test_models_that_predict_are_a_click_away(opened):
    at, _ = opened(backend_of("residues", SINGLE))
    settled(at.selectbox(key="model").set_value("fake").run())
    assert "None of the models here" not in words(at)
    settled(at.button(key="use_own").click().run())
    assert at.selectbox(key="model").value == "own"
    assert len(figures(at)) == 1


def test_proteins_have_bars_and_a_table_of_the_whole_set(opened):
    backend = backend_of("proteins", SINGLE)
    at, _ = opened(backend, protein="MYG_HORSE")
    assert not at.exception
    assert not at.error
    session = at.session_state["session"]
    values = expected(backend, session.record("MYG_HORSE"))
    [figure] = figures(at)
    assert "model own" in figure
    assert "revision" in figure
    assert list(table_with(at, "probability")["probability"]) == pytest.approx(sorted(values)[::-1], rel=1e-3)
    table = table_with(at, "predicted")
    assert list(table["id"]) == [record.id for record in session.records]
    for record, row in zip(session.records, table.to_dict("records"), strict=True):
        values = expected(backend, record)
        assert row["predicted"] == PLACES[values.argmax()]
        assert [row[f"p({name})"] for name in PLACES] == pytest.approx(values.tolist(), abs=1e-6)


def test_the_whole_set_is_computed_once(opened):
    backend = backend_of("proteins", SINGLE)
    at, _ = opened(backend)
    before = backend.n_records
    settled(at.run())
    assert backend.n_records == before
    settled(at.selectbox(key="protein").set_value("CRAM_CRAAB").run())
    assert backend.n_records <= before + 1


def test_a_large_set_waits_for_the_button_and_can_be_cancelled(opened):
    backend = backend_of("proteins", MULTI)
    backend.spec = replace(backend.spec, n_parameters=10**12)
    at, _ = opened(backend)
    assert len(figures(at)) == 1
    assert not [table for table in at.dataframe if "predicted" in table.value]
    assert "58 proteins" in str([button.label for button in at.button])
    settled(at.button(key="run").click().run())
    assert len(table_with(at, "predicted")) == 58


def test_a_protein_too_long_for_one_piece_is_left_out_and_named(app, monkeypatch):  # noqa: F811
    backend = backend_of("proteins", SINGLE)
    bench = Workbench(
        Settings(default_model="fake", window_above=300), models=FakeModels(FakeBackend(), backend)
    )
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("predictions", model="own", protein="CRAM_CRAAB")
    records = at.session_state["session"].records
    short = [record.id for record in records if len(record) <= 300]
    assert 0 < len(short) < len(records)
    assert list(table_with(at, "predicted")["id"]) == short
    left_out = next(record for record in records if len(record) > 300)
    assert f"{len(records) - len(short)} of 58 proteins are left out. {left_out.id} has" in words(at)


def test_cancel_stops_a_running_set(opened, monkeypatch):
    gate = threading.Event()
    backend = backend_of("proteins", SINGLE)
    seen = []

    def wait_after_the_first(record):
        seen.append(record.id)
        if len(seen) > 3:
            gate.wait(30)

    backend._before_each = wait_after_the_first
    try:
        monkeypatch.setattr(
            test_pages, "settled", lambda at: at
        )  # the page as it is while the set is computed
        at, _ = opened(backend)
        while not any(button.key == "cancel_predict" for button in at.button):
            at.run()
        # Streamlit keeps what a button calls for as long as the tab is open: a job would stay with its result.
        widgets = at.session_state._state._state._new_widget_state.widget_metadata.values()
        called = [part for widget in widgets for part in widget.callback_args or ()]
        assert called
        assert not [part for part in called if isinstance(part, Job)]
        at.button(key="cancel_predict").click().run()
        assert "Cancelled" in words(at)
        assert at.button(key="again_predict")
        assert len(figures(at)) == 1  # the chosen protein stays
    finally:
        gate.set()


def test_several_labels_are_named_together(opened):
    backend = backend_of("proteins", MULTI, ("a", "b", "c", "d"))
    at, _ = opened(backend)
    for record, said_of_it in zip(
        at.session_state["session"].records, table_with(at, "predicted")["predicted"], strict=True
    ):
        holds = expected(backend, record) >= 0.5
        assert said_of_it == "; ".join(name for name, does in zip("abcd", holds, strict=True) if does)


def test_a_regression_gives_numbers_and_no_classes(opened):
    backend = backend_of("proteins", NUMBER, ("melting point",), is_assumed=True)
    at, _ = opened(backend)
    table = table_with(at, "residues")
    assert list(table) == ["id", "residues", "value(melting point)"]
    first = expected(backend, at.session_state["session"].records[0])
    assert table["value(melting point)"].iloc[0] == pytest.approx(first[0], abs=1e-6)
    assert "With one class it is taken for a regression" in words(at)


def test_residues_have_a_profile_and_segments(opened):
    backend = backend_of("residues", SINGLE)
    at, _ = opened(backend, protein="CRAM_CRAAB")
    record = at.session_state["session"].record("CRAM_CRAAB")
    values = expected(backend, record)
    [figure] = figures(at)
    traces = json.loads(figure)["data"]
    assert len(traces) == len(PLACES)
    assert traces[0]["x"][:2] == ["T1", "T2"]
    table = table_with(at, "segment")
    found = said.segments(values, SINGLE)
    assert len(table) == len(found)
    start, stop, k, mean = found[0]
    assert table["class"].iloc[0] == PLACES[k]
    assert table["residues"].iloc[0] == stop - start
    assert table["segment"].iloc[0].startswith(f"{record.sequence[start]}{start + 1}")
    assert table["mean p"].iloc[0] == pytest.approx(mean, abs=1e-3)
    settled(at.selectbox(key=f"listed_3_{SINGLE}").set_value(1).run())
    assert set(table_with(at, "segment")["class"]) <= {PLACES[1]}


def test_numbers_along_the_sequence_are_ranked(opened):
    backend = backend_of("residues", NUMBER, ("flexibility",))
    at, _ = opened(backend, protein="CRAM_CRAAB")
    values = expected(backend, at.session_state["session"].record("CRAM_CRAAB"))[:, 0]
    shown = table_with(at, "value")["value"]
    assert list(shown) == pytest.approx(np.sort(values)[::-1][:50].round(3), abs=1e-3)


def test_more_classes_than_colours_are_said(opened):
    many = tuple(f"c{n}" for n in range(40))
    at, _ = opened(backend_of("proteins", SINGLE, many))
    assert "15 of 40 classes" in words(at)
    assert "15 of 40 classes drawn" in figures(at)[0]
    assert len([name for name in table_with(at, "predicted") if name.startswith("p(")]) == 15
    at, _ = opened(backend_of("residues", SINGLE, many))
    assert "25 other classes" in figures(at)[0]


def test_class_names_are_never_markup(opened):
    for unit in ("proteins", "residues"):
        at, _ = opened(backend_of(unit, SINGLE))
        marked = [str(part.value) for part in [*at.markdown, *at.caption, *at.info, *at.warning]]
        assert not any("evil" in text for text in marked)
        assert "<img" not in figures(at)[0]


def test_other_pages_refuse_such_a_model_by_name(app, monkeypatch):  # noqa: F811
    bench = Workbench(
        Settings(default_model="fake"), models=FakeModels(FakeBackend(), backend_of("residues", SINGLE))
    )
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("logits", model="own")
    assert "own gives no logits" in words(at)
    assert "fake" in words(at)
    assert len(figures(app("similarity", model="own"))) == 1
