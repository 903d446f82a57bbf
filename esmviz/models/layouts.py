"""Which tensors a checkpoint of each architecture has, and their shapes, from its config. No torch.

Names and defaults are those of ``transformers`` 5.23 (``EsmConfig``, ``EsmcConfig``): it leaves a setting that has its
default out of ``config.json``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Shapes = dict[str, tuple[int, ...]]

DEFAULTS: dict[str, dict[str, Any]] = {
    "esm": {
        "vocab_size": 33,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 1026,
        "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute",
        "emb_layer_norm_before": False,
        "token_dropout": False,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": True,
    },
    "esmc": {
        "vocab_size": 64,
        "hidden_size": 2560,
        "intermediate_size": 6912,
        "num_hidden_layers": 80,
        "num_attention_heads": 40,
        "attention_bias": False,
        "mlp_bias": False,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": False,
    },
}


# Settings that change what a network computes, and that no released checkpoint changes.
ONLY: dict[str, dict[str, tuple[Any, ...]]] = {
    "esm": {
        "position_embedding_type": ("absolute", "rotary"),
        "is_decoder": (False,),
        "hidden_act": ("gelu",),
    },
    "esmc": {"hidden_act": ("silu",)},
}


def settled(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with what it leaves out; the base of the rotary angles under one name, wherever it stands.

    Raises
    ------
    ValueError
        For a setting of another kind than it should be, or one that asks for what esmviz does not compute.
    """
    family = str(config["model_type"])
    given = {key: value for key, value in config.items() if value is not None}
    rotary = given.get("rope_parameters") or {}
    base = {"rope_theta": rotary["rope_theta"]} if "rope_theta" in rotary else {}
    _check(family, given | base, str(rotary.get("rope_type", "default")))
    return {**DEFAULTS[family], **given, **base}


def _check(family: str, given: Mapping[str, Any], rope_type: str) -> None:
    for key, default in DEFAULTS[family].items():
        kinds = (int, float) if isinstance(default, float) else (type(default),)
        value = given.get(key, default)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(f"{key} is {value!r}")
        if isinstance(default, float) and not (math.isfinite(value) and value > 0):
            raise ValueError(f"{key} is {value!r}")
    for key, values in ONLY[family].items():
        if given.get(key, values[0]) not in values:
            raise ValueError(f"{key} is {given[key]!r}, not {' or '.join(map(repr, values))}")
    sizes = {**DEFAULTS[family], **given}
    d_head, left = divmod(sizes["hidden_size"], max(1, sizes["num_attention_heads"]))
    if left or given.get("head_dim", d_head) != d_head:
        raise ValueError(f"{sizes['num_attention_heads']} heads do not share {sizes['hidden_size']}")
    if given.get("num_key_value_heads", sizes["num_attention_heads"]) != sizes["num_attention_heads"]:
        raise ValueError(f"num_key_value_heads is {given['num_key_value_heads']}")
    if rope_type != "default":
        raise ValueError(f"rope_type is {rope_type!r}")


def layout(architecture: str, config: Mapping[str, Any], n_classes: int = 0) -> Shapes:
    """Shape of each tensor of an architecture, by name.

    Parameters
    ----------
    architecture : str
        Name of the class of transformers, such as ``EsmForMaskedLM``.
    config : mapping
        From ``settled``.
    n_classes : int
        Of a predictor.
    """
    family = config["model_type"]
    body = _esm_body(config) if family == "esm" else _esmc_body(config)
    return body | _head(architecture, config, n_classes)


def _esm_body(config: Mapping[str, Any]) -> Shapes:
    d, hidden = config["hidden_size"], config["intermediate_size"]
    n_layers, n_heads = config["num_hidden_layers"], config["num_attention_heads"]
    embeddings = "esm.embeddings"
    shapes: Shapes = {f"{embeddings}.word_embeddings.weight": (config["vocab_size"], d)}
    if config["position_embedding_type"] == "absolute":
        shapes[f"{embeddings}.position_embeddings.weight"] = (config["max_position_embeddings"], d)
    else:
        shapes["esm.rotary_embeddings.inv_freq"] = (d // n_heads // 2,)
    if config["emb_layer_norm_before"]:
        shapes |= _norm(f"{embeddings}.layer_norm", d)
    for i in range(n_layers):
        block = f"esm.encoder.layer.{i}"
        for name in (
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ):
            shapes |= _linear(f"{block}.{name}", d, d)
        shapes |= _norm(f"{block}.attention.LayerNorm", d) | _norm(f"{block}.LayerNorm", d)
        shapes |= _linear(f"{block}.intermediate.dense", d, hidden) | _linear(
            f"{block}.output.dense", hidden, d
        )
    contacts = _linear("esm.contact_head.regression", n_layers * n_heads, 1)
    return shapes | _norm("esm.encoder.emb_layer_norm_after", d) | contacts


def _esmc_body(config: Mapping[str, Any]) -> Shapes:
    d, hidden = config["hidden_size"], config["intermediate_size"]
    shapes: Shapes = {"esmc.embed_tokens.weight": (config["vocab_size"], d), "esmc.norm.weight": (d,)}
    for i in range(config["num_hidden_layers"]):
        block = f"esmc.layers.{i}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes |= _linear(f"{block}.self_attn.{name}", d, d, has_bias=config["attention_bias"])
        for name in ("q_norm", "k_norm"):
            shapes[f"{block}.self_attn.{name}.weight"] = (d,)
        for name, n_in, n_out in (("gate_proj", d, hidden), ("up_proj", d, hidden), ("down_proj", hidden, d)):
            shapes |= _linear(f"{block}.mlp.{name}", n_in, n_out, has_bias=config["mlp_bias"])
        shapes |= _norm(f"{block}.input_layernorm", d) | _norm(f"{block}.post_attention_layernorm", d)
    return shapes


def _head(architecture: str, config: Mapping[str, Any], n_classes: int) -> Shapes:
    d, n_words = config["hidden_size"], config["vocab_size"]
    match architecture:
        case "EsmForMaskedLM":
            decoder: Shapes = {"lm_head.decoder.weight": (n_words, d), "lm_head.bias": (n_words,)}
            return _linear("lm_head.dense", d, d) | _norm("lm_head.layer_norm", d) | decoder
        case "EsmcForMaskedLM":
            decoder = _linear("lm_head.decoder", d, n_words)
            return _linear("lm_head.dense", d, d) | _norm("lm_head.layer_norm", d) | decoder
        case "EsmForSequenceClassification" | "EsmcForSequenceClassification":
            return _linear("classifier.dense", d, d) | _linear("classifier.out_proj", d, n_classes)
        case "EsmForTokenClassification":
            return _linear("classifier", d, n_classes)
        case "EsmcForTokenClassification":
            return _linear("score", d, n_classes)
    raise ValueError(f"no layout is known of {architecture}")


def _linear(name: str, n_in: int, n_out: int, has_bias: bool = True) -> Shapes:
    bias: Shapes = {f"{name}.bias": (n_out,)} if has_bias else {}
    return {f"{name}.weight": (n_out, n_in)} | bias


def _norm(name: str, d: int) -> Shapes:
    return {f"{name}.weight": (d,), f"{name}.bias": (d,)}
