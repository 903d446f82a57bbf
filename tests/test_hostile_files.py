"""Files that other parsers tripped over: each gives a set or one error of ours, and no record is lost."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from esmviz.errors import EsmvizError, InvalidSequenceError
from esmviz.sequences import Limits, SequenceSet, read_fasta

DATA = Path(__file__).parents[1] / "../shared/data"
HOSTILE = sorted(path for path in (DATA / "hostile").rglob("*") if path.is_file())
LIMITS = Limits(file_bytes=50 * 2**20, records=10_000, residues=5_000_000, length=40_000)

needs_data = pytest.mark.skipif(not HOSTILE, reason="../shared/data/hostile is not on this machine")


def read(path: Path, **changes: object) -> SequenceSet:
    return read_fasta(path.read_bytes(), limits=LIMITS, name=path.name, **changes)


def hostile(name: str) -> Path:
    path = DATA / "hostile" / name
    if not path.is_file():
        pytest.skip("../shared/data/hostile is not on this machine")
    return path


@needs_data
def test_there_are_files_to_read() -> None:
    assert len(HOSTILE) > 30


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_file_gives_a_set_or_an_error_of_ours(path: Path) -> None:
    content = path.read_bytes()
    read_fasta("MKV", limits=LIMITS)  # so that importing biotite is not counted
    tracemalloc.start()
    try:
        sequences = read(path, treat_as_protein=True)
    except EsmvizError:
        sequences = None
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 4 * 2**20 + 20 * len(content)
    assert (sequences is None) == (path.suffix in {".bz2", ".xz", ".zst"})
    if sequences is None:
        return
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    headers = [line for line in text.splitlines() if line.strip().startswith(">")]
    assert len(sequences.reports) == (len(headers) or 1)
    assert len(sequences.records) + len(sequences.rejected) == len(sequences.reports)
    assert len({record.id for record in sequences.records}) == len(sequences.records)


@pytest.mark.parametrize(
    "name", ["needletail/test.fa.bz2", "needletail/test.fa.xz", "needletail/test.fa.zst"]
)
def test_other_packings_say_what_is_taken(name: str) -> None:
    with pytest.raises(InvalidSequenceError, match="esmviz reads FASTA"):
        read(hostile(name))


def test_gzip_equals_plain() -> None:
    packed, unpacked = read(hostile("needletail/test.fa.gz")), read(hostile("needletail/test.fa"))
    assert packed.records == unpacked.records
    assert len(packed.records) == 2


def test_titin() -> None:
    (record,) = read(hostile("seqkit/titin.fas")).records
    assert record.id == "sp|Q9I7U4|TITIN_DROME"
    assert len(record) == 18_141  # UniProt Q9I7U4
    assert record.labels["OS"] == "Drosophila melanogaster"


@pytest.mark.parametrize(
    "name",
    ["biopython/lupine.nu", "biopython/centaurea.nu", "seqkit/sana_ground.fas", "seqkit/viruses.fasta"],
)
def test_dna_is_called_dna(name: str) -> None:
    sequences = read(hostile(name))
    assert not sequences.records
    assert all("DNA or RNA" in report.notes[0] for report in sequences.reports)


def test_words_and_comments_around_the_sequence() -> None:
    sequences = read(hostile("biopython/aster_pearson.pro"))
    (plain,) = read(hostile("biopython/aster.pro")).records
    assert [record.sequence for record in sequences.records] == [plain.sequence]
    assert "before the first" in sequences.reports[0].notes[0]
    assert "comment lines (`;`) left out (3)" in sequences.reports[0].notes


def test_letters_that_are_none_are_found() -> None:
    (report,) = read(hostile("biotite/invalid.fasta")).reports
    assert report.notes[0] == "Record 1 (its) has `?` at position 4 of line 2. Amino-acid letters only."
    alignment = read(hostile("biotite/alignment.fasta"))
    assert [report.status for report in alignment.reports] == ["mended", "rejected", "mended"]


def test_empty_ids_and_bodies() -> None:
    reports = read(hostile("seqkit/empty_id_and_seq.fa")).reports
    assert [report.id for report in reports] == [
        *("s1", "s2", "s3", "protein-4", "s5", "protein-6", "s7", "s8", "protein-9", "s10", "s11")
    ]
    assert [report.status == "rejected" for report in reports] == [
        *(False, True, False, True, False, True, False, True, False, False, False)
    ]


def test_duplicates_are_kept() -> None:
    ids = [record.id for record in read(hostile("biopython/dups.fasta"), treat_as_protein=True).records]
    assert ids == ["alpha", "beta", "gamma", "alpha~2", "delta"]


def test_windows_line_ends() -> None:
    sequences = read(hostile("biopython/aster.pro"))
    assert sequences.reports[0].status == "accepted"
