"""An exhibit comes back as it was, stores equal arrays once, and a damaged one is never read."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from esmviz.errors import DamagedDataError
from esmviz.exhibit import Exhibit, Facts, Molecule, Picture, Table
from esmviz.types import ProteinRecord, Provenance


def exhibit(**changes):
    matrix = np.arange(12, dtype=np.float32).reshape(3, 4)
    names = ["M1", "K2", "V3", "L4"]
    picture = Picture(
        name="map",
        alt="A map",
        figure='{"data": [], "layout": {"title": {"text": "α"}}}',
        provenance=Provenance("mini", "12345678", "float32", layer=3, head=0, windows=((0, 4), (2, 6))),
        facts={"esmviz": "0.1", "cells": np.float32(2.5), "windows": ("1-4", "3-6"), "none": None},
        reading=("A bright cell.", "Somebody 2020.", "10.1/x"),
        file_name="map-../<b>",
        columns={"residue": names[:3], **{name: matrix[:, j] for j, name in enumerate(names)}},
        arrays={"matrix": matrix, "letters": np.array(["A", "C"]), "ptm": np.float32(0.5)},
    )
    table = Table(
        "=1+1", {"pair": ["M1", "K2"], "score": [0.5, float("nan")], "count": np.array([1, 2])}, "note"
    )
    values = {
        "page": "similarity",
        "title": "Which residues?",
        "created": "2026-11-21T17:00:00+00:00",
        "source": "![x](http://evil.test)",
        "records": (ProteinRecord("P1\ud800", "MKVL", "words", {"family": "a"}),),
        "model": {"name": "mini", "provides": frozenset({"logits"}), "max_residues": None},
        "settings": {"layer": 3, "widgets": {"apart": 6, "layers_mini": (1, 2)}},
        "versions": {"esmviz": "0.1"},
        "pieces": (
            picture,
            table,
            Facts({"L": "4"}),
            Molecule("fold", "A fold", "data_x", {"colours": ["#fff"]}),
        ),
    }
    return Exhibit(**values | changes)


def rezipped(content, change):
    source, buffer = zipfile.ZipFile(io.BytesIO(content)), io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in source.namelist():
            found = source.read(name)
            archive.writestr(name, change(found) if name == "exhibit.json" else found)
    return buffer.getvalue()


def test_an_exhibit_comes_back_as_it_was():
    before = exhibit()
    after = Exhibit.from_bytes(before.to_bytes())
    for name in ("page", "title", "created", "source", "records", "versions"):
        assert getattr(after, name) == getattr(before, name)
    assert after.model == {"name": "mini", "provides": ["logits"], "max_residues": None}
    assert after.settings == {"layer": 3, "widgets": {"apart": 6, "layers_mini": [1, 2]}}
    [old], [new] = before.pictures, after.pictures
    for name in ("name", "alt", "figure", "provenance", "reading", "file_name"):
        assert getattr(new, name) == getattr(old, name)
    assert new.facts == {"esmviz": "0.1", "cells": 2.5, "windows": ["1-4", "3-6"], "none": None}
    assert list(new.columns) == ["residue", "M1", "K2", "V3", "L4"]
    assert new.columns["residue"] == ["M1", "K2", "V3"]
    assert np.array_equal(new.columns["K2"], old.columns["K2"])
    for name, array in old.arrays.items():
        assert np.array_equal(new.arrays[name], array)
        assert new.arrays[name].dtype == array.dtype
        assert new.arrays[name].shape == array.shape
    [table] = after.tables
    assert table.columns["pair"] == ["M1", "K2"]
    assert np.isnan(table.columns["score"][1])
    assert table.columns["count"].tolist() == [1, 2]
    assert after.pieces[2:] == before.pieces[2:]


def test_equal_content_is_equal_bytes_and_read_content_too():
    content = exhibit().to_bytes()
    assert exhibit().to_bytes() == content
    assert Exhibit.from_bytes(content).to_bytes() == content


def test_a_matrix_is_stored_once_although_file_and_table_have_it():
    names = zipfile.ZipFile(io.BytesIO(exhibit().to_bytes())).namelist()
    assert sum(name.endswith(".npy") for name in names) == 4  # matrix, letters, ptm, count


def test_arrays_that_only_pickle_could_store_are_refused():
    [picture] = exhibit().pictures
    bad = exhibit(pieces=(replace(picture, arrays={"a": np.array([{}], dtype=object)}),))
    with pytest.raises(ValueError, match="allow_pickle"):
        bad.to_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"not a zip" * 100,
        lambda content: rezipped(content, lambda _: b"[]"),
        lambda content: rezipped(content, lambda _: b"{}"),
        lambda content: rezipped(content, lambda text: text[:-5]),
        lambda content: rezipped(content, lambda text: text.replace(b'"kind": "facts"', b'"kind": "plan"')),
        lambda content: rezipped(content, lambda text: text.replace(b'"page"', b'"leaf"')),
        lambda content: rezipped(content, lambda text: text.replace(b'"figure-0.json"', b'"figure-9.json"')),
    ],
)
def test_a_damaged_one_is_an_error(damage):
    with pytest.raises(DamagedDataError, match="damaged"):
        Exhibit.from_bytes(damage(exhibit().to_bytes()))


def test_one_of_a_later_format_says_so():
    def later(text):
        return json.dumps({**json.loads(text), "version": 2}).encode()

    with pytest.raises(DamagedDataError, match=r"esmviz exhibit 2.*newer esmviz"):
        Exhibit.from_bytes(rezipped(exhibit().to_bytes(), later))


def test_what_an_earlier_version_stored_is_read():
    """The file is of format 1 as esmviz 0.1.0 wrote it: it is never written anew, since links live for years."""
    before = Exhibit.from_bytes((Path(__file__).parent / "golden" / "exhibit-1.zip").read_bytes())
    after = Exhibit.from_bytes(exhibit().to_bytes())
    assert replace(before, pieces=()) == replace(after, pieces=())
    assert before.pieces[2:] == after.pieces[2:]
    for old, new in zip(before.pieces[:2], after.pieces[:2], strict=True):
        assert {name for name in old.columns if not np.array_equal(old.columns[name], new.columns[name])} <= {
            "score"
        }
        assert all(np.array_equal(old.arrays[name], new.arrays[name]) for name in new.arrays)
    assert before.pictures[0].figure == after.pictures[0].figure
