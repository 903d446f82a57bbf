"""Two tiny classifiers of random weights in ESMVIZ_MODELS_DIR: their pages in a real browser."""

import csv
import io

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server
from tests.models.test_predictors import build

PLACES = {0: "nucleus", 1: "membrane", 2: "<b>![x](http://evil.test/a.png)"}


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """A server that offers a classifier of proteins and one of residues."""
    models = tmp_path_factory.mktemp("models")
    problem = "single_label_classification"
    for unit in ("proteins", "residues"):
        build("esm", unit, id2label=PLACES, problem_type=problem).save_pretrained(models / unit)
    settings = {"ESMVIZ_MODELS_DIR": str(models), "ESMVIZ_WARM_UP": "0"}
    with Server(tmp_path_factory.mktemp("home"), settings) as running:
        yield running


@pytest.fixture
def own(opened, own_server):
    tab = opened(own_server)
    tab.page.set_viewport_size({"width": 1440, "height": 900})
    return tab


def test_proteins_of_the_set_and_the_chosen_one(own):
    own.open("predictions", model="mini")
    own.expect_text("mini .* is a language model")
    own.keyed("use_proteins").get_by_role("button").click()
    assert "softmax" in own.data("prediction", type="bar", points=3)["notes"]
    expect(own.keyed("predicted")).to_be_visible()
    name, content = own.download("predictions_csv")
    assert name.endswith(".csv")
    header, *rows = csv.reader(io.StringIO(content.decode()))
    assert header[:5] == ["id", "residues", "predicted", "p(nucleus)", "p(membrane)"]
    assert len(rows) == 58
    own.open("predictions", model="proteins", protein="UBIQ_HUMAN")
    assert "UBIQ_HUMAN" in own.data("prediction")["notes"]


def test_residues_along_the_sequence(own):
    own.open("predictions", model="residues", protein="UBIQ_HUMAN")
    own.data("predictions", type="scatter", points=3 * 76)
    own.expect_text("Segments")
    figure = own.chart("predictions")
    box = figure.locator(".nsewdrag").first.bounding_box()
    own.page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    expect(figure.locator(".hoverlayer")).to_contain_text("M1")
    _, content = own.download("npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        assert file["classes"].tolist() == list(PLACES.values())
        np.testing.assert_allclose(file["values"].sum(axis=1), np.ones(76), atol=1e-5)
