"""What a checkpoint folder says about itself, read without torch: config, tensor shapes, revision."""

from __future__ import annotations

import hashlib
import json
import struct
from functools import lru_cache
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models.predictors import PREDICTORS, predictor
from esmviz.types import ModelSpec, Output, Predictor

Shapes = dict[str, tuple[int, ...]]
MAX_HEADER_BYTES = 100 * 2**20  # as the safetensors library has it
HINT = "A checkpoint is a Hugging Face folder with config.json and model.safetensors (or pytorch_model.bin)."

# Architecture of a masked language model of each family, and the tensor that holds its input embedding.
ARCHITECTURES = {"esm": "EsmForMaskedLM", "esmc": "EsmcForMaskedLM"}
EMBEDDINGS = {"esm": "esm.embeddings.word_embeddings.weight", "esmc": "esmc.embed_tokens.weight"}
BLOCKS = {"esm": "esm.encoder.layer.", "esmc": "esmc.layers."}
WIDTHS = {"esm": 33, "esmc": 64}
# No logits, for want of a head; no contacts, as their regression was fitted to the attention before fine-tuning.
PREDICTOR_PROVIDES: frozenset[Output] = frozenset({"hidden_states", "attentions", "predictions"})
# ESM3's one file, laid into a folder by hand or as the hub has it; its config.json is empty.
ESM3_FILES = ("esm3_sm_open_v1.pth", "data/weights/esm3_sm_open_v1.pth")


def describe(folder: Path, name: str) -> ModelSpec:
    """The spec of a visitor's own checkpoint, from its config, its tensors and its ``card.json`` if it has one.

    Raises
    ------
    CorruptCheckpointError
        When the folder is no checkpoint of a known family, is truncated, or its config and tensors disagree.
    """
    try:
        return _described(folder, name)
    except (TypeError, ValueError, AttributeError) as error:  # values of another kind than they should be
        raise CorruptCheckpointError(
            f"{folder.name}: its JSON files hold what no checkpoint has ({error}).", HINT
        ) from None


