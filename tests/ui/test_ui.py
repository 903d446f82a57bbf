"""The glue around the pages: escapes, headers, words, tables."""

import re
from pathlib import Path

import numpy as np
import pytest
from markdown_it import MarkdownIt

from esmviz.analysis.maps import block_means
from esmviz.analysis.reach import mean_distance, ranked_heads
from esmviz.panels import colouring, tables, texts
from esmviz.types import ProteinRecord
from esmviz.ui import figures
from esmviz.ui.errors import plain

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = [
    "![x](http://evil.test/a.png)",
    "[x](javascript:alert(1))",
    "<img src=http://evil.test/a.png>",
    "<script>alert(1)</script>",
    "$\\href{http://evil.test}{x}$",
    ":red[x] :material/home:",
    "http://evil.test www.evil.test",
    "# title\n- list\n| a | b |\n|---|---|",
    "`code` **bold** ~~gone~~ &lt;b&gt;",
    "\\![x](http://evil.test)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_plain_text_stays_plain_in_markdown(text):
    html = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    rendered = html.render(plain(text))
    assert "<" not in rendered.replace("<p>", "").replace("</p>", "")


def test_plain_keeps_every_word():
    html = MarkdownIt("commonmark").render(plain("Record 3 (sp|P69905) has `1` at position 5 of line 12."))
    assert html == "<p>Record 3 (sp|P69905) has `1` at position 5 of line 12.</p>\n"


@pytest.mark.parametrize(
    "name",
    [name for name in dir(texts) if name.isupper() and isinstance(getattr(texts, name), tuple)],
)
def test_how_to_read_is_short_and_cited(name):
    text, citation, doi = getattr(texts, name)
    assert 20 <= len(text.split()) <= 80
    assert citation.endswith(".")
    assert doi.startswith("10.")


def test_pairs_of_one_protein_say_how_far_apart():
    record = ProteinRecord("p", "MKVL")
    table = tables.pairs([(0, 3, 0.98765)], record, record, "cosine", percentile=[99.123])
    assert table == {
        "residue": ["M1"],
        "with": ["L4"],
        "cosine": [0.988],
        "apart": [3],
        "percentile": [99.12],
    }


def test_pairs_of_two_proteins_are_named_by_their_ids():
    table = tables.pairs([(1, 0, 0.5)], ProteinRecord("a", "MK"), ProteinRecord("b", "W"), "cosine")
    assert table == {"a": ["K2"], "b": ["W1"], "cosine": [0.5]}


def test_matrix_has_a_column_a_residue():
    values = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    table = tables.matrix(values, ProteinRecord("a", "MK"), ProteinRecord("b", "WWW"))
    assert list(table) == ["residue", "W1", "W2", "W3"]
    assert list(table["W3"]) == [3, 6]


def test_proteins_table_survives_labels_named_like_its_columns():
    records = [ProteinRecord("a", "MK", labels={"cluster": "mine", "id": "x"}), ProteinRecord("b", "M")]
    table = tables.proteins(records, [0, 1], np.array([0, -1]))
    assert table["cluster"] == ["1", "noise"]
    assert table["cluster (label)"] == ["mine", ""]
    assert table["id"] == ["a", "b"]


def test_colour_groups():
    records = [ProteinRecord("a", "MK", labels={"family": "x"}), ProteinRecord("b", "M")]
    assert colouring.colour_groups(records, "family", []) == ["x", "unlabelled"]
    assert colouring.colour_groups(records, "length", []).tolist() == [2, 1]
    assert colouring.colour_groups(records, "cluster", ["cluster 1", "noise"]) == ["cluster 1", "noise"]


def test_mean_distance_equals_a_loop_where_blocks_are_residues():
    rng = np.random.default_rng(0)
    attention = rng.random((2, 3, 9, 9)).astype(np.float32)
    expected = np.zeros((2, 3))
    for layer in range(2):
        for head in range(3):
            total = distance = 0.0
            for i in range(9):
                for j in range(9):
                    total += attention[layer, head, i, j]
                    distance += attention[layer, head, i, j] * abs(i - j)
            expected[layer, head] = distance / total
    np.testing.assert_allclose(mean_distance(attention, 9), expected, rtol=1e-5)


def test_mean_distance_from_blocks_is_close_and_ranks_heads():
    n = 100
    i, j = np.indices((n, n))
    near, far = np.exp(-np.abs(i - j) / 4.0), (np.abs(i - j) > 60).astype(float)
    attention = np.stack([near, far])[None].astype(np.float32)
    exact = mean_distance(attention, n)
    blocks, _, _ = block_means(attention, 48)
    np.testing.assert_allclose(mean_distance(blocks, n), exact, atol=1.0)
    assert [(layer, head) for layer, head, _ in ranked_heads(exact)] == [(1, 1), (1, 0)]


def test_a_head_without_attention_is_last():
    assert ranked_heads(np.array([[np.nan, 2.0]], dtype=np.float32))[-1][:2] == (1, 0)


def test_tables_of_the_page_hold_no_formula():
    columns = {"=id": ["=1+1", "P1", None, 2], "x": np.array([-1.5, 2.0])}
    shown = tables.shown(columns)
    assert shown["'=id"] == ["'=1+1", "P1", None, 2]
    assert shown["x"] is columns["x"]


def test_every_table_of_the_pages_goes_through_that_door():
    """Streamlit's own button saves what a table shows as CSV, as it stands."""
    sources = [*(ROOT / "esmviz" / "ui").glob("*.py"), *(ROOT / "pages").glob("*.py")]
    drawn = [path.read_text(encoding="utf-8") for path in sources]
    assert sum(text.count("st.dataframe(") for text in drawn) > 5
    beside = r"(st\.dataframe|st\.table|data_editor)\((?!\s*(tables\.|_)?shown\()"
    assert not [path.name for path, text in zip(sources, drawn, strict=True) if re.search(beside, text)]


def test_a_table_for_the_browser_holds_no_formula_and_keeps_its_numbers():
    shown = figures._shown({"=id": ["=1+1", None], "x": np.array([-1.5, np.nan]), "n": [1, 2]})
    assert shown.to_pydict() == {"'=id": ["'=1+1", None], "x": [-1.5, None], "n": [1, 2]}


def test_words_and_numbers_in_one_column_are_left_to_streamlit():
    assert figures._shown({"=mixed": ["=1+1", 2]}) == {"'=mixed": ["'=1+1", 2]}
