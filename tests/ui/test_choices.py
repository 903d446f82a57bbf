"""What a visitor picks, and what of it reaches labels, tables and files."""

from typing import get_args

import numpy as np
import pytest

from esmviz.labels import provenance_facts
from esmviz.panels import Look, MapLook, colouring, tables, texts
from esmviz.types import (
    ContactHead,
    HeadStatistic,
    KeepHeads,
    OverHeads,
    ProteinRecord,
    Provenance,
    Rollout,
    Statistic,
    Thumbnails,
)
from esmviz.ui import errors


@pytest.mark.parametrize("text", ["www.evil.example/x", "HTTP://evil.example", "me@evil.example"])
def test_an_address_in_a_header_is_no_link(text):
    shown = errors.plain(text)
    assert "\u2060" in shown
    assert shown.replace("\u2060", "").replace("\\", "") == text


def test_files_count_heads_from_one_as_the_caption_does():
    facts = provenance_facts(Provenance("m", "r", "float32", layer=3, head=0, windows=((0, 5),)))
    assert (facts["layer"], facts["head"], facts["windows"]) == (3, 1, ("1-5",))
    assert provenance_facts(Provenance("m", "r", "float32"))["head"] is None


@pytest.mark.parametrize(
    ("probe", "kind", "are_shares"),
    [
        (KeepHeads(1, (0,)), "attention", True),
        (OverHeads(1, 2, "mean"), "apc", True),
        (OverHeads(1, 2, "max"), "attention", False),
        (ContactHead(), "contacts", False),
    ],
)
def test_maxima_say_nothing_of_the_special_tokens(probe, kind, are_shares):
    assert Look("", probe, kind).rows_are_shares is are_shares


def test_what_rows_lack_is_named_for_what_they_are():
    look = Look
    assert look("", KeepHeads(1, (0,)), "attention").lost(0.25).startswith("25% of the attention goes to")
    assert look("", Rollout(1, 2), "rollout").lost(0.25).startswith("25% comes from")
    assert look("", ContactHead(), "contacts").lost(0.25) == ""


def test_rollout_and_numbers_say_what_they_are():
    rollout = Look("rollout", Rollout(2, 5), "rollout")
    assert (rollout.summary, rollout.value) == ("rollout through layers 2 to 5", "rollout")
    assert rollout.is_directed
    assert rollout.pair_names == ("residue", "takes from")
    number = Look("", HeadStatistic("entropy"), "heads")
    assert (number.value, number.measure) == ("entropy", "mean entropy (bits)")
    grid = Look("", Thumbnails(), "grid")
    assert (grid.value, grid.measure) == ("block_means", "mean distance (residues)")


def test_every_statistic_has_its_words():
    assert texts.STATISTICS.keys() == set(get_args(Statistic))


@pytest.mark.parametrize("text", [texts.HEADS, texts.ROLLOUT])
def test_how_to_read_is_short(text):
    assert len(text[0].split()) <= 80


def test_a_label_called_cluster_is_not_our_clusters():
    records = [ProteinRecord("a", "MK", labels={"cluster": "mine"}), ProteinRecord("b", "MK")]
    colour = colouring.colour_name("cluster")
    assert colouring.colour_groups(records, colour, ["cluster 1"] * 2) == ["mine", "unlabelled"]
    assert colouring.label_values(records, colour) == ["mine", ""]
    assert colouring.label_values(records, "cluster") == ["", ""]


def test_a_thousand_labels_share_a_column():
    many = {f"k{number}": "v" for number in range(1000)}
    records = [
        ProteinRecord("a", "MK", labels={"family": "x", **many}),
        ProteinRecord("b", "MK", labels={"family": "y"}),
    ]
    table = tables.proteins(records, [0, 1], np.array([0, 0]))
    assert table["family"] == ["x", "y"]
    assert len(table) < 60
    own = [name for name in many if name in table]
    rest = table["other labels"]
    assert len(own) + len(rest[0].split("; ")) == 1000
    assert rest[1] == ""


def test_the_seeds_of_map_and_groups_are_both_kept():
    choice = MapLook("umap", {"seed": 5}, "kmeans", {"k": 2, "seed": 0})
    assert {**choice.params, **choice.group_facts} == {
        "seed": 5,
        "groups": "kmeans",
        "groups k": 2,
        "groups seed": 0,
    }
