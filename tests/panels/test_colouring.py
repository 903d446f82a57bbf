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


def test_many_groups_go_before_numbers_and_names_of_single_proteins():
    n = 200
    records = labelled(
        accession=[f"A{i}" for i in range(n)],
        mass=[f"{i}.5" for i in range(n)],
        superfamily=[f"s{i % 45}" for i in range(n)],
    )
    assert colouring.colours(records) == ["superfamily", "mass", "accession", "cluster", "length"]


@pytest.mark.parametrize(
    ("values", "is_scale"),
    [
        (NUMBERS, True),
        (["", *NUMBERS], True),
        (["-1e-3", "+.5", "7.", *NUMBERS], True),
        ([*NUMBERS, "NA", "-", "n.d."], True),  # what people write for none
        ([str(i % 40) for i in range(400)], True),  # more than a legend has room for
        (["1", "2", "3"] * 10, False),  # names of groups
        ([str(i % 15) for i in range(60)], False),  # clusters of one's own
        ([f"1.{i % 20}" for i in range(60)], False),
        (["0." + "0" * i for i in range(1, 20)], False),  # one number, in many spellings
        ([*NUMBERS, "high"], False),
        ([*NUMBERS, "1_000"], False),
        ([*NUMBERS, "1e39"], False),  # no float32
        ([*NUMBERS, "9" * 5000], False),
        ([*NUMBERS, "\u0661"], False),
        ([""] * 20, False),
    ],
)
def test_numbers_on_a_scale_are_told_from_names(values, is_scale):
    assert (colouring.measurements(labelled(value=values), "value") is not None) is is_scale


@pytest.mark.parametrize("name", ["family", "OX", "tax_id", "Cluster", "cluster", "EC"])
def test_codes_are_never_a_scale(name):
    records = labelled(**{name: [str(9606 + i) for i in range(50)]})
    assert colouring.measurements(records, colouring.colour_name(name)) is None


def test_a_measurement_is_a_scale_with_gaps():
    values = colouring.colour_groups(labelled(activity=["", "NA", *NUMBERS]), "activity", [])
    assert np.isnan(values[:2]).all()
    np.testing.assert_array_equal(values[2:], np.float32(NUMBERS))


def test_groups_are_not_held_against_a_measurement():
    records = labelled(activity=NUMBERS, kind=["a", "b"] * 10)
    ids = tuple(record.id for record in records)
    vectors = EmbeddingSet(ids, np.zeros((20, 2), np.float32), "fake", "1", 1, "mean", "float32")
    projection = Projection(ids, np.random.default_rng(0).random((20, 2), np.float32), "umap", {})
    grouped = panels.Grouped(records, vectors, projection, np.array([0, 1] * 10))
    assert "Agreement with kind (adjusted Rand index)" in grouped.facts("kind").values
    assert grouped.facts("activity").values["Agreement with groups"] == "none: activity is a scale"
    made = Provenance("fake", "1", "float32", layer=1)
    drawn = panels.clusters(grouped, MapLook(), "mine", made, pooling="mean", colour="activity").panel.figure
    assert drawn.data[0].marker.colorbar.title.text == "activity"
