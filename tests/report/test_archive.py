"""The data archive: every file is in the manifest, with a sum that fits, and reads back as what went in."""

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from esmviz.exhibit import Table
from esmviz.panels.tables import matrix
from esmviz.report import archive
from esmviz.report.archive import archive_bytes
from esmviz.types import ProteinRecord


def opened(exhibits, **options):
    archive = zipfile.ZipFile(io.BytesIO(archive_bytes(exhibits, **options)))
    return archive, json.loads(archive.read("manifest.json"))


def test_manifest_names_every_file_with_its_sum(exhibits):
    archive, manifest = opened(exhibits)
    assert {entry["name"] for entry in manifest["files"]} == set(archive.namelist()) - {"manifest.json"}
    assert len(archive.namelist()) == len(set(map(str.lower, archive.namelist())))
    for entry in manifest["files"]:
        content = archive.read(entry["name"])
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert len(content) == entry["bytes"]
        assert entry["what"]


def test_what_the_readme_says_checks_the_sums_and_sees_a_changed_byte(exhibits, tmp_path):
    archive, manifest = opened(exhibits)
    archive.extractall(tmp_path)
    script = archive.read("README.txt").decode().split("END'\n")[1].split("\n    END")[0]
    lines = "\n".join(line.removeprefix("    ") for line in script.splitlines())
    check = [sys.executable, "-c", lines]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0
    damaged = tmp_path / next(entry["name"] for entry in manifest["files"] if entry["name"].endswith(".npz"))
    content = bytearray(damaged.read_bytes())
    content[-30] ^= 1
    damaged.write_bytes(content)
    found = subprocess.run(check, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert found.returncode == 1
    assert damaged.name in found.stderr


def test_numbers_read_back(similarity):
    archive, manifest = opened([similarity])
    [npz] = [entry for entry in manifest["files"] if entry["name"].endswith(".npz")]
    with np.load(io.BytesIO(archive.read(npz["name"])), allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["similarity"], similarity.pictures[0].arrays["similarity"])
        assert json.loads(str(arrays["meta"]))["revision"] == "0123456789abcdef"
    assert npz["provenance"]["model"] == "fake"
    assert npz["provenance"]["layer"] == 2
    [figure] = [name for name in archive.namelist() if name.endswith(".figure.json")]
    assert archive.read(figure).decode() == similarity.pictures[0].figure


def test_hostile_names_bend_no_path_and_run_no_formula(similarity):
    record = ProteinRecord('../../=HYPERLINK("http://x")', "MKV", description="=1+1")
    drawn = replace(similarity.pictures[0], file_name="../../etc/passwd")
    shown = replace(similarity, pieces=(drawn, drawn, Table("..\\CON", {"=1": ["=2"]})), records=(record,))
    archive, _ = opened([shown])
    for name in archive.namelist():
        assert ".." not in name
        assert not name.startswith("/")
        assert "\\" not in name
        assert name.count("/") <= 1
    rows = list(csv.DictReader(io.StringIO(archive.read("inputs.csv").decode())))
    assert rows[0]["description"] == "'=1+1"


def test_sequences_stay_out_when_asked(exhibits):
    sequence = exhibits[0].records[0].sequence
    archive, _ = opened(exhibits, with_sequences=False)
    assert "inputs.fasta" not in archive.namelist()
    assert not any(sequence[:10].encode() in archive.read(name) for name in archive.namelist())
    archive, _ = opened(exhibits)
    assert f">{exhibits[0].records[0].id.split()[0]}" in archive.read("inputs.fasta").decode()
    assert sequence in archive.read("inputs.fasta").decode().replace("\n", "")


def test_a_header_begins_no_record_of_its_own(similarity):
    record = ProteinRecord("a", "MKV", description="b\n>c\nMKV\x00")
    archive, _ = opened([replace(similarity, records=(record,))])
    assert archive.read("inputs.fasta").decode() == ">a b >c MKV \nMKV\n"


def test_equal_exhibits_give_equal_bytes(exhibits):
    assert archive_bytes(exhibits) == archive_bytes(exhibits)


@pytest.mark.parametrize("suffix", ["methods.txt", "references.bib", "inputs.csv", "README.txt"])
def test_texts_come_along(exhibits, suffix):
    archive, _ = opened(exhibits)
    assert archive.read(suffix).strip()


def test_a_large_map_comes_as_an_array_alone_and_says_so(similarity, monkeypatch):
    drawn = similarity.pictures[0]
    n_cells = len(drawn.columns) * len(next(iter(drawn.columns.values())))
    for most, has_csv in ((n_cells, True), (n_cells - 1, False)):
        monkeypatch.setattr(archive, "MOST_CELLS", most)
        found, manifest = opened([similarity])
        names = [name for name in found.namelist() if name.startswith("1-similarity/")]
        assert any(name.endswith("-fake.csv") for name in names) is has_csv
        [npz] = [entry for entry in manifest["files"] if entry["name"].endswith(".npz")]
        assert (f"Its table of {n_cells:,} cells is left out" in npz["what"]) is not has_csv


def test_a_large_table_without_arrays_stays(similarity, monkeypatch):
    monkeypatch.setattr(archive, "MOST_CELLS", 1)
    found, _ = opened([replace(similarity, pieces=(replace(similarity.pictures[0], arrays={}),))])
    assert any(name.endswith("-fake.csv") for name in found.namelist())


def test_which_maps_are_too_large():
    """The names of the rows are a column, too."""
    for n, expected in ((1413, 0), (1414, 1414 * 1415)):
        values = np.zeros((n, n), dtype=np.float32)
        columns = matrix(values, ProteinRecord("a", "M" * n), ProteinRecord("b", "K" * n))
        assert archive.n_left_out(columns, {"map": values}) == expected
        assert archive.n_left_out(columns, {}) == 0
    assert archive.n_left_out({}, {}) == 0
    assert f"{archive.MOST_CELLS:,} cells" in archive.README
