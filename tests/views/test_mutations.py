"""Probabilities and mutation scores."""

import numpy as np
import pytest

from esmviz import views
from esmviz.types import AMINO_ACIDS, ProteinRecord, Provenance

PROVENANCE = Provenance("mini", "1234567890abcdef", "float32")
RECORD = ProteinRecord("P1", "MKXA")
FIELD = "KRHEDNQTSCGAVLIMPYFW"


def scores(record=RECORD):
    values = np.random.default_rng(0).normal(-3, 2, (len(record), 20)).astype(np.float32)
    for index, letter in enumerate(record.sequence):
        values[index, AMINO_ACIDS.find(letter)] = 0
        if letter not in AMINO_ACIDS:
            values[index] = np.nan
    return values


def noted(figure, name):
    return next(note.text for note in figure.layout.annotations if note.name == name)


@pytest.mark.parametrize(
    ("order", "letters"), [("field", FIELD), ("alphabet", AMINO_ACIDS), ("property", "AVLIMFYWGPCSTNQHKRDE")]
)
def test_rows_stand_in_the_asked_order(order, letters):
    values = scores()
    figure = views.mutation_heatmap(values, RECORD, PROVENANCE, scheme="masked marginals", row_order=order)
    assert "".join(figure.data[0].y) == letters
    assert sorted(letters) == sorted(AMINO_ACIDS)
    for row, letter in enumerate(letters):
        np.testing.assert_array_equal(figure.data[0].z[row], values[:, AMINO_ACIDS.index(letter)])


def test_scores_are_diverging_around_zero_red_below_blue_above():
    figure = views.mutation_heatmap(scores(), RECORD, PROVENANCE, scheme="wild-type marginals")
    heatmap = figure.data[0]
    assert heatmap.zmin == -heatmap.zmax
    assert heatmap.colorscale[0][1] == "rgb(103,0,31)"
    assert heatmap.colorscale[-1][1] == "rgb(5,48,97)"
    assert "wild-type marginals" in noted(figure, "caption")
    assert f"colours −{heatmap.zmax:g} to {heatmap.zmax:g}" in noted(figure, "caption")
    fixed = views.mutation_heatmap(scores(), RECORD, PROVENANCE, scheme="s", limit=8)
    assert (fixed.data[0].zmin, fixed.data[0].zmax) == (-8, 8)


def test_hover_names_the_mutation_and_the_amino_acids():
    heatmap = views.mutation_heatmap(scores(), RECORD, PROVENANCE, scheme="s").data[0]
    row = FIELD.index("V")
    assert heatmap.text[row][3] == "<b>A4V</b> alanine, aliphatic → valine, aliphatic"
    assert heatmap.text[FIELD.index("A")][3] == "<b>A4</b> alanine, aliphatic, the wild type"
    assert "%{z:.2f} nats" in heatmap.hovertemplate


def test_wild_types_are_dotted_and_x_has_neither_dot_nor_colour():
    figure = views.mutation_heatmap(scores(), RECORD, PROVENANCE, scheme="s")
    assert list(zip(figure.data[1].x, figure.data[1].y, strict=True)) == [
        ("M1", "M"),
        ("K2", "K"),
        ("A4", "A"),
    ]
    assert np.isnan(figure.data[0].z[:, 2]).all()
    assert figure.layout.plot_bgcolor != figure.layout.template.layout.paper_bgcolor


def test_nothing_computed_yet_is_a_grey_map():
    figure = views.mutation_heatmap(np.full((4, 20), np.nan, np.float32), RECORD, PROVENANCE, scheme="s")
    assert figure.data[0].zmax == 1


def test_probabilities_run_from_0_to_1_and_x_is_grey():
    figure = views.probability_heatmap(np.full((4, 20), 0.05, np.float32), RECORD, PROVENANCE)
    assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 1)
    assert np.isnan(figure.data[0].z[:, 2]).all()
    assert (figure.data[0].z[:, [0, 1, 3]] == np.float32(0.05)).all()


def test_a_long_protein_opens_at_its_start_with_a_slider():
    record = ProteinRecord("LONG", "MKVLAWEDTR" * 40)
    figure = views.mutation_heatmap(scores(record), record, PROVENANCE, scheme="s")
    assert figure.data[0].z.shape == (20, 400)
    assert tuple(figure.layout.xaxis.range) == (-0.5, 149.5)
    assert figure.layout.xaxis.rangeslider.visible
    assert tuple(figure.layout.xaxis.rangeslider.range) == (-0.5, 399.5)
    assert figure.layout.dragmode == "pan"
    short = views.mutation_heatmap(scores(), RECORD, PROVENANCE, scheme="s")
    assert short.layout.xaxis.rangeslider.visible is None
    assert tuple(short.layout.xaxis.range) == (-0.5, 3.5)


def test_a_giant_leaves_the_words_out():
    record = ProteinRecord("TITIN", "MKVLAWEDTR" * 151)
    heatmap = views.mutation_heatmap(scores(record), record, PROVENANCE, scheme="s").data[0]
    assert heatmap.text is None
    assert heatmap.hovertemplate.startswith("%{x} → %{y}")
