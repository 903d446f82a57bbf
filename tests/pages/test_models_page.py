"""The page of models: the list, a download, and two models measured side by side."""

import threading
from dataclasses import replace

import pytest

from esmviz.errors import ModelUnavailableError
from esmviz.measuring import Measurement, comparison
from esmviz.models.base import ModelStatus
from esmviz.models.catalog import CATALOG
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.models.memory import UNKNOWN
from esmviz.settings import Settings
from esmviz.ui import measurements, resources
from esmviz.workbench import Workbench
from tests.pages.test_pages import TOY, app, settled, words  # noqa: F401  app is a fixture


@pytest.fixture
def opened(app, monkeypatch):  # noqa: F811
    """Opens the page on a workbench with these models."""

    def open_page(models, *, model="fake", **settings):
        bench = Workbench(Settings(default_model="fake", **settings), models=models)
        monkeypatch.setattr(resources, "_shared", lambda: bench)
        return app("models", model=model)

    return open_page


class Elsewhere(FakeModels):
    """``fake``, and ``far`` that must be downloaded first."""

    def __init__(self, trouble=None):
        super().__init__(FakeBackend(), FakeBackend(replace(SPEC, name="far", title="Far")))
        self.trouble = trouble

    def status(self, name):
        present = name in ("fake", *self.downloaded)
        reason = "" if present else "Not on this machine."
        return ModelStatus(present, present, 10**9, UNKNOWN, True, reason, 2_000_000)

    def download(self, name, progress, cancel=lambda: False):
        progress(1_000_000, 2_000_000)
        if self.trouble:
            self.trouble(cancel)
        self.downloaded.append(name)


def keys(at):
    return {str(button.key) for button in at.button}


def table(at, column):
    return next(frame.value for frame in at.dataframe if column in frame.value)


def two_fakes(**fields):
    return FakeModels(FakeBackend(), FakeBackend(replace(SPEC, name="other", title="Other", **fields)))


def test_the_whole_catalogue_is_listed_by_family(app, monkeypatch):  # noqa: F811
    bench = Workbench(Settings(offline=True, device="cpu"))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("models")
    assert not at.exception
    rows = table(at, "Spearman").set_index("name")
    assert list(rows.index) == list(CATALOG)
    assert rows.loc["esm2-650m", "params (M)"] == pytest.approx(651.043254)
    assert rows.loc["esm2-650m", "gives"] == "logits, vectors, attention, contacts"
    assert rows.loc["esmfold", "gives"] == "structure"
    assert rows.loc["esm1v", "gives"] == "logits"
    assert rows.loc["esm1b", "limit"] == 1022
    assert rows["limit"].isna()["esm2-650m"]
    assert rows.loc["esm2-650m", "L/H/width"] == "33 / 20 / 1280"
    assert rows.loc["esm2-8m", "card"] == "https://huggingface.co/facebook/esm2_t6_8M_UR50D"
    assert rows.loc["mini", "here"] == "yes"
    assert rows.loc["esmc-6b", "Spearman"] != rows.loc["esmc-6b", "Spearman"]  # not a number: an empty cell
    assert rows.loc["esm2-15b", "needs (GB)"] == pytest.approx(72.9, abs=0.1)


def test_a_hosted_model_comes_last_and_needs_no_memory(opened):
    models = two_fakes(host="far.test")
    models.backends = dict(reversed(models.backends.items()))
    rows = table(opened(models), "Spearman")
    assert list(rows["name"]) == ["fake", "other"]
    assert rows["here"][1] == "hosted"
    assert rows["needs (GB)"].isna()[1]
    assert rows["fits"][1] == ""


def test_memory_that_nobody_tells_is_no_number(opened):
    assert "nobody tells how much is free" in words(opened(Elsewhere()))


def test_a_downloaded_model_is_here_at_once(opened):
    models = Elsewhere()
    at = opened(models, model="far")
    button = at.button(key="run")
    assert button.label == "Download, about 2 MB"
    settled(button.click().run())
    assert models.downloaded == ["far"]
    assert "Not on this machine" not in words(at)
    assert "Loaded and ready" in words(at)
    assert list(table(at, "Spearman")["here"]) == ["yes", "yes"]


def test_a_download_that_fails_says_so_and_the_page_goes_on(opened):
    def fail(cancel):
        raise ModelUnavailableError("far is not here and the hub cannot give it.", "Set HF_ENDPOINT.")

    at = opened(Elsewhere(fail), model="far")
    settled(at.button(key="run").click().run())
    [error] = at.error
    assert "the hub cannot give it" in error.value.replace("\\", "")
    assert "HF" in error.value
    assert at.button(key="run").label == "Try again"
    assert {"run", "measure"} <= keys(at)


