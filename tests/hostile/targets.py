"""What a fuzzer throws bytes at, beside the readers of uploads: each returns, or raises an error of ours."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from esmviz.errors import EsmvizError
from esmviz.exhibit import Exhibit
from esmviz.models.base import Request
from esmviz.models.biolm import BiolmBackend
from esmviz.models.catalog import CATALOG
from esmviz.models.courier import Courier
from esmviz.models.hosted import Server
from esmviz.models.outline import outline
from esmviz.protein_file import ProteinFile
from esmviz.sequences import read_fasta
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from esmviz.types import ProteinRecord
from tests import test_exhibit
from tests.hostile import corpus, readers

RECORD = ProteinRecord("a", "MKVL")
SPEC = replace(CATALOG["esm2-8m"], d_model=2)


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


class Told(Courier):
    """A server that answers with given bytes."""

    body = b""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        return httpx.Response(200, content=self.body, request=request)


@cache
def hosted() -> tuple[BiolmBackend, Told]:
    courier = Told(Server("http://localhost/api/v3"), "Token")
    vector = {"layer": SPEC.n_layers, "embedding": [0.0] * SPEC.d_model}
    courier.body = json.dumps({"results": [{"embeddings": [vector]}]}).encode()
    return BiolmBackend(SPEC, "esm2-8m", courier.server, courier), courier


def biolm(content: bytes) -> None:
    """A reply of a server that hosts a model."""
    backend, courier = hosted()
    courier.body = content
    request = Request(logits=True, layers=(SPEC.n_layers,), pooling="mean")
    for output in backend.run([RECORD], request):
        assert np.isfinite(output.logits).all()
        assert output.pooled.shape == (1, SPEC.d_model)


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
    outline(_file())


def seeds_of_replies() -> dict[str, bytes]:
    logits = [[0.5] * 20] * len(RECORD)
    good = {
        "embeddings": [{"layer": SPEC.n_layers, "embedding": [1.0, 2.0]}],
        "logits": logits,
        "vocab_tokens": list("ACDEFGHIKLMNPQRSTVWY"),
    }
    replies: dict[str, Any] = {
        "good": {"results": [good]},
        "error": {"results": [{"error": "no", "status_code": 400}]},
        "none": {"results": []},
        "null": {"results": [{**good, "logits": None}]},
        "infinite": {"results": [{**good, "logits": [[1e999] * 20] * 4}]},
        "huge": {"results": [{**good, "logits": [[10**400] * 20] * 4}]},
    }
    return {name: json.dumps(reply).encode() for name, reply in replies.items()}


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
    "biolm": (biolm, seeds_of_replies),
    "exhibit": (exhibit, seeds_of_exhibits),
    "token": (token, lambda: {"none": b"", "one": b"A" * 22, "path": b"../../etc/passwd"}),
    "checkpoint": (checkpoint, seeds_of_checkpoints),
}


def survives(name: str, content: bytes) -> None:
    """Run a target; what is no error of ours goes on."""
    with contextlib.suppress(EsmvizError):
        TARGETS[name][0](content)
