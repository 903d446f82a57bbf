"""What a fuzzer throws bytes at, beside the readers of uploads: each returns, or raises an error of ours."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from esmviz.errors import EsmvizError
from esmviz.exhibit import Exhibit
from esmviz.models import esm_package, outline
from esmviz.protein_file import ProteinFile
from esmviz.sequences import read_fasta
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from tests import test_exhibit
from tests.hostile import corpus, folders, readers, replies

LETTERS = 1500  # of an error: none repeats what it was given


def streamed(content: bytes) -> None:
    """The command line's reader finds the same proteins as the app's, and in the same names."""
    limits = replace(readers.LIMITS, residues=10**12)
    try:
        expected = {
            record.id: record.sequence for record in read_fasta(content, limits=limits, name="f").records
        }
    except EsmvizError:
        expected = None
    file = ProteinFile(io.BytesIO(content), limits=limits, name="f")
    assert {placed.record.id: placed.record.sequence for placed in file} == (expected or {})


def exhibit(content: bytes) -> None:
    """What a snapshot holds, its columns and arrays included: a zip, or the description in one."""
    if not content.startswith(b"PK"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("exhibit.json", content)
            archive.writestr("figure-0.json", "{}")
        content = packed.getvalue()
    found = Exhibit.from_bytes(content)
    for piece in (*found.pictures, *found.tables):
        for part in (piece.columns, piece.arrays):
            list(part.items())


@cache
def sharing() -> Sharing:
    return Sharing(Settings(data_dir=Path(tempfile.mkdtemp())))


def token(content: bytes) -> None:
    """The end of a link that is no snapshot's."""
    sharing().open(content.decode("latin-1"))
    raise AssertionError("a token that nobody was given opened something")


@cache
def _file() -> Path:
    return Path(tempfile.mkdtemp()) / "model.pt"


def checkpoint(content: bytes) -> None:
    """The names and shapes in a checkpoint."""
    _file().write_bytes(content)
    outline._read.cache_clear()  # the times of files are no finer than some milliseconds
    outline.outline(_file())


def seeds_of_exhibits() -> dict[str, bytes]:
    whole = test_exhibit.exhibit().to_bytes()
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {"whole": whole, "cut": whole[:-30], "description": archive.read("exhibit.json")}


def seeds_of_checkpoints() -> dict[str, bytes]:
    return {f"protocol {n}": pickle.dumps({"a": [1, 2.0, "x", None, (True,)]}, n) for n in (2, 4)}


def seeds_of_uploads(kind: str) -> Callable[[], dict[str, bytes]]:
    return lambda: {name: made for name, make in corpus.SMALL[kind].items() if len(made := make()) < 20_000}


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], dict[str, bytes]]]] = {
    **{kind: (read, seeds_of_uploads(kind)) for kind, read in readers.READERS.items()},
    "streamed": (streamed, seeds_of_uploads("fasta")),
    "biolm": (replies.biolm, replies.seeds_of_biolm),
    "exhibit": (exhibit, seeds_of_exhibits),
    "token": (token, lambda: {"none": b"", "one": b"A" * 22, "path": b"../../etc/passwd"}),
    "checkpoint": (checkpoint, seeds_of_checkpoints),
    "folder": (folders.folder, folders.seeds),
    "h5": (folders.h5_outline, lambda: {"small": folders.keras()}),
}

if esm_package.is_installed():
    TARGETS["biohub"] = (replies.biohub, replies.seeds_of_biohub)


def outcome(name: str, content: bytes) -> str:
    """``read``, or the error of ours; any other one goes on."""
    try:
        TARGETS[name][0](content)
    except EsmvizError as error:
        return f"{type(error).__name__}: {error}"
    return "read"


def survives(name: str, content: bytes) -> None:
    """Run a target; what is no error of ours goes on."""
    assert len(outcome(name, content)) < LETTERS
