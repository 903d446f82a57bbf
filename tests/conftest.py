"""Shared by all tests: three small proteins, the fake backend, and a real Workbench on top of it.

Keep it small: what one folder needs belongs into that folder's conftest.py.
"""

import os
from dataclasses import replace

import pytest

from esmviz.models.ensemble import EnsembleBackend
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import ProteinRecord
from esmviz.workbench import Workbench


@pytest.fixture(autouse=True)
def no_settings_from_outside(request, monkeypatch):
    """The settings of whoever runs the tests reach only those that need real weights."""
    if request.node.get_closest_marker("weights") is None:
        for name in [name for name in os.environ if name.startswith("ESMVIZ_")]:
            monkeypatch.delenv(name)


@pytest.fixture
def records():
    """Two short proteins and one with a letter that is no standard amino acid."""
    return (
        ProteinRecord("first", "MKVLAWGH", labels={"family": "a"}),
        ProteinRecord("second", "ACDEFGHIKLMNP", labels={"family": "b"}),
        ProteinRecord("third", "MSTXKLV", labels={"family": "a"}),
    )


@pytest.fixture
def fake():
    """A backend that counts its calls; ``FakeBackend(fail_on=..., before_each=...)`` for other behaviour."""
    return FakeBackend()


@pytest.fixture
def ensemble_models(fake):
    """``fake``, two fakes more, and ``both``, the ensemble of these two: it gives logits and nothing else."""
    members = [FakeBackend(replace(SPEC, name=name, title=name)) for name in ("one", "two")]
    models = FakeModels(fake, *members)
    spec = replace(SPEC, name="both", title="both", members=("one", "two"), provides=frozenset({"logits"}))
    models.backends["both"] = EnsembleBackend(spec, [member.revision for member in members], models)
    return models


@pytest.fixture
def workbench(fake):
    """A real Workbench whose only model is ``fake``."""
    return Workbench(Settings(default_model="fake"), models=FakeModels(fake))
