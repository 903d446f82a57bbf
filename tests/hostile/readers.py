"""Every reader of what comes from outside, as a function of bytes: it returns, or raises an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from esmviz.label_tables import read_labels
from esmviz.sequences import Limits, read_fasta
from esmviz.settings import Settings
from esmviz.structures import FORMATS, read_structure
from esmviz.types import AMBIGUOUS, AMINO_ACIDS
from esmviz.ui.session_file import read_session, session_bytes
from esmviz.uploads import read_upload

_S = Settings()
LIMITS = Limits(_S.max_upload_mb * 2**20, _S.max_records, _S.max_residues, _S.max_length)
LETTERS = frozenset(AMINO_ACIDS + AMBIGUOUS)
IDS = ("a", "b", "sp|P69905|HBA_HUMAN")


def fasta(content: bytes) -> None:
    read = read_fasta(content, limits=LIMITS, name="upload.fasta")
    assert len(read.records) + len(read.rejected) == len(read.reports)
    assert len({record.id for record in read.records}) == len(read.records)
    assert all(record.sequence and LETTERS.issuperset(record.sequence) for record in read.records)


def labels(content: bytes) -> None:
    table = read_labels(content, IDS, limits=LIMITS, name="labels.csv")
    assert set(table.labels) | set(table.unlabelled) == set(IDS)


def structure(content: bytes) -> None:
    text = read_upload(content, limits=LIMITS, name="upload.pdb", formats=FORMATS).text
    found = read_structure(text, name="upload.pdb")
    assert 0 < len(found) <= 20_000


def session(content: bytes) -> None:
    saved = read_session(content, limits=LIMITS, name="session.json")
    assert saved.proteins.records
    again = read_session(session_bytes(saved), limits=LIMITS, name="again.json")
    assert again == replace(saved, left_out=())


READERS: dict[str, Callable[[bytes], None]] = {
    "fasta": fasta,
    "labels": labels,
    "structure": structure,
    "session": session,
}
