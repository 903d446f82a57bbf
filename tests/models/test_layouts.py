"""The tensors that a config promises are those that transformers makes of it."""

import pytest

from esmviz.models.layouts import layout, settled

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40}
ESM = {
    "vocab_size": 33,
    "mask_token_id": 32,
    "pad_token_id": 1,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
ROTARY = {"position_embedding_type": "rotary", "token_dropout": True}
CASES = {
    "EsmForMaskedLM": [SMALL | ESM, SMALL | ESM | ROTARY, SMALL | ESM | {"emb_layer_norm_before": True}],
    "EsmForSequenceClassification": [SMALL | ESM | ROTARY | {"num_labels": 3}],
    "EsmForTokenClassification": [SMALL | ESM | ROTARY | {"num_labels": 5}],
    "EsmcForMaskedLM": [SMALL, SMALL | {"attention_bias": True, "mlp_bias": True}],
    "EsmcForSequenceClassification": [SMALL | {"num_labels": 3}],
    "EsmcForTokenClassification": [SMALL | {"num_labels": 5}],
}


def planned(architecture, config):
    import torch
    import transformers

    loader = getattr(transformers, architecture)
    made = loader.config_class(**config)
    with torch.device("meta"):
        return made, {name: tuple(tensor.shape) for name, tensor in loader(made).state_dict().items()}


@pytest.mark.parametrize(
    ("architecture", "config"), [(name, config) for name, configs in CASES.items() for config in configs]
)
def test_layout_is_that_of_transformers(architecture, config, tmp_path):
    made, shapes = planned(architecture, config)
    made.architectures = [architecture]
    made.save_pretrained(tmp_path)
    from esmviz.models.folders import read_config

    found = layout(architecture, settled(read_config(tmp_path)), config.get("num_labels", 0))
    assert found == shapes


@pytest.mark.parametrize(("architecture", "config"), [("EsmForMaskedLM", ESM), ("EsmcForMaskedLM", {})])
def test_defaults_are_those_of_transformers(architecture, config, tmp_path):
    import transformers

    made = getattr(transformers, architecture).config_class(**config)
    found = settled({"model_type": made.model_type})
    theirs = made.to_dict() | (made.to_dict().get("rope_parameters") or {})
    said = {key: theirs[key] for key in found if theirs.get(key) is not None}
    assert found | said == found
    assert found.keys() - said.keys() <= {"vocab_size", "emb_layer_norm_before"}  # None there


def test_the_base_of_the_angles_is_found_where_it_stands():
    assert settled({"model_type": "esmc", "rope_parameters": {"rope_theta": 5.0}})["rope_theta"] == 5.0
    assert settled({"model_type": "esm", "rope_theta": 7.0})["rope_theta"] == 7.0
    assert settled({"model_type": "esm"})["rope_theta"] == 10_000.0
