"""The still picture of a structure, and nothing of a stored exhibit that a browser would run."""

import re
from dataclasses import replace

from esmviz.exhibit import Molecule
from esmviz.report.molecules import MOST_BONDS, Place, molecule, still, trace
from esmviz.views import theme
from tests.report.conftest import HOSTILE, MMCIF


def test_the_trace_is_one_place_a_residue():
    found = trace(MMCIF)
    assert [place.residue for place in found] == list(range(5))
    assert found[0] == Place("c0", 1, 3.8, 1.0, 0.0, 0)


def test_lines_join_neighbours_and_not_what_is_interrupted():
    drawn = still(trace(MMCIF), ["#111111", "#222222", "#333333", "#444444", "#555555"])
    assert drawn.count("<path") == 3  # between the third and the fourth the chain has a gap
    assert re.findall(r'stroke="(#\d+)"', drawn) == ["#222222", "#333333", "#555555"]


def test_near_lines_are_drawn_over_far_ones():
    places = [Place("c0", n, 3.8 * n, 0, z, n) for n, z in enumerate((9.0, 0.0, -9.0))]
    drawn = still(places, ["#111111", "#222222", "#333333"])
    shades = re.findall(r'stroke="(#\d+)" style="[^"]* (\d+)%', drawn)
    assert shades == [("#333333", "35"), ("#222222", "100")]


def test_a_very_long_chain_is_thinned_and_says_so():
    places = [Place("c0", n, n, 0, 0, n) for n in range(2 * MOST_BONDS + 1)]
    drawn = still(places, [])
    assert drawn.count("<path") <= MOST_BONDS
    assert "every 3. residue" in drawn
    assert f'stroke="{theme.MISSING}"' in drawn


def test_no_backbone_is_no_picture():
    assert still([], []) == ""
    assert "<svg class" not in molecule(Molecule("x", "x", "data_x\n", {"title": "t", "colours": []}), "a")


def test_nothing_stored_is_markup():
    painting = {
        "title": HOSTILE,
        "colours": ['red" onload="x'] * 5,
        "words": [HOSTILE],
        "legend": [[HOSTILE, HOSTILE]],
    }
    text = molecule(replace(Molecule("x", HOSTILE, MMCIF, painting), name=HOSTILE), "a")
    assert "<img" not in text
    assert "onload" not in text
    assert text.count("<script") == text.count("</script") == 1
