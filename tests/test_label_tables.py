"""Labels from a table, joined to records by id."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esmviz.errors import EsmvizError, InvalidSequenceError, UploadTooLargeError
from esmviz.sequences import LabelTable, Limits, read_fasta, read_labels, with_labels

LIMITS = Limits(file_bytes=2**20, records=10, residues=1000, length=100)


def read(source: bytes | str, ids: str = "a b c") -> LabelTable:
    return read_labels(source, ids.split(), limits=LIMITS)


@pytest.mark.parametrize(
    "source",
    [
        "id,family,note\na,globin,x\nb,kinase,\n",
        "id\tfamily\tnote\r\na\tglobin\tx\r\nb\tkinase\t\r\n",
        "id;family;note\na;globin;x\nb;kinase;\n",
        '"id","family","note"\n"a","globin","x"\n\n"b", "kinase",""\n,,\n',
        "\ufeffid,family,note\na,globin,x\nb,kinase,",
        "id,family,note\na,globin,x\nb,kinase,\n".encode("utf-16"),
        gzip.compress(b"id,family,note\na,globin,x\nb,kinase,\n", mtime=0),
        "family,ID,note\nglobin,a,x\nkinase,b,\n",
        "family,Protein ID,note\nglobin,a,x\nkinase,b,\n",
        "whatever,family,note\na,globin,x\nb,kinase,\n",
        ",family,note\na,globin,x\nb,kinase,\n",
    ],
)
def test_every_form_of_the_same_table_reads_the_same(source: bytes | str) -> None:
    table = read(source)
    assert table.labels == {"a": {"family": "globin", "note": "x"}, "b": {"family": "kinase"}}
    assert table.columns == ("family", "note")
    assert (table.unmatched, table.unlabelled) == ((), ("c",))


def test_quoted_cells_may_hold_separators_quotes_and_line_ends() -> None:
    table = read('id,family\na,"globin, ""alpha""\nof man"\nb,x\n')
    assert table.labels["a"] == {"family": 'globin, "alpha" of man'}


def test_ids_of_no_record_are_listed_in_order() -> None:
    assert read("id,f\nz,1\na,2\ny,3\nz,4\n").unmatched == ("z", "y")


def test_uniprot_ids_match_by_accession_or_entry_where_that_is_one_record() -> None:
    ids = "sp|P69905|HBA_HUMAN tr|Q1|X_YEAST sp|P1|TWIN sp|P2|TWIN P68871"
    table = read("id,f\nP69905,1\nX_YEAST,2\nTWIN,3\nsp|P68871|HBB_HUMAN,4\np69905,5\n", ids)
    assert {key: labels["f"] for key, labels in table.labels.items()} == {
        "sp|P69905|HBA_HUMAN": "1",
        "tr|Q1|X_YEAST": "2",
        "P68871": "4",
    }
    assert table.unmatched == ("TWIN", "p69905")
    assert table.unlabelled == ("sp|P1|TWIN", "sp|P2|TWIN")


def test_exact_id_goes_before_a_part_of_one() -> None:
    table = read("id,f\nP1,part\nsp|P1|X,exact\n", "sp|P1|X")
    assert table.labels == {"sp|P1|X": {"f": "exact"}}
    assert table.unmatched == ("P1",)
    table = read("id,f\nP1,mine\n", "P1 sp|P1|X")
    assert table.labels == {"P1": {"f": "mine"}}


def test_of_several_id_columns_the_one_that_knows_the_records_is_taken() -> None:
    table = read("name,accession,f\na,P1,1\nb,P2,2\n")
    assert table.columns == ("accession", "f")
    assert table.labels["a"] == {"accession": "P1", "f": "1"}
    assert read("name,accession,f\na,P1,1\nb,P2,2\n", "P1 P2").columns == ("name", "f")


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ("", "fewer than two columns"),
        ("id\na\n", "fewer than two columns"),
        ("a sentence about proteins\n", "fewer than two columns"),
        ("id,f,f\na,1,2\n", r"column `f` twice \(line 1\)"),
        ("id,f\na,1\nb,1,2\n", "Line 3 of labels table has 3 cells, the header 2"),
        ("id,f\n\na,1\nb\n", "Line 4 of labels table has 1 cells"),
        ('id,f\na,1\nb,"open\nc,2\n', "Line 3 of labels table cannot be read"),
        ('id,f\na,"1"x\n', "Line 2 of labels table cannot be read"),
        ("id,f\na,1\nb,2\na,3\n", "Lines 2 and 4 of labels table say different things of a"),
        (b"id,f\na,\x00\n", "NUL"),
        (b"PK\x03\x04", "zip"),
        ("id,f\na," + "x" * 200_000 + "\n", "Line 2 of labels table cannot be read"),
    ],
)
def test_malformed_table_is_one_error_with_its_line(source: str | bytes, match: str) -> None:
    with pytest.raises(InvalidSequenceError, match=match):
        read(source)


def test_the_same_row_twice_is_no_conflict() -> None:
    table = read("id,f\na,1\na,1\n")
    assert table.labels == {"a": {"f": "1"}}
    assert table.unmatched == ()


def test_a_table_may_be_longer_than_the_set_within_reason() -> None:
    rows = "".join(f"x{number},1\n" for number in range(100))
    assert len(read("id,f\n" + rows).unmatched) == 100
    with pytest.raises(UploadTooLargeError, match="100 rows"):
        read("id,f\n" + rows + "y,1\n")
    with pytest.raises(UploadTooLargeError, match="ESMVIZ_MAX_UPLOAD_MB"):
        read("id,f\n" + "a,1\n" * 2**20)


def test_table_wins_over_the_header_and_the_rest_stays() -> None:
    records = read_fasta(">a family=old OS=Yeast\nMKV\n>b family=old\nMKW\n", limits=LIMITS).records
    joined = with_labels(records, read("id,family\na,new\n", "a b"))
    assert [record.labels for record in joined] == [{"family": "new", "OS": "Yeast"}, {"family": "old"}]
    assert [record.sequence for record in joined] == ["MKV", "MKW"]
    assert records[0].labels["family"] == "old"


def test_cells_are_plain_text() -> None:
    assert read("id,f\na\u202e,x\u202ey\n").labels == {"a": {"f": "xy"}}


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(), st.binary(), st.text(alphabet='ab,;\t"\n id', max_size=60)))
def test_anything_gives_a_table_or_an_error_of_ours(source: str | bytes) -> None:
    try:
        table = read(source)
    except EsmvizError:
        return
    assert set(table.labels) | set(table.unlabelled) == {"a", "b", "c"}
    assert not set(table.labels) & set(table.unlabelled)


@pytest.mark.parametrize(
    ("name", "most", "text", "words"),
    [
        ("_MOST_CELLS", 6, "id,a\n" + "x,y\n" * 4, "more than 6 cells"),
        ("_MOST_LINES", 6, "id,a\n" + "\n" * 9, "more than 6 lines"),
        ("_MOST_ROW_CHARACTERS", 20, 'id,a\nx,"' + "y\n" * 20 + '"\n', "Line 2 of labels table begins a row"),
    ],
)
def test_cells_lines_and_rows_are_bounded(
    monkeypatch: pytest.MonkeyPatch, name: str, most: int, text: str, words: str
) -> None:
    monkeypatch.setattr(f"esmviz.label_tables.{name}", most)
    with pytest.raises(UploadTooLargeError, match=words):
        read_labels(text, ["x"], limits=LIMITS)


def test_what_pandas_writes_for_nothing_is_no_label() -> None:
    table = read_labels("id,group,metal\na,nan,NA\nb,<NA>,nan\nc,2.0,Zn\n", ["a", "b", "c"], limits=LIMITS)
    assert table.labels == {"a": {"metal": "NA"}, "b": {}, "c": {"group": "2.0", "metal": "Zn"}}
