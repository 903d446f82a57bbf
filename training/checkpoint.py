"""Files: a run that can go on, and the folder that transformers loads. No pickle in either."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.network import VOCABULARY, Network, Shape

_TOP = {
    "embedding.weight": "esm.embeddings.word_embeddings.weight",
    "norm_after.weight": "esm.encoder.emb_layer_norm_after.weight",
    "norm_after.bias": "esm.encoder.emb_layer_norm_after.bias",
    "head_dense.weight": "lm_head.dense.weight",
    "head_dense.bias": "lm_head.dense.bias",
    "head_norm.weight": "lm_head.layer_norm.weight",
    "head_norm.bias": "lm_head.layer_norm.bias",
    "head_bias": "lm_head.bias",
}
_IN_BLOCK = {
    "norm_attention": "attention.LayerNorm",
    "out": "attention.output.dense",
    "norm_hidden": "LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
}


@dataclass
class Progress:
    """How far a run has come."""

    step: int = 0
    residues: int = 0
    minutes: float = 0.0


def runs_before(folder: Path) -> list[dict[str, Any]]:
    """The runs that made a finished model, the first of them first, as its card tells; none where it has no card."""
    path = folder / "card.json"
    training = json.loads(path.read_text()).get("training", {}) if path.exists() else {}
    keys = ("steps", "residues_seen", "minutes", "seed", "shares_of_tokens")
    own = [{key: training[key] for key in keys}] if training else []
    return [*training.get("runs_before", []), *own]


def note_run(folder: Path, settings: dict[str, Any], before: list[dict[str, Any]]) -> None:
    """Write down what a run follows and from what it began, unless it goes on: then that stands there already."""
    path = folder / "run.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"settings": settings, "runs_before": before}, indent=2) + "\n")


def noted_run(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Settings of a run, and the runs before it."""
    found = json.loads((folder / "run.json").read_text())
    return found["settings"], found["runs_before"]


def to_transformers(tensors: dict[str, Tensor], shape: Shape) -> dict[str, Tensor]:
    """Our names to those of `EsmForMaskedLM`: one matrix of queries, keys and values becomes three."""
    named: dict[str, Tensor] = {theirs: tensors[ours] for ours, theirs in _TOP.items()}
    for i in range(shape.n_layers):
        for kind in ("weight", "bias"):
            layer = f"esm.encoder.layer.{i}."
            for ours, theirs in _IN_BLOCK.items():
                named[f"{layer}{theirs}.{kind}"] = tensors[f"blocks.{i}.{ours}.{kind}"]
            parts = tensors[f"blocks.{i}.qkv.{kind}"].chunk(3)
            for part, theirs in zip(parts, ("query", "key", "value"), strict=True):
                named[f"{layer}attention.self.{theirs}.{kind}"] = part
    n_heads = shape.n_layers * shape.n_heads
    named["esm.contact_head.regression.weight"] = torch.zeros(1, n_heads)
    named["esm.contact_head.regression.bias"] = torch.zeros(1)
    d_head = shape.d_model // shape.n_heads
    named["esm.rotary_embeddings.inv_freq"] = 10000.0 ** (-torch.arange(0, d_head, 2).float() / d_head)
    return named


def from_transformers(folder: Path) -> tuple[dict[str, Tensor], Shape]:
    """The other way: weights and shape of a folder that `export` wrote, to go on from them."""
    config = json.loads((folder / "config.json").read_text())
    keys = ("num_hidden_layers", "num_attention_heads", "hidden_size", "intermediate_size")
    shape = Shape(*(config[key] for key in keys))
    named = {name: t.float() for name, t in load_file(folder / "model.safetensors").items()}
    tensors = {ours: named[theirs] for ours, theirs in _TOP.items()}
    for i in range(shape.n_layers):
        for kind in ("weight", "bias"):
            layer = f"esm.encoder.layer.{i}."
            for ours, theirs in _IN_BLOCK.items():
                tensors[f"blocks.{i}.{ours}.{kind}"] = named[f"{layer}{theirs}.{kind}"]
            parts = [named[f"{layer}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            tensors[f"blocks.{i}.qkv.{kind}"] = torch.cat(parts)
    return tensors, shape


def export(
    folder: Path, tensors: dict[str, Tensor], shape: Shape, dtype: torch.dtype = torch.float16
) -> None:
    """Write `config.json`, `model.safetensors` and `vocab.txt`.

    float16, not bfloat16: the weights are small numbers, and three more bits of mantissa come free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = {name: t.detach().to(dtype).contiguous() for name, t in to_transformers(tensors, shape).items()}
    # a buffer, not a weight: rounded to float16 the slow rotations would drift along a long protein
    named["esm.rotary_embeddings.inv_freq"] = to_transformers(tensors, shape)[
        "esm.rotary_embeddings.inv_freq"
    ]
    save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors leaves it to its owner alone
    config = shape.to_config() | {"dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")


def save_run(
    folder: Path,
    network: Network,
    average: dict[str, Tensor],
    optimiser: dict[str, Tensor],
    progress: Progress,
) -> None:
    """One file, replaced at once: a run that is killed while saving keeps its last state."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"network.{n}": p.detach() for n, p in network.named_parameters()}
    tensors |= {f"average.{n}": t for n, t in average.items()}
    tensors |= {f"optimiser.{n}": t for n, t in optimiser.items()}
    tensors = {n: t.cpu().contiguous() for n, t in tensors.items()}
    part = folder / "state.part"
    metadata = {"progress": json.dumps(asdict(progress)), "shape": json.dumps(asdict(network.shape))}
    save_file(tensors, part, metadata=metadata)
    part.replace(folder / "state.safetensors")


def load_run(folder: Path) -> tuple[dict[str, dict[str, Tensor]], Progress, Shape]:
    """Tensors by group (`network`, `average`, `optimiser`), progress and shape."""
    path = folder / "state.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    groups: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimiser": {}}
    for name, tensor in load_file(path).items():
        group, _, rest = name.partition(".")
        groups[group][rest] = tensor
    return groups, Progress(**json.loads(metadata["progress"])), Shape(**json.loads(metadata["shape"]))
