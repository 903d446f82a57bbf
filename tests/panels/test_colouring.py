"""What a map can be coloured by, and with what it begins."""

import numpy as np
import pytest

from esmviz import panels
from esmviz.panels import MapLook, colouring
from esmviz.types import EmbeddingSet, Projection, ProteinRecord, Provenance


def labelled(**columns):
    """Proteins with these labels, ``""`` for none."""
    rows = zip(*columns.values(), strict=True)
    return [
        ProteinRecord(f"p{i}", "MKV", labels={k: v for k, v in zip(columns, row, strict=True) if v})
        for i, row in enumerate(rows)
    ]


NUMBERS = [f"{number / 7:.3f}" for number in range(20)]


def test_it_begins_with_what_tells_groups_apart():
    records = labelled(
        accession=[f"A{i}" for i in range(20)],
        activity=NUMBERS,
        host=["human"] * 20,
        kind=["a", "b"] * 9 + ["", ""],
        taxon=["x", "y", "z", "x"] * 5,
    )
    assert colouring.colours(records) == [
        "taxon", "kind", "activity", "accession", "host", "cluster", "length",
    ]  # fmt: skip
    assert colouring.colours(labelled(family=NUMBERS, kind=["a", "b"] * 10))[0] == "family"


@pytest.mark.parametrize(
    ("values", "is_scale"),
    [
        (NUMBERS, True),
        (["", *NUMBERS], True),
        (["-1e-3", "+.5", "7.", *NUMBERS], True),
        (["1", "2", "3"] * 10, False),  # names of groups
        ([*NUMBERS, "n.d."], False),
        ([*NUMBERS, "nan"], False),
        ([*NUMBERS, "1_000"], False),
        ([*NUMBERS, "1e39"], False),  # no float32
        ([*NUMBERS, "9" * 5000], False),
        ([*NUMBERS, "\u0661"], False),
        ([""] * 20, False),
    ],
)
def test_numbers_on_a_scale_are_told_from_names(values, is_scale):
    assert colouring.is_measurement(values) is is_scale


def test_a_measurement_is_a_scale_with_gaps():
    values = colouring.colour_groups(labelled(activity=["", *NUMBERS]), "activity", [])
    assert np.isnan(values[0])
    np.testing.assert_array_equal(values[1:], np.float32(NUMBERS))


def test_groups_are_not_held_against_a_measurement():
    records = labelled(activity=NUMBERS, kind=["a", "b"] * 10)
    ids = tuple(record.id for record in records)
    vectors = EmbeddingSet(ids, np.zeros((20, 2), np.float32), "fake", "1", 1, "mean", "float32")
    projection = Projection(ids, np.random.default_rng(0).random((20, 2), np.float32), "umap", {})
    grouped = panels.Grouped(records, vectors, projection, np.array([0, 1] * 10))
    assert "Agreement with kind (adjusted Rand index)" in grouped.facts("kind").values
    assert not any("Agreement" in name for name in grouped.facts("activity").values)
    made = Provenance("fake", "1", "float32", layer=1)
    drawn = panels.clusters(grouped, MapLook(), "mine", made, pooling="mean", colour="activity").panel.figure
    assert drawn.data[0].marker.colorbar.title.text == "activity"
