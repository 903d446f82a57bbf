"""The files of a checkpoint, read without torch: which they are, the shapes in them, the hash of their content.

Everywhere ``folder`` is a Hugging Face folder, a file of fair-esm, ESM C or ESM3, or a folder that holds one.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models import h5, safetensors_header
from esmviz.models.faults import brief
from esmviz.models.native import is_native, native_files, regression_file, translated
from esmviz.models.outline import outline

Shapes = dict[str, tuple[int, ...]]
State = tuple[tuple[str, int, int], ...]  # path, time of the last change, bytes
MOST_JSON_BYTES = 2 * 2**20  # the table of shards of a model of 80 blocks has some 100 KiB
HINT = (
    "A checkpoint is a Hugging Face folder with config.json and model.safetensors (or pytorch_model.bin, or tf_model.h5), "
    "a .pt file of fair-esm or a .pth file of ESM C or ESM3."
)
# One for all layers since transformers 5, which still saves it under the layer "*".
ROTARY_OF_A_LAYER = re.compile(r"esm\.encoder\.layer\.(\d+|\*)\.attention\.self\.rotary_embeddings\.inv_freq")
# Of a Hugging Face folder, the preferred first.
WEIGHTS = ("model.safetensors", "pytorch_model.bin", "tf_model.h5")
# ESM3's one file, laid into a folder by hand or as the hub has it, beside files of its decoders.
ESM3_FILES = ("esm3_sm_open_v1.pth", "data/weights/esm3_sm_open_v1.pth")
ESM3_EMBEDDING = "encoder.sequence_embed.weight"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises
    ------
    CorruptCheckpointError
        When it is missing, cannot be read, or is no JSON object.
    """
    if not path.is_file():
        raise CorruptCheckpointError(f"{path.parent.name} has no {path.name}.", HINT)
    named = f"{path.parent.name}/{path.name}"
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise ValueError(f"it has more than {MOST_JSON_BYTES >> 20} MiB")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorruptCheckpointError(f"{named} cannot be read: {brief(error)}.", HINT) from None
    if not isinstance(value, dict):
        raise CorruptCheckpointError(f"{named} is no JSON object.", HINT)
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder, or what it would be for a file of another package."""
    if native_file(folder) is None:
        return read_json(folder / "config.json")
    return dict(_outlined(_state(folder))[0])


def is_checkpoint(folder: Path) -> bool:
    """Whether a path looks like a checkpoint, broken or not."""
    if folder.is_file():
        return is_native(folder)
    return (folder / "config.json").is_file() or bool(native_files(folder))


def native_file(folder: Path) -> Path | None:
    """The file of fair-esm, ESM C or ESM3 that a path is or holds; None for a Hugging Face folder.

    Raises
    ------
    CorruptCheckpointError
        When a folder holds several.
    """
    if folder.is_file():
        return folder
    if esm3 := [path for name in ESM3_FILES if (path := folder / name).is_file()]:
        return esm3[0]
    if any((folder / f"{name}{end}").is_file() for name in WEIGHTS for end in ("", ".index.json")):
        return None  # a training run leaves optimizer.pt and the like beside its weights
    files = native_files(folder)
    if len(files) > 1:
        raise CorruptCheckpointError(
            f"{folder.name} holds several checkpoints: {', '.join(path.name for path in files)}.",
            "Give each a folder of its own.",
        )
    return files[0] if files else None


def holds_esm3(folder: Path) -> bool:
    """Whether a path is or holds a file of ESM3, whole or not."""
    native = native_file(folder)
    if native is None or native.name == ESM3_FILES[0]:
        return native is not None
    content = outline(native)
    return isinstance(content, dict) and ESM3_EMBEDDING in content


def weight_files(folder: Path) -> list[Path]:
    """Files that hold the tensors, safetensors preferred, shards in order."""
    if (native := native_file(folder)) is not None:
        return [path for path in (native, regression_file(native)) if path is not None]
    for single in WEIGHTS:
        index = folder / f"{single}.index.json"
        if (folder / single).is_file():
            return [folder / single]
        if index.is_file():
            return _shards(folder, index, Path(single).suffix)
    raise CorruptCheckpointError(f"{folder.name} has no weights.", HINT)


def _shards(folder: Path, index: Path, suffix: str) -> list[Path]:
    """The files that an index names; all lie beside it."""
    files = read_json(index).get("weight_map")
    names = {str(name) for name in files.values()} if isinstance(files, dict) else set()
    if foreign := [name for name in names if Path(name).name != name or Path(name).suffix != suffix]:
        raise CorruptCheckpointError(
            f"{folder.name}/{index.name} names {brief(min(foreign))}, which is no {suffix} file beside it.",
            HINT,
        )
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing or not names:
        raise CorruptCheckpointError(
            f"{folder.name} lacks {brief(', '.join(missing)) or 'its weights'}.", HINT
        )
    return [folder / name for name in sorted(names)]


def present_name(name: str) -> str:
    """What transformers calls a tensor in memory. Its ESM folders have older names for three, those that it writes too.

    >>> present_name("esm.encoder.layer.0.LayerNorm.gamma")
    'esm.encoder.layer.0.LayerNorm.weight'
    """
    name = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
    return ROTARY_OF_A_LAYER.sub("esm.rotary_embeddings.inv_freq", name)


def tensor_shapes(folder: Path) -> Shapes:
    """Shape of each tensor, by its ``present_name``."""
    if native_file(folder) is not None:
        return _outlined(_state(folder))[1]
    shapes: Shapes = {}
    for path in weight_files(folder):
        if path.suffix == ".safetensors":
            shapes |= safetensors_header.shapes(path)
        else:
            shapes |= _shapes((h5.outline if path.suffix == ".h5" else outline)(path))
    return {present_name(name): shape for name, shape in shapes.items()}


@lru_cache(maxsize=64)  # a page asks for the catalogue at every rerun
def _outlined(files: State) -> tuple[dict[str, Any], Shapes]:
    config, arrays = translated(Path(files[0][0]), outline)
    return config, _shapes(arrays)


def _shapes(arrays: dict[str, Any]) -> Shapes:
    return {name: tuple(array.shape) for name, array in arrays.items()}


def count(shapes: Shapes) -> int:
    """Number of parameters. What a file repeats or a rotary model ignores does not count."""
    skipped = ["inv_freq", "position_ids"]
    if any(name.startswith("esm.") for name in shapes):  # which shares its embedding with the head
        skipped.append("lm_head.decoder.weight")
    if any("inv_freq" in name for name in shapes):
        skipped.append("position_embeddings")
    return sum(prod(shape) for name, shape in shapes.items() if not any(word in name for word in skipped))


def revision(folder: Path) -> str:
    """SHA-256 over the weight files: what a local checkpoint is known by in captions and cache keys."""
    return _digest(_state(folder))


def _state(folder: Path) -> State:
    """The weight files as they are now: what is remembered of them holds until one changes."""
    return tuple((str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in weight_files(folder))


@lru_cache(maxsize=64)
def _digest(files: State) -> str:
    sha256 = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            while chunk := file.read(2**20):
                sha256.update(chunk)
    return sha256.hexdigest()
