"""Bytes that leave the house: tables, arrays, names, offline figures."""

import csv
import io
import json
import re
from urllib.parse import unquote

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esmviz import export

ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1)


def loaded(data):
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_could_be_a_formula_is_neutralised(start):
    text = export.csv_bytes({f"{start}head": [f"{start}1+cmd"]}).decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert [cell[0] for row in rows for cell in row] == ["'", "'"]


def test_numbers_stay_numbers():
    values = [-1.5, -2, np.float32(-0.1), np.int64(-7), float("nan"), None]
    lines = export.csv_bytes({"a": values, "b": ["x"] * 6}).decode().split("\n")
    assert lines == ["a,b", "-1.5,x", "-2,x", "-0.1,x", "-7,x", ",x", ",x", ""]


@given(st.floats(width=32, allow_nan=False))
def test_a_float32_reads_back_exactly(value):
    assert np.float32(export.csv_cell(np.float32(value))) == np.float32(value)


@given(st.lists(ANY_TEXT, min_size=1))
def test_a_table_has_no_carriage_return_and_keeps_its_rows(cells):
    data = export.csv_bytes({"id": cells, "n": list(range(len(cells)))})
    assert b"\r" not in data
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    assert [row[1] for row in rows[1:]] == [str(number) for number in range(len(cells))]
    assert not any(row[0].startswith(("=", "+", "-", "@", "\t")) for row in rows)


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        export.csv_bytes({"a": [1, 2], "b": [1]})


@given(ANY_TEXT)
def test_a_safe_key_is_safe_and_reads_back(identifier):
    key = export.safe_key(identifier)
    assert not re.search(r"[/\\\x00-\x1f]", key)
    assert ".." not in key
    assert key not in (".", *export.RESERVED)
    assert not key.endswith(".npy")
    assert unquote(key, errors="surrogatepass") == identifier


@pytest.mark.parametrize("name", export.RESERVED)
def test_reserved_names_are_encoded(name):
    assert export.safe_key(name) == f"%{ord(name[0]):02X}{name[1:]}"


def test_an_array_without_a_name_is_refused():
    with pytest.raises(ValueError, match="name"):
        export.safe_key("")


def test_npz_round_trip_without_pickle():
    arrays = {"ids": ["a", "bä"], "vectors": np.eye(2, dtype=np.float32)}
    by_id = {"meta": np.ones(1), "../x": np.zeros((2, 2)), "a.npy": np.arange(3), "a": np.arange(2)}
    meta = {"model": "mini", "layer": np.int64(3), "windows": ((0, 5),), "note": "é"}
    found = loaded(export.npz_bytes(arrays, meta, by_id=by_id))
    assert found["ids"].tolist() == ["a", "bä"]
    assert found["vectors"].dtype == np.float32
    assert {unquote(key) for key in found} == {"ids", "vectors", *by_id}
    for identifier, array in by_id.items():
        np.testing.assert_array_equal(found[export.safe_key(identifier)], array)
    assert json.loads(str(found["meta"])) == {"model": "mini", "layer": 3, "windows": [[0, 5]], "note": "é"}


def test_equal_content_gives_equal_bytes():
    first, second = (export.npz_bytes({"a": np.arange(3)}, {"model": "mini"}) for _ in range(2))
    assert first == second


def test_what_only_pickle_could_store_is_refused():
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        export.npz_bytes({"a": np.array([{}, []], dtype=object)}, {})


def test_two_arrays_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two arrays"):
        export.npz_bytes({"meta": np.ones(1)}, {})


@given(st.lists(ANY_TEXT, max_size=3))
def test_a_file_name_is_plain(parts):
    name = export.download_name(*parts, suffix="csv")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.csv", name)
    assert ".." not in name
    assert len(name) <= 110


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("esmviz", "sp|P69905|HBA_HUMAN", 5), "esmviz-sp-P69905-HBA_HUMAN-5.npz"),
        (("../../etc/passwd",), "etc-passwd.npz"),
        (("con",), "esmviz-con.npz"),
        (("…",), "esmviz.npz"),
        ((), "esmviz.npz"),
    ],
)
def test_file_names(parts, name):
    assert export.download_name(*parts, suffix="npz") == name


def figure(paper="#FFFFFF"):
    drawn = go.Figure(go.Heatmap(z=[[1, 2], [3, 4]], text=[["</script><b>", "b"], ["c", "d"]]))
    drawn.update_layout(template=go.layout.Template(layout={"paper_bgcolor": paper}))
    return drawn


def test_a_figure_is_one_file_with_plotly_once_and_nothing_loaded_from_outside():
    page = export.html_bytes(figure(), "Title", ["model mini"]).decode()
    assert 4_000_000 < len(page) < 7_000_000
    assert page.count("plotly.js v") == 1
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=", page)
    assert "default-src 'none'" in page
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert "http" not in policy
    assert '"showSendToCloud": false' in page
    assert "<li>model mini</li>" in page


def test_user_text_in_a_page_is_escaped():
    page = export.html_bytes(figure(), "<img src=x>", ["<script>alert(1)</script>", "a & b"]).decode()
    assert "<img src=x>" not in page
    assert "<script>alert(1)" not in page
    assert "</script><b>" not in page
    assert "&lt;img src=x&gt;" in page
    assert "a &amp; b" in page


@pytest.mark.parametrize(("paper", "theme"), [("#FFFFFF", "light"), ("#14171A", "dark")])
def test_a_page_takes_the_look_of_its_figure(paper, theme):
    assert f'data-theme="{theme}"' in export.html_bytes(figure(paper), "t").decode()


@pytest.mark.parametrize(("of", "bits"), [(np.float32, np.uint32), (np.float64, np.uint64)])
def test_numbers_of_an_array_are_written_as_one_by_one(of, bits):
    random = np.random.default_rng(0)
    values = random.integers(0, np.iinfo(bits).max, 5000, bits, endpoint=True).view(of)
    special = np.array([0, -0.0, 1e-5, 1e-4, 1e15, 1e16, np.nan, np.inf, -np.inf], of)
    column = np.concatenate([values, special, random.random(1000).astype(of)])
    lines = export.csv_bytes({"n": range(len(column)), "x": column}).decode().splitlines()
    assert lines == ["n,x", *(f"{n},{export.csv_cell(value)}" for n, value in enumerate(column))]
