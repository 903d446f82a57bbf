"""Whole checkpoint folders made of bytes: described, loaded and run as the app would those of its models."""

from __future__ import annotations

import io
import json
import shutil
import struct
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from esmviz.models import h5, outline, weights
from esmviz.models.cache import ModelCache
from esmviz.models.layouts import layout, settled
from esmviz.types import ProteinRecord, Request

RECORD = ProteinRecord("a", "MKVLAWGHDE")
NAME = "own"
MARK = b"\n--file "
HEADER = "header.json"  # model.safetensors is made of it, with the length before and the bytes behind
FILES = (
    *("config.json", HEADER, "model.safetensors", "model.safetensors.index.json", "a.safetensors"),
    *("pytorch_model.bin", "tf_model.h5", "card.json", "own.pt", "own-contact-regression.pt", "second.pth"),
    "data/weights/esm3_sm_open_v1.pth",
)
MOST_PADDING = 1 << 16
UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
SIZES = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 4}
CONFIGS: dict[str, dict[str, Any]] = {
    "esm": {
        "model_type": "esm",
        "architectures": ["EsmForMaskedLM"],
        "position_embedding_type": "rotary",
        **SIZES,
    },
    "esmc": {"model_type": "esmc", "architectures": ["EsmcForMaskedLM"], **SIZES},
    "classifier": {
        "model_type": "esm",
        "architectures": ["EsmForSequenceClassification"],
        "max_position_embeddings": 20,
        "id2label": {"0": "out", "1": "in"},
        **SIZES,
    },
}


def packed(files: Mapping[str, bytes]) -> bytes:
    """Files one behind the other, each after its number in ``FILES``."""
    return b"".join(MARK + b"%X" % FILES.index(name) + content for name, content in files.items())


def unpacked(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file; bytes before the first mark, or behind one of no file, are none."""
    for part in content.split(MARK)[1:]:
        if (number := b"0123456789AB".find(part[:1] or b"?")) >= 0:
            name, file = FILES[number], part[1:]
            yield ("model.safetensors", with_header(file)) if name == HEADER else (name, file)


def with_header(header: bytes) -> bytes:
    """A safetensors file of a header, with as many bytes behind it as it announces, up to a bound."""
    try:
        size = max(int(entry["data_offsets"][1]) for entry in json.loads(header).values())
    except UNREADABLE:
        size = 0
    data = bytes(range(64)) * (MOST_PADDING // 64)
    return struct.pack("<Q", len(header)) + header + data[: max(size, 0)]


@cache
def _root() -> Path:
    return Path(tempfile.mkdtemp())


def folder(content: bytes) -> None:
    """A folder is described, or its note says why not; then it is loaded and run."""
    shutil.rmtree(_root() / NAME, ignore_errors=True)
    for name, file in unpacked(content):
        path = _root() / NAME / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file)
    if (_root() / NAME).is_dir():
        runs(_root())


def runs(root: Path) -> None:
    """Describe, load and run the one checkpoint in a folder of models, by what the app calls."""
    for remembered in (outline._read, h5._outline, weights._outlined, weights._digest):
        remembered.cache_clear()  # the times of files are no finer than some milliseconds
    models = ModelCache(models_dir=root, device="cpu", precision="float32", offline=True)
    spec = models.specs()[NAME]
    assert spec.provides or spec.note
    assert len(spec.note) < 1000
    models.status(NAME)
    backend = models.backend(NAME)
    assert spec.n_layers > 0
    assert spec.n_heads > 0
    has_logits = "logits" in spec.provides
    [output] = backend.run([RECORD], Request(logits=has_logits, layers=(-1,), pooling="mean"))
    assert output.pooled.shape == (1, spec.d_model)
    assert output.logits is None or output.logits.shape == (len(RECORD), 20)


def h5_outline(content: bytes) -> None:
    """The names and shapes in a file of Keras."""
    path = _root() / "tf_model.h5"
    path.write_bytes(content)
    h5._outline.cache_clear()
    h5.outline(path)


def tensors(kind: str) -> dict[str, np.ndarray]:
    """Weights of a small model."""
    config = settled(CONFIGS[kind])
    names = layout(CONFIGS[kind]["architectures"][0], config, 2)
    random = np.random.default_rng(0)
    return {name: random.standard_normal(shape).astype(np.float32) for name, shape in names.items()}


def whole(kind: str) -> dict[str, bytes]:
    """The two files of a good folder."""
    return {"config.json": json.dumps(CONFIGS[kind]).encode(), "model.safetensors": save(tensors(kind))}


def header(file: bytes) -> bytes:
    """The JSON of a safetensors file."""
    (size,) = struct.unpack("<Q", file[:8])
    return file[8 : 8 + size]


def fair_esm() -> bytes:
    """A file of fair-esm: a few tensors, and settings of a class of its own."""
    import torch

    shapes = {"embed_tokens.weight": (33, 4), "lm_head.weight": (33, 4), "layers.0.fc1.weight": (4, 4)}
    model = {name: torch.zeros(shape) for name, shape in shapes.items()}
    model["layers.0.self_attn.rot_emb.inv_freq"] = torch.zeros(1)
    file = io.BytesIO()
    torch.save({"cfg": {"model": Namespace(encoder_attention_heads=2)}, "model": model}, file)
    return file.getvalue()


def keras() -> bytes:
    """A small ``tf_model.h5``."""
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w", libver="latest") as content:
        content["esm/embeddings/word_embeddings/embeddings:0"] = np.zeros((33, 4), np.float32)
        content["esm/encoder/layer_._0/output/dense/kernel:0"] = np.zeros((4, 4), np.float32)
        content["esm"].attrs["names"] = [b"x"]
    return file.getvalue()


def seeds() -> dict[str, bytes]:
    good = whole("esm")
    config, file = good["config.json"], good["model.safetensors"]
    index = {"weight_map": {"a": "a.safetensors", "b": "../../../../etc/passwd", "c": "/etc/passwd"}}
    found = {kind: packed(whole(kind)) for kind in CONFIGS}
    return found | {
        "header": packed({"config.json": config, HEADER: header(file)}),
        "index": packed(
            {
                "config.json": config,
                "model.safetensors.index.json": json.dumps(index).encode(),
                "a.safetensors": file,
            }
        ),
        "card": packed({**good, "card.json": b'{"trained_residues": 1022, "licence": "MIT"}'}),
        "fair-esm": packed({"own.pt": fair_esm()}),
        "several": packed({"own.pt": fair_esm(), "second.pth": fair_esm()}),
        "h5": packed({"config.json": config, "tf_model.h5": keras()}),
        "bin": packed({"config.json": config, "pytorch_model.bin": fair_esm()}),
        "esm3": packed({"config.json": b'{"n_heads": 1}', "data/weights/esm3_sm_open_v1.pth": fair_esm()}),
        "no weights": packed({"config.json": config}),
        "empty": b"",
    }
