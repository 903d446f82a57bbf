"""Each page notes what it draws, so that it can be kept: figures, numbers, the proteins it read, its own settings."""

import gc
import sys
import types

import numpy as np
import pytest

from esmviz import sequences
from esmviz.exhibit import Exhibit
from esmviz.ui import exhibits, texts
from esmviz.views import theme
from tests.pages.test_pages import DRAWING, TOY, app, figures, settled  # noqa: F401

PLAIN = ("selectbox", "slider", "toggle", "radio", "number_input")
EVERYWHERE = {"protein", "model", "layer", "head", "precision"}


def shown(at, page):
    """What the page showed last, by way of its bytes."""
    exhibit = exhibits.latest(at.session_state["session"], page)
    return Exhibit.from_bytes(exhibit.to_bytes())


@pytest.mark.parametrize("name", DRAWING)
def test_what_a_page_draws_is_noted(app, name):  # noqa: F811
    at = app(name)
    exhibit = shown(at, name)
    [picture] = exhibit.pictures
    assert picture.figure == figures(at)[0]
    assert picture.facts["model"] == "fake"
    assert picture.provenance.revision == exhibit.pictures[0].facts["revision"]
    assert picture.columns
    assert all(np.asarray(array).size for array in picture.arrays.values())
    assert [table.title for table in exhibit.tables]
    names = [record.id for record in exhibit.records]
    assert names == (
        ["HBA_HUMAN"] if name != "clusters" else [r.id for r in at.session_state["session"].records]
    )
    assert exhibit.settings["model"] == exhibit.model["name"] == "fake"


@pytest.mark.parametrize("name", DRAWING)
def test_every_widget_that_shapes_a_page_is_among_its_settings(app, name):  # noqa: F811
    at = app(name)
    widgets = [widget for kind in PLAIN for widget in getattr(at.sidebar, kind)]
    own = {widget.key: widget.value for widget in widgets if widget.key not in EVERYWHERE}
    kept = shown(at, name).settings["widgets"]
    assert {key: kept[key] for key in own} == own


def reached(*roots):
    """All that lives as long as a draft: through closures and arguments, and through the namespace of a page's script."""
    stack, found = list(roots), {}
    while stack:
        value = stack.pop()
        if id(value) in found or isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
            continue
        found[id(value)] = value
        if isinstance(value, types.FunctionType):
            its = value.__globals__
            stack += [value.__closure__, value.__defaults__, *[its] * (its["__name__"] == "__main__")]
        else:
            stack += [*gc.get_referents(value), getattr(value, "base", None)]
    return list(found.values())


@pytest.mark.parametrize("name", DRAWING)
def test_what_is_kept_of_a_page_is_what_it_draws_and_its_size_is_known(app, name):  # noqa: F811
    session = app(name).session_state["session"]
    [draft] = exhibits.shown(session, [name])
    held = reached(draft.pieces, draft.records)
    assert not [value for value in held if isinstance(value, dict) and value.get("__name__") == "__main__"]
    shared = {id(value) for value in reached(sequences.example(), theme.template(), texts)}
    size = sum(sys.getsizeof(value) for value in held if id(value) not in shared)
    counted = exhibits._shelf()._values[f"{session.visitor} {name}"][1]
    assert size / 2 < counted < size * 2


def test_a_protein_compared_with_is_noted_and_no_other(app):  # noqa: F811
    at = app("similarity")
    settled(at.selectbox(key="other").set_value("MYG_HORSE").run())
    assert [record.id for record in shown(at, "similarity").records] == ["HBA_HUMAN", "MYG_HORSE"]


def test_pasted_text_never_comes_along(app):  # noqa: F811
    at = app("home")
    settled(at.text_area(key="paste").set_value(TOY).run())
    assert "paste" not in shown(at, "home").settings["widgets"]
    assert [record.id for record in shown(at, "home").records] == ["one"]


def test_a_page_that_was_not_drawn_has_none(app):  # noqa: F811
    at = app("models")
    assert exhibits.latest(at.session_state["session"], "models") is None


def test_what_a_page_showed_names_its_own_controls_alone(app):  # noqa: F811
    """Another page's can name a protein that this one does not show."""
    at = app("app")
    settled(at.switch_page("pages/similarity.py").run())
    settled(at.selectbox(key="other").set_value("HBB_HUMAN").run())
    settled(at.switch_page("pages/logits.py").run())
    settled(at.radio(key="scheme").set_value("masked marginals").run())
    kept = shown(at, "logits").settings["widgets"]
    assert kept["scheme"] == "masked marginals"
    assert set(kept) <= {"show_logits", "scheme", "row_order", "image_format"}
    settled(at.switch_page("pages/similarity.py").run())
    assert at.selectbox(key="other").value == "HBB_HUMAN"
    settled(at.switch_page("pages/logits.py").run())
    assert at.radio(key="scheme").value == "masked marginals"
