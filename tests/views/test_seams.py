"""Windows in figures: lines at borders, squares on maps, and what is drawn of a very long protein."""

import numpy as np
import pytest

from esmviz import views
from esmviz.analysis.parts import drawn_part, drawn_stretch
from esmviz.types import AMINO_ACIDS, ProteinRecord, Provenance

RECORD = ProteinRecord("P1", "MKVLAWEDTRAC")
WINDOWS = ((0, 8), (4, 12))
PROVENANCE = Provenance("mini", "1234567890abcdef", "float32", windows=WINDOWS)
EVERY = slice(0, 12)


def profile(edges=None):
    values = np.ones(len(RECORD) if edges is None else len(edges) - 1, np.float32)
    return [
        views.entropy_profile(values, RECORD, PROVENANCE, edges=edges),
        views.wild_type_profile(-values, RECORD, PROVENANCE, edges=edges),
        views.mutation_heatmap(np.tile(-values, (20, 1)).T, RECORD, PROVENANCE, scheme="s", edges=edges),
        views.probability_heatmap(np.tile(values, (20, 1)).T / 20, RECORD, PROVENANCE, edges=edges),
    ]


def marks(figure):
    return [shape for shape in figure.layout.shapes if shape.name == "window"]


def caption(figure):
    return next(note.text for note in figure.layout.annotations if note.name == "caption")


def maps(values, provenance=PROVENANCE, edges=None):
    ends = None if edges is None else (edges, edges)
    common = {"edges": edges}
    return [
        views.attention_map(values, RECORD, provenance, **common),
        views.contact_map(values, RECORD, provenance, **common),
        views.similarity_heatmap(values, RECORD, RECORD, provenance, centered=True, edges=ends),
    ]


@pytest.mark.parametrize("figure", profile())
def test_borders_inside_the_protein_are_lines_between_residues(figure):
    assert [(mark.x0, mark.x1) for mark in marks(figure)] == [(3.5, 3.5), (7.5, 7.5)]
    assert "in 2 windows of 8 residues, overlap 4" in caption(figure).replace("<br>", " · ")


@pytest.mark.parametrize("figure", profile(edges=(5, 7, 9, 12)))
def test_a_part_in_blocks_says_so_and_marks_what_it_holds(figure):
    assert [mark.x0 for mark in marks(figure)] == [1.0]  # 8 is the middle of the second of three blocks
    assert "cells are means over blocks of residues" in caption(figure)
    assert "wild type dotted" not in caption(figure)
    assert list(figure.data[0].x) == ["W6–E7", "D8–T9", "R10–C12"]
    assert all(not len(trace.x) for trace in figure.data[1:])


def test_a_part_residue_by_residue_keeps_its_names_and_dots():
    figure = views.mutation_heatmap(
        np.zeros((3, 20), np.float32), RECORD, PROVENANCE, scheme="s", edges=(5, 6, 7, 8)
    )
    assert list(figure.data[0].x) == ["W6", "E7", "D8"]
    assert list(figure.data[1].y) == ["W", "E", "D"]
    assert "<b>W6K</b>" in figure.data[0].text[0][0]
    bars = views.entropy_profile(np.ones(3, np.float32), RECORD, PROVENANCE, edges=(5, 6, 7, 8)).data[0]
    assert bars.text[0] == "W6 (tryptophan, aromatic)<br>"
    likely = views.wild_type_profile(np.log(np.full(3, 0.5)), RECORD, PROVENANCE, edges=(5, 6, 7, 8)).data[0]
    assert likely.customdata[0] == " · probability 0.5"


def test_letters_that_name_no_amino_acid_are_grey_in_a_part_too():
    record = ProteinRecord("P", "MKXA")
    drawn = views.probability_heatmap(np.full((2, 20), 0.05, np.float32), record, PROVENANCE, edges=(2, 3, 4))
    assert np.isnan(drawn.data[0].z[:, 0]).all()
    assert not np.isnan(drawn.data[0].z[:, 1]).any()


@pytest.mark.parametrize("figure", maps(np.full((12, 12), 0.5, np.float32)))
def test_windows_are_squares_on_a_map(figure):
    squares = [(mark.type, mark.x0, mark.y0, mark.x1, mark.y1) for mark in marks(figure)]
    assert squares == [("rect", -0.5, -0.5, 7.5, 7.5), ("rect", 3.5, 3.5, 11.5, 11.5)]


def test_squares_follow_the_part_that_is_drawn():
    for figure in maps(np.full((2, 2), 0.5, np.float32), edges=(8, 10, 12)):
        assert [(mark.x0, mark.x1) for mark in marks(figure)] == [(-0.5, 1.5)]


def test_two_proteins_share_no_squares():
    other = ProteinRecord("P2", "MKV")
    figure = views.similarity_heatmap(np.zeros((12, 3), np.float32), RECORD, other, PROVENANCE, centered=True)
    assert marks(figure) == []


def test_pairs_without_a_window_are_grey_and_this_is_said():
    values = np.full((12, 12), 0.5, np.float32)
    values[0, 11] = values[11, 0] = np.nan
    for figure in maps(values)[:2]:
        assert "grey: in no window together" in caption(figure).replace("<br>", " · ")
        assert np.isnan(figure.data[0].z[0, 11])
        assert figure.layout.plot_bgcolor


def test_one_piece_has_no_marks():
    whole = Provenance("mini", "1234567890abcdef", "float32")
    for figure in maps(np.full((12, 12), 0.5, np.float32), whole):
        assert marks(figure) == []
        assert "windows" not in caption(figure)


def test_a_titin_sized_heatmap_is_small_enough_for_a_browser():
    record = ProteinRecord("titin", (AMINO_ACIDS * 1750)[:35_000])
    windows = tuple((start, start + 512) for start in range(0, 34_488, 255))
    drawn, edges = drawn_stretch(np.zeros((35_000, 20), np.float32), slice(0, 35_000))
    provenance = Provenance("mini", "1234567890abcdef", "float32", windows=windows)
    figure = views.mutation_heatmap(drawn, record, provenance, scheme="s", edges=edges)
    assert len(figure.to_json()) < 1_000_000
    assert figure.data[0].z.shape == (20, 4096)


def test_a_stretch_is_cut_out_and_exact_where_it_is_short():
    values = np.random.default_rng(0).standard_normal((12, 20)).astype(np.float32)
    values[3] = np.nan
    cells, edges = drawn_stretch(values, slice(2, 9))
    np.testing.assert_array_equal(cells, values[2:9])
    np.testing.assert_array_equal(edges, range(2, 10))
    line, _ = drawn_stretch(values[:, 0], slice(0, 12))
    np.testing.assert_array_equal(line, values[:, 0])
    means, edges = drawn_stretch(np.arange(50, dtype=np.float32), slice(10, 50), size=20)
    np.testing.assert_allclose(means, np.arange(10, 50).reshape(20, 2).mean(axis=1))
    assert (edges[0], edges[-1], len(edges)) == (10, 50, 21)
    square, _ = drawn_part(np.zeros((12, 12), np.float32), EVERY, EVERY)
    assert square.shape == (12, 12)