def test_a_download_shows_its_progress_and_can_be_cancelled(opened):
    begun = threading.Event()

    def last(cancel):
        begun.set()
        while not cancel():
            pass
        raise ModelUnavailableError("stopped")

    models = Elsewhere(last)
    at = opened(models, model="far", heartbeat_seconds=600)
    at.button(key="run").click().run()
    assert begun.wait(20)
    at.run()
    assert "1,000,000 of 2,000,000 bytes" in str(at.get("progress")[0].proto)
    at.button(key="cancel_download").click().run()
    assert "Cancelled. Files that were complete are kept." in words(at)
    assert models.downloaded == []
    models.trouble = None
    settled(at.button(key="run").click().run())
    assert models.downloaded == ["far"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"offline": True}, "ESMVIZ_OFFLINE is 1"), ({"allow_downloads": False}, "ESMVIZ_ALLOW_DOWNLOADS is 0")],
)
def test_where_downloads_are_forbidden_there_is_no_button(opened, settings, name):
    at = opened(Elsewhere(), model="far", **settings)
    assert "run" not in keys(at)
    assert name in words(at)


def test_two_models_are_measured_and_compared(opened):
    at = opened(two_fakes())
    assert (at.selectbox(key="measure_first").value, at.selectbox(key="measure_second").value) == (
        "fake",
        "other",
    )
    settled(at.button(key="measure").click().run())
    assert not at.exception
    rows = table(at, "residues/s")
    assert list(rows["model"]) == ["fake", "other"]
    assert list(rows["proteins"]) == [58, 58]
    assert list(rows["masked positions"]) == [128, 128]
    assert (rows["residues/s"] > 0).all()
    assert (rows["pseudo-perplexity"] > 1).all()
    assert set(rows["set"]) == {"Example"}
    measured = [m for _, m in at.session_state["session"].measured]
    assert comparison(*measured) in words(at)  # whatever the clock said
    assert "over 128 positions, drawn with seed 0" in words(at)
    [button] = at.get("download_button")
    assert "measured" in button.proto.id


def test_measurements_are_kept_for_each_set_and_made_anew_on_request(opened):
    models = two_fakes()
    at = opened(models)
    settled(at.button(key="measure").click().run())
    calls = models.backends["fake"].n_calls
    settled(at.button(key="measure").click().run())
    assert models.backends["fake"].n_calls == 2 * calls
    assert len(table(at, "residues/s")) == 2
    session = at.session_state["session"]
    session.measured = [("mine.fasta", replace(m, subject="another")) for _, m in session.measured]
    settled(at.run())
    assert comparison(*(m for _, m in session.measured)) not in words(at)  # measured on another set
    settled(at.button(key="measure").click().run())
    assert list(table(at, "residues/s")["set"]) == ["mine.fasta", "mine.fasta", "Example", "Example"]


def test_a_measurement_can_be_cancelled_and_what_was_measured_stays(opened):
    begun, go = threading.Event(), threading.Event()

    def wait(record):
        begun.set()
        assert go.wait(60)

    models = FakeModels(FakeBackend(), FakeBackend(replace(SPEC, name="slow"), before_each=wait))
    at = opened(models, heartbeat_seconds=600)
    at.button(key="measure").click().run()
    for _ in range(100):
        if begun.wait(0.1):
            break
        at.run()
    at.run()
    assert list(table(at, "residues/s")["model"]) == ["fake"]
    at.button(key="cancel_measure").click().run()
    go.set()
    assert "Cancelled. What was measured before is kept." in words(at)
    assert list(table(at, "residues/s")["model"]) == ["fake"]
    at.run()
    assert "Cancelled" in words(at)
    settled(at.button(key="measure").click().run())
    assert list(table(at, "residues/s")["model"]) == ["fake", "slow"]


def test_another_set_ends_what_was_under_way(opened):
    at = opened(two_fakes())
    session = at.session_state["session"]
    session.to_measure = ("fake", "other")
    session.load(session.proteins, "again", "example")
    assert session.to_measure == ()


def test_only_models_that_embed_here_are_offered(opened):
    folding = FakeBackend(replace(SPEC, name="folding", provides=frozenset({"structure"})))
    ensemble = FakeBackend(replace(SPEC, name="ensemble", provides=frozenset({"logits"})))
    hosted = FakeBackend(replace(SPEC, name="hosted", host="far.test"))
    at = opened(FakeModels(folding, ensemble, hosted, FakeBackend()))
    assert at.selectbox(key="measure_first").options == ["fake"]
    at = opened(FakeModels(folding), model="folding")
    assert "No model on this machine gives vectors" in words(at)
    assert "measure" not in keys(at)


def test_a_model_that_must_be_downloaded_is_not_offered(opened):
    assert opened(Elsewhere()).selectbox(key="measure_second").options == ["fake"]


def test_what_nobody_tells_is_an_empty_cell():
    facts = {"revision": "r", "device": "cpu", "precision": "float32", "subject": "s", "n_proteins": 1}
    rest = {"memory_bytes": None, "pseudo_perplexity": None, "n_masked": 0}
    columns = measurements.as_columns(
        [("a set", Measurement("fake", n_residues=1000, seconds=29.0, **facts, **rest))]
    )
    assert columns["residues/s"] == [34.48]
    assert columns["memory (GB)"] == columns["pseudo-perplexity"] == [None]
