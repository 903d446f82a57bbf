"""Files that grow one protein at a time."""

import csv
import json

import h5py
import numpy as np
import pytest

from esmviz import writers

META = {"model": "mini", "revision": "abc", "layer": 6, "pooling": "mean", "precision": "float32"}
IDS = ["sp|P1|A", "../x/y", "meta", "=1+1"]
VECTORS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def pooled(path, meta):
    return writers.PooledNpzWriter(path, meta, len(IDS), max(map(len, IDS)))


EVERY = [writers.NpzWriter, pooled, writers.H5Writer, writers.CsvWriter]


def fill(writer):
    with writer as out:
        for identifier, vector in zip(IDS, VECTORS, strict=True):
            out.add(identifier, vector)
    return writer.path


def fail(writer):
    with writer as out:
        out.add("a", VECTORS[0])
        raise RuntimeError("stop")


def test_npz_has_an_array_per_id(tmp_path):
    path = fill(writers.NpzWriter(tmp_path / "o.npz", META, {"amino_acids": list("ACD")}))
    with np.load(path, allow_pickle=False) as found:
        np.testing.assert_array_equal(found["sp|P1|A"], VECTORS[0])
        np.testing.assert_array_equal(found["%2E%2E%2Fx%2Fy"], VECTORS[1])
        np.testing.assert_array_equal(found["%6Deta"], VECTORS[2])
        assert found["amino_acids"].tolist() == ["A", "C", "D"]
        assert json.loads(str(found["meta"])) == META


def test_pooled_npz_keeps_ids_and_order(tmp_path):
    path = fill(pooled(tmp_path / "o.npz", META))
    with np.load(path, allow_pickle=False) as found:
        assert found["ids"].tolist() == IDS
        np.testing.assert_array_equal(found["vectors"], VECTORS)
        assert found["vectors"].dtype == np.float32
        assert json.loads(str(found["meta"])) == META
    assert [file.name for file in tmp_path.iterdir()] == ["o.npz"]


def test_h5_has_a_dataset_per_id_with_attributes(tmp_path):
    path = fill(writers.H5Writer(tmp_path / "o.h5", META))
    with h5py.File(path) as found:
        assert len(found) == 4
        dataset = found["%2E%2E%2Fx%2Fy"]
        np.testing.assert_array_equal(dataset[:], VECTORS[1])
        assert dataset.attrs["id"] == "../x/y"
        assert {name: dataset.attrs[name] for name in META} == META


def test_csv_has_a_line_per_id(tmp_path):
    path = fill(writers.CsvWriter(tmp_path / "o.csv", META))
    assert b"\r" not in path.read_bytes()
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["id", "v1", "v2", "v3"]
    assert [row[0] for row in rows[1:]] == [*IDS[:3], "'=1+1"]
    np.testing.assert_array_equal(np.array([row[1:] for row in rows[1:]], dtype=np.float32), VECTORS)


@pytest.mark.parametrize("kind", EVERY)
def test_a_failure_leaves_no_file(kind, tmp_path):
    with pytest.raises(RuntimeError, match="stop"):
        fail(kind(tmp_path / "out", META))
    assert list(tmp_path.iterdir()) == []


def test_fewer_rows_than_announced_are_no_file(tmp_path):
    with (
        pytest.raises(ValueError, match="4 rows were announced and 1 came"),
        pooled(tmp_path / "o", META) as out,
    ):
        out.add("a", VECTORS[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", EVERY)
def test_nothing_added_makes_no_file(kind, tmp_path):
    with kind(tmp_path / "out", META) as out:
        assert out.n_added == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [pooled, writers.CsvWriter])
def test_a_table_of_vectors_takes_vectors_only(kind, tmp_path):
    with pytest.raises(ValueError, match="a:"), kind(tmp_path / "out", META) as out:
        out.add("a", np.zeros((2, 3), np.float32))
    assert list(tmp_path.iterdir()) == []
