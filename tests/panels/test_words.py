"""The words and lists beside a figure say what that figure shows."""

import numpy as np
import pytest

from esmviz import panels
from esmviz.panels import LogitsLook, MapLook, look, texts
from esmviz.panels.attention import attention
from esmviz.types import EmbeddingSet, OverHeads, Projection, ProteinRecord, Provenance, Thumbnails

MADE = Provenance("fake", "1", "float32", layer=1)
WINDOWED = Provenance("fake", "1", "float32", layer=1, windows=((0, 6), (4, 10)))
RECORD = ProteinRecord("one", "MKVLAWGHCD")


def grouped(n=4, labels="aabb", clusters=(0, 0, 1, 1), windows=(), method="umap"):
    records = [
        ProteinRecord(f"p{i}", "MKV", "", {"kind": label} if label else {}) for i, label in enumerate(labels)
    ]
    ids = tuple(record.id for record in records)
    vectors = EmbeddingSet(
        ids, np.eye(n, dtype=np.float32), "fake", "1", 1, "mean", "float32", windows=windows
    )
    shares = {"explained": [0.6, 0.3]} if method == "pca" else {}
    projection = Projection(ids, np.zeros((n, 2), np.float32), method, shares)
    return panels.Grouped(records, vectors, projection, np.array(clusters))


def drawn(of_set, **look_parts):
    seen = MapLook(grouping="hdbscan", group_params={"min_cluster_size": 2}, **look_parts)
    return panels.clusters(of_set, seen, "mine", MADE, pooling="mean", colour="kind").panel


def test_a_map_is_explained_by_what_made_it():
    assert "the axes do not" in drawn(grouped()).text[0]
    text, citation, _ = drawn(grouped(method="pca")).text
    assert "directions in which the vectors differ most" in text
    assert "number of neighbours" not in text
    assert "Pearson" in citation
    kmeans = MapLook(grouping="kmeans", group_params={"k": 2, "seed": 0})
    panel = panels.clusters(grouped(), kmeans, "mine", MADE, pooling="mean", colour="kind").panel
    assert "k-means" in panel.text[0]
    assert "HDBSCAN" not in panel.text[0]


SETS = [(f"{texts.CLUSTERS[0]} {how}",) for how in texts.GROUPINGS.values()]


@pytest.mark.parametrize("text", [texts.PRINCIPAL, texts.SYMMETRIC, texts.MAXIMUM, *SETS])
def test_they_stay_short(text):
    assert len(text[0].split()) <= 80


def test_proteins_in_windows_are_counted_in_caption_and_file():
    panel = drawn(grouped(windows=(((0, 2), (1, 3)), (), (), ())))
    assert "1 of 4 proteins read in windows" in panel.figure.to_json()
    assert panel.facts["windows"] == {"p0": "2 windows of 2 residues, overlap 1"}
    assert not drawn(grouped()).facts["windows"]


def test_agreement_stands_where_there_is_something_to_agree_with():
    name = "Agreement with kind (adjusted Rand index)"
    assert grouped().facts("kind").values[name] == "1.00"
    for labels in ("abcd", ["", "", "a", ""], [""] * 4):
        assert name not in grouped(labels=labels).facts("kind").values


def test_no_group_is_no_zero_without_a_reason():
    assert "two or more" in grouped(clusters=(-1, -1, -1, -1)).facts("kind").values["Groups"]
    assert grouped().facts("kind").values["Groups"] == "2"


def map_of(seen):
    values = np.full((10, 10), 0.05, dtype=np.float32)
    return attention(values, seen, RECORD, MADE, stretch=slice(0, 10)).panel


def test_the_largest_of_all_heads_is_no_share_of_a_row():
    panel = map_of(look.Look("max over heads", OverHeads(1, 1, "max"), "attention"))
    assert panel.text is texts.MAXIMUM
    assert "share" not in panel.figure.data[0].colorbar.title.text
    mean = map_of(look.Look("mean over heads", OverHeads(1, 1), "attention"))
    assert mean.text is texts.ATTENTION
    assert "share of a row" in mean.figure.data[0].colorbar.title.text
    both_ways = map_of(look.Look("mean over heads", OverHeads(1, 1), "symmetric"))
    assert both_ways.text is texts.SYMMETRIC


def test_distances_from_blocks_are_called_so():
    values = np.full((1, 2, 5, 5), 0.1, dtype=np.float32)
    title = attention(values, look.ALL_HEADS, RECORD, MADE, stretch=slice(0, 10)).beside[0].title
    assert title == "Heads by mean distance (residues), from block means"
    exact = np.full((1, 2, 10, 10), 0.1, dtype=np.float32)
    assert "block" not in attention(exact, look.ALL_HEADS, RECORD, MADE, stretch=slice(0, 10)).beside[0].title
    assert isinstance(look.ALL_HEADS.probe, Thumbnails)


def logits_of(sequence, show, scheme="wild-type marginals", made=MADE):
    values = np.random.default_rng(0).normal(size=(len(sequence), 20)).astype(np.float32)
    seen = LogitsLook(slice(0, len(sequence)), show, scheme)
    return panels.logits(values, seen, ProteinRecord("x", sequence), made)


def test_least_expected_are_residues_that_have_an_expectation():
    columns = logits_of("MKXBAC", "wild type").beside[1].columns
    assert sorted(columns["residue"]) == ["A5", "C6", "K2", "M1"]
    assert columns["log p"] == sorted(columns["log p"])


@pytest.mark.parametrize("scheme", ["wild-type marginals", "masked marginals"])
def test_a_protein_without_a_standard_residue_has_no_perplexity(scheme):
    values = logits_of("XXX", "entropy", scheme).beside[0].values
    assert "none: no standard residue" in values.values()
    assert "nan" not in str(values)


def test_masked_marginals_in_windows_are_explained_as_they_are_computed():
    masked = logits_of(RECORD.sequence, "entropy", "masked marginals", WINDOWED).panel.reading[0]
    assert "nearest to the middle" in masked
    assert "counts more" not in masked
    assert "counts more" in logits_of(RECORD.sequence, "entropy", made=WINDOWED).panel.reading[0]


def test_lists_of_a_protein_that_the_map_shows_in_part_say_so():
    rng = np.random.default_rng(0)

    def noted(n):
        record = ProteinRecord("one", "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), n)))
        values = rng.normal(size=(n, 20)).astype(np.float32)
        shown = panels.logits(values, LogitsLook(slice(0, n)), record, MADE)
        return {piece.note for piece in shown.beside if isinstance(piece, panels.Table)}

    assert noted(180) == {""}  # without a slider
    assert noted(286) == {"Of all 286 residues, whether the map shows them at the moment or not."}
