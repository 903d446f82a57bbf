"""The pages on a small ESM3 file: real weights, loader and engine; and what they say where the package is missing."""

import shutil
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from esmviz.models import esm_package
from esmviz.settings import Settings
from esmviz.ui import resources
from esmviz.workbench import Workbench

PAGES = Path(__file__).resolve().parents[2] / "pages"


@pytest.fixture
def opened(esm3_folder, tmp_path, monkeypatch):
    shutil.copytree(esm3_folder, tmp_path / "models" / "my-esm3")
    settings = Settings(models_dir=tmp_path / "models", default_model="my-esm3", device="cpu", offline=True)
    bench = Workbench(settings)
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    return settled


def settled(name, **query):
    """A page of the app with a link's query, rerun until nothing is being computed."""
    at = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=120)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    for _ in range(600):
        if at.exception or not any(str(button.key).startswith("cancel_") for button in at.button):
            return at
        time.sleep(0.1)
        at.run()
    raise AssertionError("still computing")


def words(at):
    parts = [*at.title, *at.caption, *at.markdown, *at.info, *at.warning, *at.error, *at.success]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")


@pytest.mark.parametrize("name", ["home", "similarity", "attention", "logits"])
def test_a_page_draws_what_esm3_gives(opened, name):
    at = opened(name, protein="CRAM_CRAAB")
    assert not at.exception
    assert not at.error
    [figure] = [chart.proto.spec for chart in at.get("plotly_chart")]
    assert "model my-esm3" in figure


def test_sliders_have_the_sizes_of_the_model(opened):
    at = opened("attention", protein="CRAM_CRAAB", layer="3", head="4")
    assert (at.slider(key="layer").value, at.slider(key="layer").max) == (3, 3)
    assert (at.slider(key="head").value, at.slider(key="head").max) == (4, 4)


def test_the_command_is_named_where_the_package_is_missing(opened, monkeypatch):
    def nothing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(esm_package, "version", nothing)
    at = opened("models")
    assert "my-esm3 needs the esm package, which is not installed. Command: make install" in words(at)
    assert not at.error
    at = opened("logits", protein="CRAM_CRAAB")
    assert not at.exception
    assert "Command: make install" in words(at)
    assert not at.get("plotly_chart")
