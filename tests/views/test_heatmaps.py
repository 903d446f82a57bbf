"""Similarity, attention and contacts: what is in the figures."""

import itertools
import json

import numpy as np
import pytest

from esmviz import views
from esmviz.types import ProteinRecord, Provenance
from esmviz.views import theme

PROVENANCE = Provenance("mini", "1234567890abcdef", "float32", layer=3, head=0)
SEVEN = ProteinRecord("P1", "MKVLAWE")
FIVE = ProteinRecord("P2", "ACDEF")
EVIL = '<a href="javascript:alert(1)">x</a><img src=http://evil/x.png>\n'


def noted(figure, name):
    return next(note.text for note in figure.layout.annotations if note.name == name)


def random(*shape):
    return np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)


def long_record(n):
    return ProteinRecord("LONG", ("MKVLAWEDTR" * (n // 10 + 1))[:n])


def test_similarity_has_labels_range_and_square_cells():
    figure = views.similarity_heatmap(random(7, 7), SEVEN, SEVEN, PROVENANCE, centered=True)
    heatmap = figure.data[0]
    assert heatmap.z.shape == (7, 7)
    assert heatmap.z.dtype == np.float32
    assert (heatmap.zmin, heatmap.zmax) == (-1, 1)
    assert list(heatmap.x) == list(heatmap.y) == ["M1", "K2", "V3", "L4", "A5", "W6", "E7"]
    assert list(figure.layout.xaxis.ticktext) == ["M1", "E7"]
    assert figure.layout.yaxis.scaleanchor == "x"
    assert tuple(figure.layout.yaxis.range) == (6.5, -0.5)
    assert heatmap.hovertemplate.startswith("%{y} – %{x} · cosine %{z:.2f}")
    assert "cosine" in heatmap.colorbar.title.text


def test_similarity_of_two_proteins_names_both_and_says_when_it_is_raw():
    figure = views.similarity_heatmap(random(7, 5), SEVEN, FIVE, PROVENANCE, centered=False)
    assert list(figure.data[0].x) == ["A1", "C2", "D3", "E4", "F5"]
    assert noted(figure, "x title") == "residue of P2"
    assert figure.layout.yaxis.title.text == "residue of P1"
    caption = noted(figure, "caption").replace("<br>", " · ")
    assert "model mini · layer 3 · head 1 · float32 · revision 12345678" in caption
    assert "P1 against P2" in caption
    assert "raw cosine" in caption
    assert "colours −1 to 1" in caption


def test_percentiles_count_the_cells_that_are_lower():
    values = np.arange(25, dtype=np.float32).reshape(5, 5)
    other = ProteinRecord("P3", "KKKKK")
    heatmap = views.similarity_heatmap(values, FIVE, other, PROVENANCE, centered=True).data[0]
    assert heatmap.customdata.tolist() == (np.arange(25).reshape(5, 5) * 4).tolist()
    assert heatmap.customdata.nbytes == 25
    assert heatmap.hovertemplate.endswith(" · percentile %{customdata}<extra></extra>")


def test_a_large_map_carries_nothing_but_its_cells():
    record = long_record(1024)
    figure = views.similarity_heatmap(random(1024, 1024), record, record, PROVENANCE, centered=True)
    figure.data[0].z.fill(0.3)
    assert figure.data[0].text is None
    assert figure.data[0].customdata is None
    without = figure.to_dict()
    without["data"][0].pop("z")
    assert len(json.dumps(without, default=str)) < 150_000
    assert len(figure.to_json()) < 8_000_000


@pytest.mark.parametrize(("n", "expected"), [(7, 10), (141, 20), (286, 50), (1024, 100), (2300, 200)])
def test_ticks_are_first_round_and_last_and_never_crowd(n, expected):
    record = long_record(n)
    axis = views.attention_map(np.zeros((n, n), np.float32), record, PROVENANCE).layout.xaxis
    positions = [int(text[1:]) for text in axis.ticktext]
    assert (positions[0], positions[-1]) == (1, n)
    assert all(position % expected == 0 for position in positions[1:-1])
    assert len(positions) <= 15
    assert all(b - a >= 0.6 * expected for a, b in itertools.pairwise(positions) if n > 7)


def test_cells_of_a_part_and_of_blocks_are_named_by_their_residues():
    part = views.attention_map(random(3, 3), SEVEN, PROVENANCE, start=2)
    assert list(part.data[0].x) == ["V3", "L4", "A5"]
    blocks = views.attention_map(random(4, 4), SEVEN, PROVENANCE, step=2)
    assert list(blocks.data[0].x) == ["M1–K2", "V3–L4", "A5–W6", "E7"]
    assert "means over blocks" in noted(blocks, "caption")
    columns = (np.arange(8), np.array([0, 3, 5]))
    two = views.similarity_heatmap(random(7, 2), SEVEN, FIVE, PROVENANCE, centered=True, edges=columns)
    assert list(two.data[0].x) == ["A1–D3", "E4–F5"]
    assert "means over blocks" in noted(two, "caption")
    uneven = views.attention_map(random(2, 2), SEVEN, PROVENANCE, edges=np.array([1, 2, 7]))
    assert list(uneven.data[0].y) == ["K2", "V3–E7"]


def test_cells_that_do_not_fit_the_protein_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        views.attention_map(random(8, 8), SEVEN, PROVENANCE)


def test_attention_is_viridis_up_to_a_stated_limit():
    values = np.zeros((7, 7), np.float32)
    values[0, 0] = 0.5
    figure = views.attention_map(values, SEVEN, PROVENANCE)
    assert figure.data[0].zmin == 0
    assert figure.data[0].zmax == pytest.approx(np.percentile(values, 99.5))
    assert "99.5th percentile" in noted(figure, "caption")
    assert figure.data[0].colorscale[0][1] == "#440154"
    fixed = views.attention_map(values, SEVEN, PROVENANCE, limits=(0, 1))
    assert (fixed.data[0].zmin, fixed.data[0].zmax) == (0, 1)
    assert "percentile" not in noted(fixed, "caption")


def test_apc_is_diverging_around_zero():
    figure = views.attention_map(random(7, 7) - 0.8, SEVEN, PROVENANCE, kind="apc")
    assert figure.data[0].zmin == -figure.data[0].zmax
    assert figure.data[0].zmax > 0
    assert figure.data[0].colorscale[0][1] == "rgb(103,0,31)"


def test_an_empty_map_still_has_a_range():
    figure = views.attention_map(np.full((7, 7), np.nan, np.float32), SEVEN, PROVENANCE)
    assert figure.data[0].zmax > figure.data[0].zmin
    assert figure.layout.plot_bgcolor == theme.MISSING


def test_contacts_are_blues_from_0_to_1_with_guides_and_rings():
    record = long_record(20)
    figure = views.contact_map(random(20, 20), record, PROVENANCE, top=[(2, 12, 0.9), (15, 3, 0.8)])
    assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 1)
    assert len(figure.layout.shapes) == 2
    upper = figure.layout.shapes[0]
    assert (upper.x0, upper.y0, upper.x1, upper.y1) == (5.5, -0.5, 19.5, 13.5)
    assert list(figure.data[1].x) == ["V3", "L4"]
    assert list(figure.data[1].y) == ["V13", "W16"]
    assert "< 6" in noted(figure, "caption").replace("&lt;", "<")


def test_rings_of_a_part_stay_inside_it():
    part = views.contact_map(
        random(10, 10), long_record(20), PROVENANCE, top=[(2, 12, 0.9), (6, 13, 0.8)], start=5
    )
    assert list(part.data[1].x) == ["E7"]
    assert list(part.data[1].y) == ["L14"]


def test_ids_are_escaped_everywhere():
    record = ProteinRecord(EVIL, "MKV")
    text = str(
        views.similarity_heatmap(random(3, 3), record, FIVE_OF_THREE, PROVENANCE, centered=True).to_dict()
    )
    text += str(views.attention_map(random(3, 3), record, PROVENANCE, note=EVIL).to_dict())
    assert "<a" not in text
    assert "<img" not in text
    assert "&lt;a" in text


FIVE_OF_THREE = ProteinRecord("ok", "ACD")
