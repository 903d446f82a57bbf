"""Entropy and the wild type's log-probability."""

import math

import numpy as np
import pytest

from esmviz import views
from esmviz.types import ProteinRecord, Provenance

PROVENANCE = Provenance("mini", "1234567890abcdef", "float32")
RECORD = ProteinRecord("P1", "MKX")


def test_entropy_is_in_bits_with_guides_in_equally_likely_residues():
    values = np.array([0, 2, 4.3], np.float32)
    figure = views.entropy_profile(values, RECORD, PROVENANCE)
    np.testing.assert_array_equal(figure.data[0].y, values)
    assert list(figure.data[0].x) == ["M1", "K2", "X3"]
    assert tuple(figure.layout.yaxis.range) == pytest.approx((0, math.log2(20)))
    assert "bits" in figure.layout.yaxis.title.text
    guides = [(shape.y0, shape.y1) for shape in figure.layout.shapes]
    assert guides == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert {"2", "4", "8", "16"} <= {note.text for note in figure.layout.annotations}
    assert figure.data[0].text[2] == "X3 (unknown residue)<br>"


def test_wild_type_says_probability_and_rank():
    values = np.array([0, math.log(0.25), np.nan], np.float32)
    ranks = np.array([1, 3, np.nan], np.float32)
    figure = views.wild_type_profile(values, RECORD, PROVENANCE, ranks=ranks)
    assert figure.data[0].customdata[1] == " · probability 0.25 · rank 3 of 20"
    assert "rank" not in figure.data[0].customdata[2]
    assert figure.data[0].text[1] == "K2 (lysine, positive)<br>"
    assert "nats" in figure.layout.yaxis.title.text


def test_a_long_profile_opens_at_its_start():
    record = ProteinRecord("LONG", "MKVLAWEDTR" * 40)
    figure = views.entropy_profile(np.ones(400, np.float32), record, PROVENANCE)
    assert tuple(figure.layout.xaxis.range) == (-0.5, 149.5)
    assert [text for text in figure.layout.xaxis.ticktext][:3] == ["M1", "R20", "R40"]
