"""Zips that Python's own reader, numpy and unzip take."""

import shutil
import subprocess
import zipfile

import numpy as np
import pytest

from esmviz.zips import Zip

CONTENTS = {"a.npy": b"", "b/%2E.txt": b"x" * 1000, "µ ☃.bin": bytes(range(256)), "é": b"1"}


@pytest.fixture
def path(tmp_path):
    archive = Zip(tmp_path / "a.zip")
    for name, content in CONTENTS.items():
        with archive.entry(name) as entry:
            for start in range(0, len(content), 100):
                entry.write(content[start : start + 100])
    archive.finish()
    archive.close()
    return tmp_path / "a.zip"


def test_zipfile_reads_it(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert [file.name for file in path.parent.iterdir()] == ["a.zip"]


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip here")
def test_unzip_reads_it(path):
    done = subprocess.run(["unzip", "-t", path], capture_output=True, text=True, check=False)
    assert (done.returncode, "No errors detected" in done.stdout) == (0, True)


def test_more_entries_than_16_bits_count(tmp_path):
    archive = Zip(tmp_path / "a.npz")
    for number in range(70_000):
        with archive.entry(f"{number}.npy") as entry:
            entry.write(b"")
    with archive.entry("last.npy") as entry:
        np.lib.format.write_array(entry, np.arange(3))
    archive.finish()
    archive.close()
    with np.load(tmp_path / "a.npz") as found:
        assert len(found.files) == 70_001
        assert found["last"].tolist() == [0, 1, 2]
