"""Files in: packings, encodings, and the files that are something else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile

import pytest

from esmviz.errors import InvalidSequenceError, UploadTooLargeError
from esmviz.labels import plain
from esmviz.sequences import Limits, SequenceSet, read_fasta
from esmviz.uploads import Lines

LIMITS = Limits(file_bytes=2**20, records=1000, residues=100_000, length=40_000)
FASTA = ">a Protein é\nMKV\nLAA\n>b\nMKW\n"


def read(source: bytes | str, **changes: object) -> SequenceSet:
    return read_fasta(source, **{"limits": LIMITS, "name": "upload.fa", **changes})


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.fasta", FASTA)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "source",
    [
        FASTA,
        FASTA.encode(),
        "\ufeff" + FASTA,
        FASTA.encode("utf-8-sig"),
        FASTA.encode("utf-16"),
        b"\xfe\xff" + FASTA.encode("utf-16-be"),
        FASTA.encode("utf-32"),
        FASTA.replace("\n", "\r\n").encode(),
        FASTA.replace("\n", "\r").encode(),
        gzip.compress(FASTA.encode(), mtime=0),
        gzip.compress(FASTA.encode("utf-16"), mtime=0),
        gzip.compress(FASTA[:20].encode(), mtime=0) + gzip.compress(FASTA[20:].encode(), mtime=0),
        gzip.compress(FASTA.encode(), mtime=0) + bytes(512),  # tape padding
        FASTA.rstrip().encode(),
    ],
)
def test_every_form_of_the_same_text_reads_the_same(source: bytes | str) -> None:
    assert read(source) == read(FASTA)
    assert [(r.id, r.sequence) for r in read(source).records] == [("a", "MKVLAA"), ("b", "MKW")]
    assert [report.line for report in read(source).reports] == [1, 4]


def test_other_eight_bit_text_is_read_with_a_note_where_it_matters() -> None:
    sequences = read(FASTA.encode("latin-1"))
    assert sequences.records[0].description == "Protein é"
    assert "Windows-1252" in sequences.reports[0].notes[0]
    assert sequences.reports[1].status == "accepted"


@pytest.mark.parametrize(
    "content",
    [
        bz2.compress(FASTA.encode()),
        bz2.compress(b""),
        lzma.compress(FASTA.encode()),
        b"\x28\xb5\x2f\xfd\x24\x00",
        zipped(),
        b"%PDF-1.7\n%\xe2\xe3\n",
        b"\x89PNG\r\n\x1a\n",
        b"\x89HDF\r\n\x1a\n",
        b"\x93NUMPY\x01\x00",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        gzip.compress(bz2.compress(FASTA.encode()), mtime=0),
        gzip.compress(gzip.compress(FASTA.encode(), mtime=0), mtime=0),
        b">a\nMK\xff\x01V\n",
    ],
)
def test_other_files_are_refused_with_what_is_taken(content: bytes) -> None:
    with pytest.raises(InvalidSequenceError, match=r"upload\.fa is") as caught:
        read(content)
    assert "esmviz reads FASTA" in str(caught.value) or "Unpack" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_residues_that_look_like_bzip2_are_residues() -> None:
    assert read(b"BZhMKV").records[0].sequence == "BZHMKV"


@pytest.mark.parametrize(
    "content", [b">a\nMK\x00V\n", ">a\nMKV\n".encode("utf-16-le"), gzip.compress(b"\x00" * 99, mtime=0)]
)
def test_nul_bytes_are_one_error(content: bytes) -> None:
    with pytest.raises(InvalidSequenceError, match="NUL"):
        read(content)


@pytest.mark.parametrize("content", [b"\xff\xfe>\x00a", b"\xef\xbb\xbf>a\nMK\xff\n"])
def test_broken_marked_encoding_is_one_error(content: bytes) -> None:
    with pytest.raises(InvalidSequenceError, match="starts as UTF"):
        read(content)


def test_damaged_gzip_is_one_error_wherever_the_damage_is() -> None:
    packed = gzip.compress(FASTA.encode() * 50)
    broken = [packed[:-1], packed[: len(packed) // 2], packed[:3], packed[:2], packed + b"rubbish"]
    broken.append(packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:])  # the check sum
    broken.append(packed[:15] + b"\xff\xff\xff" + packed[18:])
    for content in broken:
        with pytest.raises(InvalidSequenceError, match="gzip"):
            read(content)


@pytest.mark.parametrize("n_bytes", [2**20 + 1, 5 * 2**20])
def test_file_limit_counts_after_decompression(n_bytes: int) -> None:
    text = (">a\n" + "M" * n_bytes)[:n_bytes]
    for source in (text, text.encode(), gzip.compress(text.encode())):
        with pytest.raises(UploadTooLargeError, match=r"1 MB.*ESMVIZ_MAX_UPLOAD_MB"):
            read(source)


def test_a_file_just_at_the_limit_is_taken() -> None:
    text = (">a\n" + "M" * 60 + "\n").ljust(2**20, "\n")
    for source in (text, text.encode(), gzip.compress(text.encode())):
        assert len(read(source).records) == 1


def test_limit_counts_bytes_of_text_too() -> None:
    with pytest.raises(UploadTooLargeError):
        read(">" + "é" * (2**19 + 1))


def test_a_bomb_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(200 * 2**20), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(UploadTooLargeError):
            read(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_name_of_the_file_is_plain_text_in_errors() -> None:
    with pytest.raises(InvalidSequenceError) as caught:
        read(b"", name="bad\u202ename\n.fa")
    assert "badname.fa" in str(caught.value)


def test_lines_are_the_lines() -> None:
    text = "a\n\nb\x0bc\n \nlast"
    assert list(Lines(text)) == ["a\n", "\n", "b\x0bc\n", " \n", "last"]
    assert list(Lines(text, 3)) == ["b\x0bc\n", " \n", "last"]
    assert list(Lines("")) == []


def test_plain_keeps_letters_of_every_script() -> None:
    assert plain("Überprotein 蛋白 β") == "Überprotein 蛋白 β"
    assert plain("a\u200bb\x00c\ud800d", "_") == "a_b_c_d"
