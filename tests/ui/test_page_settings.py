"""What controls are set to is remembered, also while some of them go."""

import pytest

from esmviz.ui import exhibits, page_settings


class Going(dict):
    """The state of a session in which a control of the page before is listed and gone."""

    def __getitem__(self, key):
        if key == "pooling":
            raise KeyError(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        try:
            return self[key]
        except KeyError:
            return default


@pytest.fixture
def state(monkeypatch):
    state = Going({"seed": 3, "pooling": "mean", "typed": "MKV", "min_dist": 1})
    for module in (page_settings, exhibits):
        monkeypatch.setattr(module.st, "session_state", state)
    return state


def test_a_control_that_goes_meanwhile_is_no_error(state):
    settings = {}
    page_settings.note(settings)
    assert settings == {"seed": 3}  # neither what was typed nor a value of another type


def test_neither_is_it_in_what_a_page_showed(state):
    session = type("Session", (), {"protein": "p", "layer": 1, "head": 0, "precision": "float32"})()
    spec = type("Spec", (), {"name": "mini"})()
    assert exhibits._choices(session, spec, "clusters")["widgets"] == {"seed": 3}
    assert exhibits._choices(session, spec, "logits")["widgets"] == {}