def _described(folder: Path, name: str) -> ModelSpec:
    if _esm3_file(folder) is not None:
        from esmviz.models import esm3_checkpoint

        return esm3_checkpoint.describe(folder, name)
    config = read_config(folder)
    family = _family(folder, config)
    shapes = tensor_shapes(folder)
    n_layers, d_model = _sizes(folder, family, config, shapes)
    card = read_json(folder / "card.json") if (folder / "card.json").is_file() else {}
    is_absolute = family == "esm" and config.get("position_embedding_type", "absolute") == "absolute"
    predicts = predictor(folder, family, config, shapes)
    return ModelSpec(
        name=name,
        family=family,
        repo_id="",
        revision=None,
        n_layers=n_layers,
        n_heads=int(config.get("num_attention_heads", 12 if family == "esm" else 40)),
        d_model=d_model,
        n_parameters=count(folder, shapes),
        max_residues=int(config.get("max_position_embeddings", 1026)) - 4 if is_absolute else None,
        licence=str(card.get("licence", "")),
        provides=_provides(family, config, shapes, card) if predicts is None else PREDICTOR_PROVIDES,
        title=name,
        note="A checkpoint of your own.",
        trained_residues=card.get("trained_residues"),
        predicts_effects=card.get("predicts_effects", True) is True,
        predictor=predicts,
    )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises
    ------
    CorruptCheckpointError
        When it is missing, cannot be read, or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CorruptCheckpointError(f"{path.parent.name} has no {path.name}.", HINT) from None
    except (OSError, ValueError) as error:
        raise CorruptCheckpointError(
            f"{path.parent.name}/{path.name} cannot be read: {error}.", HINT
        ) from None
    if not isinstance(value, dict):
        raise CorruptCheckpointError(f"{path.parent.name}/{path.name} is no JSON object.", HINT)
    return value


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a folder."""
    return read_json(folder / "config.json")


def is_checkpoint(folder: Path) -> bool:
    """Whether a folder looks like a checkpoint at all."""
    return (folder / "config.json").is_file() or _esm3_file(folder) is not None


def _esm3_file(folder: Path) -> Path | None:
    return next((folder / name for name in ESM3_FILES if (folder / name).is_file()), None)


def weight_files(folder: Path) -> list[Path]:
    """Files that hold the tensors, safetensors preferred, shards in order."""
    if (path := _esm3_file(folder)) is not None:
        return [path]
    for single in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{single}.index.json"
        if (folder / single).is_file():
            return [folder / single]
        if index.is_file():
            names = sorted(set(read_json(index).get("weight_map", {}).values()))
            missing = [name for name in names if not (folder / name).is_file()]
            if missing or not names:
                raise CorruptCheckpointError(
                    f"{folder.name} lacks {', '.join(missing) or 'its weights'}.", HINT
                )
            return [folder / name for name in names]
    raise CorruptCheckpointError(f"{folder.name} has no weights.", HINT)


def tensor_shapes(folder: Path) -> Shapes | None:
    """Shape of each tensor, or None where they are in ``.bin`` files, which only torch can read."""
    shapes: Shapes = {}
    for path in weight_files(folder):
        if path.suffix != ".safetensors":
            return None
        shapes |= _header(path)
    return shapes


def count(folder: Path, shapes: Shapes | None) -> int:
    """Number of parameters."""
    if shapes is None:
        return sum(path.stat().st_size for path in weight_files(folder)) // 4
    total = 0
    for name, shape in shapes.items():
        n = 1
        for size in shape:
            n *= size
        total += 0 if "inv_freq" in name or "position_ids" in name else n
    return total


def revision(folder: Path) -> str:
    """SHA-256 over the weight files: what a local checkpoint is known by in captions and cache keys."""
    stats = [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in weight_files(folder)]
    return _digest(tuple(stats))


@lru_cache(maxsize=64)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    sha256 = hashlib.sha256()
    for name, _, _ in files:
        with open(name, "rb") as file:
            while chunk := file.read(2**20):
                sha256.update(chunk)
    return sha256.hexdigest()


def _header(path: Path) -> Shapes:
    """Names and shapes of a safetensors file, whose length must be what its header promises."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (n_bytes,) = struct.unpack("<Q", file.read(8))
            if n_bytes > min(size, MAX_HEADER_BYTES):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(n_bytes))
        header.pop("__metadata__", None)
        end = max(int(entry["data_offsets"][1]) for entry in header.values())
        if 8 + n_bytes + end != size:
            raise ValueError(f"it has {size} bytes where {8 + n_bytes + end} are announced")
        return {name: tuple(entry["shape"]) for name, entry in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise CorruptCheckpointError(
            f"{path.parent.name}/{path.name} is truncated or no safetensors file: {error}.", "Copy it again."
        ) from None


def _family(folder: Path, config: dict[str, Any]) -> str:
    family = str(config.get("model_type"))
    named = config.get("architectures") or [ARCHITECTURES.get(family)]
    known = {ARCHITECTURES.get(family)} | {
        name for (its, _), (name, _) in PREDICTORS.items() if its == family
    }
    if family not in ARCHITECTURES or known.isdisjoint(named) or config.get("is_folding_model"):
        loaded = [*ARCHITECTURES.values(), *(name for name, _ in PREDICTORS.values())]
        raise CorruptCheckpointError(
            f"{folder.name} is {', '.join(map(str, named))} of type {family}, which esmviz cannot load.",
            f"It loads {', '.join(loaded)}.",
        )
    return family


def architecture(family: str, predicts: Predictor | None) -> str:
    """Name of the class of transformers that holds such a checkpoint."""
    return ARCHITECTURES[family] if predicts is None else PREDICTORS[family, predicts.unit][0]


def _sizes(folder: Path, family: str, config: dict[str, Any], shapes: Shapes | None) -> tuple[int, int]:
    """Layers and width: the tensors know them best, since a config of another layout silently takes defaults."""
    if shapes is None:
        try:
            return int(config["num_hidden_layers"]), int(config["hidden_size"])
        except (KeyError, TypeError, ValueError):
            raise CorruptCheckpointError(
                f"{folder.name}/config.json lacks the model's sizes.", HINT
            ) from None
    prefix = BLOCKS[family]
    numbers = (name[len(prefix) :].partition(".")[0] for name in shapes if name.startswith(prefix))
    blocks = {
        number for number in numbers if number.isdigit()
    }  # save_pretrained writes a tensor for layer "*"
    embedding = shapes.get(EMBEDDINGS[family], ())
    if not blocks or len(embedding) != 2 or embedding[0] != WIDTHS[family]:
        raise CorruptCheckpointError(f"{folder.name} holds tensors of another layout than {family}.", HINT)
    for key, value in (("num_hidden_layers", len(blocks)), ("hidden_size", embedding[1])):
        if config.get(key, value) != value:
            raise CorruptCheckpointError(
                f"{folder.name}: config.json says {key} {config[key]}, the tensors {value}.", HINT
            )
    return len(blocks), embedding[1]


def _provides(
    family: str, config: dict[str, Any], shapes: Shapes | None, card: dict[str, Any]
) -> frozenset[Output]:
    provides: set[Output] = {"logits", "hidden_states", "attentions"}
    if family == "esm" and card.get("contacts", True) is True and has_trained_contacts(config):
        names = shapes if shapes is not None else {"esm.contact_head.regression.weight": ()}
        if "esm.contact_head.regression.weight" in names:
            provides.add("contacts")
    return frozenset(provides)


def has_trained_contacts(config: dict[str, Any]) -> bool:
    """False for ESM-1v, known by absolute positions without a norm before the blocks: its folders carry a contact
    head of random numbers.
    """
    is_absolute = config.get("position_embedding_type", "absolute") == "absolute"
    return not is_absolute or config.get("emb_layer_norm_before") is True
