"""A file read in blocks gives what the same text gives when it is read at once."""

import codecs
import gzip
import io

import pytest

from esmviz import uploads
from esmviz.errors import InvalidSequenceError, SequenceTooLongError, UploadTooLargeError
from esmviz.protein_file import ProteinFile
from esmviz.sequences import Limits, read_fasta

LIMITS = Limits(file_bytes=100_000, records=10_000, residues=10**6, length=50)
TEXT = """some words before
 >a first one
MKVLAWGH
ACDEF
>b
mk-v*

>a
MKV LLL
>bad
MK1
>a~2
MKVV
>\ttab
MKWW
; a comment
>long
""" + "M" * 51 + "\n>\nMKY\n>z µ\nMSTX"  # fmt: skip
SOURCES = {
    "utf-8": TEXT.encode(),
    "windows": TEXT.replace("\n", "\r\n").encode(),
    "old mac": TEXT.replace("\n", "\r").encode(),
    "utf-8 with mark": codecs.BOM_UTF8 + TEXT.encode(),
    "utf-16": TEXT.encode("utf-16"),
    "utf-32": TEXT.encode("utf-32"),
    "cp1252": TEXT.encode("cp1252"),
    "latin-1": (TEXT + "\n>\x81\nMKV").encode("latin-1"),
    "gzip": gzip.compress(TEXT.encode(), mtime=0),
    "two members": gzip.compress(TEXT[:60].encode(), mtime=0) + gzip.compress(TEXT[60:].encode(), mtime=0),
    "bare": b"MKVL\nAWGH\n",
    "one record": b">a\nMKV",
}


def opened(content, **options):
    return ProteinFile(io.BytesIO(content), **{"limits": LIMITS, "name": "in.fasta", **options})


@pytest.fixture(params=[1, 7, 1 << 20])
def _piece(request, monkeypatch):
    monkeypatch.setattr(uploads, "_CHUNK_BYTES", request.param)


@pytest.mark.usefixtures("_piece")
@pytest.mark.parametrize("kind", SOURCES)
def test_it_gives_what_reading_at_once_gives(kind, monkeypatch):
    found = opened(SOURCES[kind])
    placed = list(found)
    monkeypatch.undo()
    whole = read_fasta(SOURCES[kind], limits=LIMITS, name="in.fasta")
    good = [report for report in whole.reports if report.status != "rejected"]
    assert tuple(each.record for each in placed) == whole.records
    assert [(each.number, each.line) for each in placed] == [(report.number, report.line) for report in good]
    assert found.rejected == list(whole.rejected)
    assert (found.n_records, found.n_good) == (len(whole.reports), len(whole.records))
    mended = [report for report in good if report.status == "mended"]
    assert found.n_mended == len(mended)
    if mended:
        assert found.first_mended == (mended[0].number, mended[0].id, mended[0].notes[0])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n \n",
        b"PK\x03\x04rest",
        b">a\nM\x00KV\n",
        b">a\nMK\xff\x07V\n",
        codecs.BOM_UTF16_LE + b">\x00a",
        gzip.compress(TEXT.encode(), mtime=0)[:40],
        gzip.compress(gzip.compress(TEXT.encode(), mtime=0), mtime=0),
    ],
)
def test_what_is_no_text_is_refused_with_the_same_words(content):
    with pytest.raises(InvalidSequenceError) as at_once:
        read_fasta(content, limits=LIMITS, name="in.fasta")
    with pytest.raises(InvalidSequenceError) as in_blocks:
        opened(content)
    assert str(in_blocks.value) == str(at_once.value)


def test_the_limit_is_that_of_one_record(monkeypatch):
    monkeypatch.setattr(uploads, "_CHUNK_BYTES", 10_000)
    record = ">a\n" + "M" * 40 + "\n"
    content = (record * 5000).encode()
    assert len(content) > LIMITS.file_bytes
    assert opened(content).n_good == 5000
    with pytest.raises(UploadTooLargeError, match=r"in\.fasta has a record of more than"):
        opened(b">a\n" + b"-" * (LIMITS.file_bytes + 1))


def test_what_the_check_refuses_is_rejected():
    def check(record):
        if len(record) > 4:
            raise SequenceTooLongError(f"{record.id} is too long.")

    found = opened(b">a\nMKVLAW\n>b\nMKV\n", check=check)
    assert [each.record.id for each in found] == ["b"]
    assert [(report.number, report.notes) for report in found.rejected] == [(1, ("a is too long.",))]


def test_the_digest_is_of_good_proteins_alone():
    digests = [
        opened(text).digest for text in (b">a\nMKV\n", b">a x\nmk\nv\n>b\nMK1\n", b">b\nMKV\n", b">a\nMKL\n")
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_a_file_that_changes_is_told():
    stream = io.BytesIO(b">a\nMKV\n")
    found = ProteinFile(stream, limits=LIMITS)
    stream.seek(4)
    stream.write(b"L")
    with pytest.raises(InvalidSequenceError, match="was changed while it was read"):
        list(found)
