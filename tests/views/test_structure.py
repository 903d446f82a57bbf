"""Colours of a structure, and the figures beside it."""

import numpy as np
import pytest

from esmviz import views
from esmviz.types import ProteinRecord, Provenance
from esmviz.views import theme

RECORD = ProteinRecord("p", "MKVLA")
PROVENANCE = Provenance("fold", "0123456789", "float32")
PLDDT = np.array([95, 90, 70.5, 50, 12], dtype=np.float32)
BANDS = ["#0053D6", "#65CBF3", "#65CBF3", "#FF7D45", "#FF7D45"]


def test_confidence_has_the_four_bands_of_the_field():
    painting = views.paint_confidence(PLDDT, list("abcde"))
    assert list(painting.colours) == BANDS
    assert [colour for _, colour in painting.legend] == ["#0053D6", "#65CBF3", "#FFDB13", "#FF7D45"]
    assert painting.words[0] == "a · pLDDT 95"
    assert views.paint_confidence(np.array([60], dtype=np.float32), ["a"]).colours == ("#FFDB13",)


def test_what_is_not_known_is_grey():
    values = np.array([0.5, np.nan, 1.5], dtype=np.float32)
    painting = views.paint_numbers(values, ["a", "b", "c"], "entropy (bits)")
    assert painting.colours[1] == theme.MISSING
    assert painting.colours[0] == "#440154"
    assert painting.colours[2].upper().startswith("#F")
    assert painting.words == (
        "a · entropy (bits) 0.5",
        "b · entropy (bits) not known",
        "c · entropy (bits) 1.5",
    )
    assert [label for label, _ in painting.legend] == ["0.5", "0.75", "1", "1.25", "1.5", "not known"]
    assert views.paint_confidence(values * np.nan, ["a", "b", "c"]).colours == (theme.MISSING,) * 3


@pytest.mark.parametrize("values", [[2.0, 2.0], [np.nan, np.nan]])
def test_one_value_for_all_or_none_is_drawn(values):
    painting = views.paint_numbers(np.array(values, dtype=np.float32), ["a", "b"], "x")
    assert len(set(painting.colours)) == 1


def test_chains_have_colours_of_their_own():
    painting = views.paint_chains(np.array([0, 0, 1]), ["A", "B"], ["A M1", "A K2", "B M1"])
    assert painting.colours[0] == painting.colours[1] != painting.colours[2]
    assert [label for label, _ in painting.legend] == ["chain A", "chain B"]
    assert painting.words == ("A M1", "A K2", "B M1")


def test_profile_is_in_the_bands_and_says_where_it_comes_from():
    figure = views.plddt_profile(PLDDT, RECORD, PROVENANCE)
    [bars] = figure.data
    assert list(bars.marker.color) == BANDS
    np.testing.assert_allclose(bars.y, PLDDT)
    assert figure.layout.yaxis.range == (0, 100)
    assert any("model fold" in note.text for note in figure.layout.annotations if note.text)


def test_aligned_error_runs_from_0_to_30():
    pae = np.arange(25, dtype=np.float32).reshape(5, 5)
    figure = views.aligned_error_map(pae, RECORD, PROVENANCE)
    [heatmap] = figure.data
    assert (heatmap.zmin, heatmap.zmax) == (0, 30)
    np.testing.assert_array_equal(heatmap.z, pae)
    assert "aligned residue" in figure.layout.yaxis.title.text
