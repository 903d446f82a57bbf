"""Files of the models' own packages, under the names of transformers: fair-esm's ``.pt``, EvolutionaryScale's ``.pth``.

Everything here works on tensors and on outlines alike (``models/outline.py``): both have a shape, a slice and ``==``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError

SUFFIXES = (".pt", ".pth")
REGRESSION = "-contact-regression.pt"
ESMC_HEAD_WIDTH = 64  # of every ESM C; its tensors do not tell
MASK_TOKEN = 32

Arrays = dict[str, Any]
Reader = Callable[[Path], Any]

FAIR_ESM_STEMS = {
    "embed_tokens": "esm.embeddings.word_embeddings",
    "emb_layer_norm_before": "esm.embeddings.layer_norm",
    "emb_layer_norm_after": "esm.encoder.emb_layer_norm_after",
    "contact_head.regression": "esm.contact_head.regression",
    "lm_head": "lm_head",
    "lm_head.dense": "lm_head.dense",
    "lm_head.layer_norm": "lm_head.layer_norm",
}
FAIR_ESM_BLOCK = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "LayerNorm",
}
ESMC_STEMS = {
    "embed": ("esmc.embed_tokens",),
    "transformer.norm": ("esmc.norm",),
    "sequence_head.0": ("lm_head.dense",),
    "sequence_head.2": ("lm_head.layer_norm",),
    "sequence_head.3": ("lm_head.decoder",),
}
ESMC_BLOCK = {  # several names: the tensor holds them one after the other
    "attn.layernorm_qkv.0": ("input_layernorm",),
    "attn.layernorm_qkv.1": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attn.q_ln": ("self_attn.q_norm",),
    "attn.k_ln": ("self_attn.k_norm",),
    "attn.out_proj": ("self_attn.o_proj",),
    "ffn.0": ("post_attention_layernorm",),
    "ffn.1": ("mlp.gate_proj", "mlp.up_proj"),
    "ffn.3": ("mlp.down_proj",),
}


def is_native(path: Path) -> bool:
    """Whether a path is named like a checkpoint of these packages."""
    return path.name.endswith(SUFFIXES) and not path.name.endswith(REGRESSION)


def native_files(folder: Path) -> list[Path]:
    """Checkpoints in a folder, or where EvolutionaryScale's repositories keep theirs."""
    found = [*folder.glob("*.pt*"), *folder.glob("data/weights/*.pth")]
    return sorted(path for path in found if is_native(path) and path.is_file())


def regression_file(path: Path) -> Path | None:
    """fair-esm's second file, which holds the contact regression; None where it is not beside the first."""
    second = path.with_name(path.stem + REGRESSION)
    return second if second.is_file() else None


def translated(path: Path, read: Reader) -> tuple[dict[str, Any], Arrays]:
    """Config and arrays of a file, under the names that transformers gives them.

    A name that is not known stays as it is, for the loader to refuse.

    Parameters
    ----------
    read : callable
        What opens a file: as tensors, or as an outline.

    Raises
    ------
    CorruptCheckpointError
        When the file is neither of the two layouts, or another architecture of fair-esm.
    """
    content = read(path)
    try:
        if isinstance(content, Mapping) and "model" in content and ("cfg" in content or "args" in content):
            second = regression_file(path)
            regression = read(second)["model"] if second is not None else {}
            return _fair_esm(path.name, content, {**content["model"], **regression})
        if isinstance(content, Mapping) and "sequence_head.0.weight" in content:
            return _esmc(path.name, dict(content))
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise CorruptCheckpointError(f"{path.name} lacks a part of its layout: {error}.") from None
    raise CorruptCheckpointError(
        f"{path.name} is no checkpoint of fair-esm (.pt with model and cfg or args) or of ESM C (.pth).",
        "It loads ESM-2, ESM-1b, ESM-1v and ESM C.",
    )


