"""Bars and bands of a classifier's or a regression's predictions."""

import numpy as np
import pytest

from esmviz import views
from esmviz.types import Predictor, ProteinRecord, Provenance

PROVENANCE = Provenance("own", "1234567890abcdef", "float32")
RECORD = ProteinRecord("P1", "MKX")
SINGLE = Predictor("residues", "single_label_classification", ("helix", "strand", "coil"))
MULTI = Predictor("residues", "multi_label_classification", ("a", "b"))
NUMBER = Predictor("proteins", "regression", ("melting point",))


def caption(figure):
    [note] = [note.text for note in figure.layout.annotations if note.name == "caption"]
    return note


def test_bars_have_a_name_and_a_value_for_each_class():
    figure = views.prediction_bars(
        np.array([0.7, 0.2, 0.1], np.float32), [0, 1, 2], SINGLE, RECORD, PROVENANCE
    )
    [bars] = figure.data
    np.testing.assert_allclose(bars.x, [0.7, 0.2, 0.1])
    assert list(figure.layout.yaxis.ticktext) == ["helix", "strand", "coil"]
    assert tuple(figure.layout.xaxis.range) == (0, 1)
    assert "model own" in caption(figure)
    assert "softmax" in caption(figure)
    assert any(note.text == "probability" for note in figure.layout.annotations)


def test_a_regression_has_its_own_range():
    figure = views.prediction_bars(np.array([-61.5], np.float32), [0], NUMBER, RECORD, PROVENANCE)
    assert figure.layout.xaxis.range is None
    assert "in its own units" in caption(figure)


def test_classes_that_are_not_drawn_are_counted():
    values = np.array([0.7, 0.2, 0.1], np.float32)
    figure = views.prediction_bars(values, [0, 2], SINGLE, RECORD, PROVENANCE)
    np.testing.assert_allclose(figure.data[0].x, [0.7, 0.1])
    assert "2 of 3 classes drawn" in caption(figure)


def test_one_label_is_a_stack_that_fills_the_height():
    values = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]], np.float32)
    figure = views.prediction_profile(values, [0, 1, 2], SINGLE, RECORD, PROVENANCE)
    assert [trace.name for trace in figure.data] == ["helix", "strand", "coil"]
    assert {trace.stackgroup for trace in figure.data} == {"one"}
    np.testing.assert_allclose(sum(trace.y for trace in figure.data), 1, atol=1e-6)
    assert list(figure.data[0].x) == ["M1", "K2", "X3"]
    assert figure.layout.showlegend
    some = views.prediction_profile(values, [1], SINGLE, RECORD, PROVENANCE)
    assert [trace.name for trace in some.data] == ["strand", "2 other classes"]
    np.testing.assert_allclose(sum(trace.y for trace in some.data), 1, atol=1e-6)


@pytest.mark.parametrize("predictor", [MULTI, Predictor("residues", "regression", ("a", "b"))])
def test_several_labels_and_numbers_are_lines(predictor):
    values = np.array([[0.7, 0.9], [0.1, 0.8], [0.3, 0.3]], np.float32)
    figure = views.prediction_profile(values, [0, 1], predictor, RECORD, PROVENANCE)
    assert [trace.stackgroup for trace in figure.data] == [None, None]
    np.testing.assert_allclose(figure.data[1].y, values[:, 1])


def test_a_long_profile_opens_at_its_start():
    record = ProteinRecord("LONG", "MKVLAWEDTR" * 40)
    figure = views.prediction_profile(np.ones((400, 2), np.float32) / 2, [0, 1], MULTI, record, PROVENANCE)
    assert tuple(figure.layout.xaxis.range) == (-0.5, 149.5)


def test_class_names_are_never_markup():
    hostile = Predictor("residues", "multi_label_classification", ('<a href="javascript:x">', "b" * 500))
    bars = views.prediction_bars(np.ones(2, np.float32), [0, 1], hostile, RECORD, PROVENANCE)
    lines = views.prediction_profile(np.ones((3, 2), np.float32), [0, 1], hostile, RECORD, PROVENANCE)
    for figure in (bars, lines):
        assert "<a" not in figure.to_json().replace("\\u003c", "<")
        assert "b" * 41 not in figure.to_json()
