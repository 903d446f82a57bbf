"""Checkpoint folders and replies of servers that are large in what they hold, or say that they do."""

from __future__ import annotations

import io
import json
import pickle
import zipfile

from tests.hostile import folders, replies
from tests.hostile.corpus import MEGABYTE, Make, long

JSON = 2 * MEGABYTE - 1000  # just under the limit of a file of settings
REPLY = 255 * MEGABYTE  # of one reply


def config(text: bytes) -> bytes:
    return folders.packed({**folders.whole("esm"), "config.json": text})


def header(text: bytes) -> bytes:
    return folders.packed({"config.json": folders.whole("esm")["config.json"], folders.HEADER: text})


def index(text: bytes) -> bytes:
    return folders.packed(
        {"config.json": folders.whole("esm")["config.json"], "model.safetensors.index.json": text}
    )


def torch_file(pickled: bytes) -> bytes:
    """A zip as ``torch.save`` writes it, around any pickle."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", pickled)
    return folders.packed({"own.pt": out.getvalue()})


def many_entries(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            archive.writestr(f"x/data/{number}", b"")
        archive.writestr("x/data.pkl", pickle.dumps({}, 2))
    return folders.packed({"own.pt": out.getvalue()})


def keras(count: int, shape: tuple[int, ...] = (1,), depth: int = 0) -> bytes:
    """Datasets without numbers, which may say that they have many."""
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w", libver="latest") as file:
        for number in range(count):
            chunks = tuple(min(n, 64) for n in shape)
            file.create_dataset(f"{'a/' * depth}d{number}", shape, "f4", chunks=chunks)
    return folders.packed({"config.json": folders.whole("esm")["config.json"], "tf_model.h5": out.getvalue()})


def tensors(count: int) -> bytes:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    return json.dumps({f"t{number}": entry for number in range(count)}).encode()


FOLDERS: dict[str, Make] = {
    "config beyond the limit": lambda: config(b'{"a":' + long(b" ", 200 * MEGABYTE) + b"1}"),
    "config of lists": lambda: config(b'{"a":[' + long(b"[],", JSON) + b"1]}"),
    "config of objects": lambda: config(b'{"a":[' + long(b"{},", JSON) + b"1]}"),
    "config of numbers": lambda: config(b'{"a":[' + long(b"1.5,", JSON) + b"1]}"),
    "config of one text": lambda: config(b'{"model_type":"' + long(b"x", JSON) + b'"}'),
    "config nested": lambda: config(b'{"a":' * 100_000),
    "config of a huge number": lambda: config(b'{"hidden_size":' + long(b"9", MEGABYTE) + b"}"),
    "config of classes": lambda: config(
        json.dumps(
            folders.CONFIGS["classifier"] | {"id2label": {str(n): str(n) for n in range(90_000)}}
        ).encode()
    ),
    "config of classes without names": lambda: config(
        json.dumps(folders.CONFIGS["classifier"] | {"id2label": None, "num_labels": 10**15}).encode()
    ),
    "header of objects": lambda: header(b"{" + b",".join(b'"%d":{}' % n for n in range(180_000)) + b"}"),
    "header of lists": lambda: header(b'{"a":[' + long(b"[],", JSON) + b"1]}"),
    "header nested": lambda: header(b'{"a":' * 100_000),
    "header of tensors": lambda: header(tensors(55_000)),
    "header beyond the limit": lambda: header(b'{"a":"' + long(b"x", 90 * MEGABYTE) + b'"}'),
    "header that announces gigabytes": lambda: header(
        b'{"a":{"dtype":"F32","shape":[4000000000],"data_offsets":[0,16000000000]}}'
    ),
    "index of names": lambda: index(
        b'{"weight_map":{' + b",".join(b'"%d":"%d.safetensors"' % (n, n) for n in range(60_000)) + b"}}"
    ),
    "pickle of lists": lambda: torch_file(b"\x80\x02" + long(b"]", 2 * MEGABYTE - 10) + b"."),
    "pickle of objects": lambda: torch_file(b"\x80\x02" + long(b"}", 2 * MEGABYTE - 10) + b"."),
    "pickle of marks": lambda: torch_file(b"\x80\x02" + long(b"(", 2 * MEGABYTE - 10) + b"."),
    "pickle of tuples within tuples": lambda: torch_file(
        b"\x80\x02)q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(90)) + b"}h\x5aNs."
    ),
    "pickle that unpacks to gigabytes": lambda: torch_file(b"\0" * (1 << 30)),
    "zip of 300,000 entries": lambda: many_entries(300_000),
    "older file of opcodes": lambda: folders.packed({"own.pt": b"\x80\x02" + long(b"]")}),
    "older file of one text": lambda: folders.packed({"own.pt": b"\x80\x02X\xff\xff\xff\x7f" + long(b"x")}),
    "h5 of 3,000 datasets": lambda: keras(3000),
    "h5 that announces gigabytes": lambda: keras(1, (100_000, 100_000)),
    "h5 nested": lambda: keras(1, depth=3000),
}
REPLIES: dict[str, Make] = {
    "lists": lambda: b'{"logits":[' + long(b"[],", REPLY) + b"1]}",
    "objects": lambda: b'{"logits":[' + long(b"{},", REPLY) + b"1]}",
    "numbers": lambda: b'{"logits":[' + long(b"1,", REPLY) + b"1]}",
    "fractions": lambda: b'{"logits":[' + long(b"1.5,", REPLY) + b"1]}",
    "names": lambda: b"{" + b",".join(b'"%d":1' % n for n in range(20_000_000)) + b"}",
    "one text": lambda: b'{"logits":"' + long(b"x", REPLY) + b'"}',
    "one text of emoji": lambda: b'{"logits":"' + long("\U0001f9ec".encode(), REPLY) + b'"}',
    "nested": lambda: b'{"logits":' + long(b"[", REPLY),
    "spaces": lambda: b'{"logits":' + long(b" ", REPLY) + b"1}",
    "as much as is taken": lambda: (
        b'{"embeddings":null,"hidden_states":null,"logits":{"sequence":[['
        + long(b"-1.2345678901234567,", 11_000_000 * 20)
        + b"0.5]]}}"
    ),
}
ALL = {"folder": FOLDERS, "biolm": REPLIES, "biohub": REPLIES}
ONE = {
    "folder": folders.packed(folders.whole("esm")),
    "biolm": replies.seeds_of_biolm()["good"],
    "biohub": replies.seeds_of_biohub()["good"],
}