def _fair_esm(file: str, content: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """As fair-esm's ``pretrained.py`` reads it: ``cfg`` is ESM-2, ``args`` its elders."""
    is_rotary = "cfg" in content
    raw = vars(content["cfg"]["model"] if is_rotary else content["args"])
    settings = {name.removeprefix("encoder_"): value for name, value in raw.items()}
    if not is_rotary and settings.get("arch") != "roberta_large":
        raise CorruptCheckpointError(
            f"{file} is {settings.get('arch')}, which esmviz cannot load.",
            "Of fair-esm it loads ESM-2, ESM-1b and ESM-1v.",
        )
    arrays = {re.sub(r"^(encoder\.)?(sentence_encoder\.)?", "", name): x for name, x in arrays.items()}
    embedding = arrays["embed_tokens.weight"]
    n_layers = _n_blocks(arrays, "layers.")
    tied = arrays.pop("lm_head.weight", None)
    if tied is None or tied.shape != embedding.shape or not bool((tied == embedding).all()):
        raise CorruptCheckpointError(
            f"{file} lacks lm_head.weight, or it differs from embed_tokens.weight, with which ESM shares it."
        )
    if not is_rotary:
        arrays["embed_tokens.weight"] = embedding = embedding * 1
        embedding[MASK_TOKEN] = 0  # as fair-esm does, "for token drop"
    config = _esm_config(arrays, n_layers, settings, is_rotary)
    return config, _fair_esm_names(file, arrays, n_layers, is_rotary)


def _esm_config(arrays: Arrays, n_layers: int, settings: dict[str, Any], is_rotary: bool) -> dict[str, Any]:
    """``config.json`` of the same model; the tensors know all but the number of heads and the token dropout."""
    n_tokens, width = arrays["embed_tokens.weight"].shape
    n_positions = 1026 if is_rotary else arrays["embed_positions.weight"].shape[0]
    return {
        "model_type": "esm",
        "architectures": ["EsmForMaskedLM"],
        "vocab_size": n_tokens,
        "pad_token_id": 1,
        "mask_token_id": MASK_TOKEN,
        "hidden_size": width,
        "num_hidden_layers": n_layers,
        "num_attention_heads": int(settings["attention_heads"]),
        "intermediate_size": arrays["layers.0.fc1.weight"].shape[0],
        "max_position_embeddings": n_positions,
        "position_embedding_type": "rotary" if is_rotary else "absolute",
        "emb_layer_norm_before": "emb_layer_norm_before.weight" in arrays,
        "token_dropout": bool(settings.get("token_dropout", False)),
        "layer_norm_eps": 1e-5,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }


def _fair_esm_names(file: str, arrays: Arrays, n_layers: int, is_rotary: bool) -> Arrays:
    stems = (
        FAIR_ESM_STEMS
        if is_rotary
        else {**FAIR_ESM_STEMS, "embed_positions": "esm.embeddings.position_embeddings"}
    )
    frequencies = [arrays.pop(f"layers.{n}.self_attn.rot_emb.inv_freq", None) for n in range(n_layers)]
    result: Arrays = {}
    for name, x in arrays.items():
        stem, _, leaf = name.rpartition(".")
        block = re.fullmatch(r"layers\.(\d+)\.(.+)", stem)
        if block and block[2] in FAIR_ESM_BLOCK:
            stem = f"esm.encoder.layer.{block[1]}.{FAIR_ESM_BLOCK[block[2]]}"
        result[f"{stems.get(stem, stem)}.{leaf}"] = x
    if is_rotary:
        result["esm.rotary_embeddings.inv_freq"] = _shared(file, frequencies)
    return result


def _shared(file: str, frequencies: list[Any]) -> Any:
    """The rotary frequencies: fair-esm has a copy in each block, transformers one for all."""
    first = frequencies[0]
    if any(x is None or x.shape != first.shape or not bool((x == first).all()) for x in frequencies):
        raise CorruptCheckpointError(
            f"{file} lacks rot_emb.inv_freq of a block, or it differs between blocks."
        )
    return first


def _esmc(file: str, arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """As ``esm.models.esmc.ESMC`` names them; all sizes but the heads' are the tensors'."""
    n_tokens, width = arrays["embed.weight"].shape
    if width % ESMC_HEAD_WIDTH:
        raise CorruptCheckpointError(f"{file} is {width} wide; the heads of ESM C have {ESMC_HEAD_WIDTH}.")
    config = {
        "model_type": "esmc",
        "architectures": ["EsmcForMaskedLM"],
        "vocab_size": n_tokens,
        "hidden_size": width,
        "num_hidden_layers": _n_blocks(arrays, "transformer.blocks."),
        "num_attention_heads": width // ESMC_HEAD_WIDTH,
        "intermediate_size": arrays["transformer.blocks.0.ffn.3.weight"].shape[1],
    }
    result: Arrays = {}
    for name, x in arrays.items():
        stem, _, leaf = name.rpartition(".")
        block = re.fullmatch(r"transformer\.blocks\.(\d+)\.(.+)", stem)
        if block and block[2] in ESMC_BLOCK:
            stems = tuple(f"esmc.layers.{block[1]}.{part}" for part in ESMC_BLOCK[block[2]])
        else:
            stems = ESMC_STEMS.get(stem, (stem,))
        n_rows = -(-x.shape[0] // len(stems))
        for index, part in enumerate(stems):
            result[f"{part}.{leaf}"] = x[index * n_rows : (index + 1) * n_rows]
    return config, result


def _n_blocks(arrays: Arrays, prefix: str) -> int:
    return len({name[len(prefix) :].partition(".")[0] for name in arrays if name.startswith(prefix)})
