"""A checkpoint loads whole or not at all, and says what it is before torch is asked."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from esmviz.errors import CorruptCheckpointError, ModelUnavailableError
from esmviz.models.catalog import CATALOG
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.transformer import TransformerBackend
from esmviz.models.weights import revision, tensor_shapes
from esmviz.types import ProteinRecord, Request

DENSE = "esm.encoder.layer.1.output.dense.weight"
PROTEIN = ProteinRecord("p", "MKVLAWGH")


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def refused(folder, match):
    with pytest.raises(CorruptCheckpointError, match=match):
        load(folder, describe(folder, "own"), "cpu")


def logits(folder):
    spec = describe(folder, "own")
    backend = TransformerBackend(spec, "", load(folder, spec, "cpu"))
    [output] = backend.run([PROTEIN], Request(logits=True))
    return output.logits


def test_description(saved):
    spec = describe(saved / "esm2", "own")
    assert (spec.n_layers, spec.n_heads, spec.d_model, spec.max_residues) == (3, 4, 32, None)
    assert spec.provides == {"logits", "hidden_states", "attentions", "contacts"}
    assert describe(saved / "esmc", "own").provides == {"logits", "hidden_states", "attentions"}


@pytest.mark.parametrize("kind", ["esm2", "esm1b", "esm1v", "esmc"])
def test_parameters_are_counted(saved, references, kind):
    assert describe(saved / kind, "own").n_parameters == sum(p.numel() for p in references[kind].parameters())


def test_a_card_may_say_that_contacts_are_untrained(folder):
    (folder / "card.json").write_text(json.dumps({"contacts": False, "predicts_effects": False}))
    spec = describe(folder, "own")
    assert "contacts" not in spec.provides
    assert not spec.predicts_effects
    assert load(folder, spec, "cpu").contact_regression() is None


def test_esm1v_carries_a_random_contact_head(saved):
    assert "esm.contact_head.regression.weight" in tensor_shapes(saved / "esm1v")
    spec = describe(saved / "esm1v", "v")
    assert "contacts" not in spec.provides
    for asked in (spec, replace(spec, provides=spec.provides | {"contacts"})):
        assert load(saved / "esm1v", asked, "cpu").contact_regression() is None


@pytest.mark.parametrize("kind", ["esm1b", "esm1v"])
def test_learned_positions_are_not_left_out(saved, tmp_path, kind):
    """A rotary model may carry them without need; where they are needed a missing one is refused."""
    folder = shutil.copytree(saved / kind, tmp_path / kind)
    name = "esm.embeddings.position_embeddings.weight"
    rewrite(folder, lambda tensors: tensors.pop(name))
    refused(folder, f"lacks: {name}")


def test_a_missing_tensor_is_refused(folder):
    rewrite(folder, lambda tensors: tensors.pop(DENSE))
    refused(folder, f"lacks: {DENSE}")


def test_an_extra_tensor_is_refused(folder):
    rewrite(folder, lambda tensors: tensors.update({"esm.stranger.weight": torch.zeros(2)}))
    refused(folder, "beyond the model's: esm.stranger.weight")


def test_another_shape_is_refused(folder):
    rewrite(folder, lambda tensors: tensors.update({DENSE: torch.zeros(3, 3)}))
    refused(folder, "cannot be loaded|in another shape")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(folder, value):
    rewrite(folder, lambda tensors: tensors[DENSE].fill_(value))
    refused(folder, f"{DENSE} holds weights that are no finite numbers")


def test_a_missing_contact_head_means_no_contacts(folder):
    def drop(tensors):
        del tensors["esm.contact_head.regression.weight"], tensors["esm.contact_head.regression.bias"]

    rewrite(folder, drop)
    spec = describe(folder, "own")
    assert "contacts" not in spec.provides
    assert load(folder, spec, "cpu").contact_regression() is None


@pytest.mark.parametrize("n_bytes", [0, 7, 100, -1, -1000])
def test_a_truncated_file_is_refused_before_torch_sees_it(folder, n_bytes):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(CorruptCheckpointError, match="truncated"):
        describe(folder, "own")


def test_what_is_no_safetensors_file_is_refused(folder):
    (folder / "model.safetensors").write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(CorruptCheckpointError, match="truncated or no safetensors"):
        describe(folder, "own")


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_a_config_that_is_no_json_object_is_refused(folder, text):
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CorruptCheckpointError, match=r"config\.json"):
        describe(folder, "own")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CorruptCheckpointError, match=r"has no config\.json"):
        describe(tmp_path, "own")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"model_type": "bert"}, "type bert, which esmviz cannot load"),
        ({"architectures": ["EsmForSequenceClassification"]}, "EsmForSequenceClassification"),
        ({"num_hidden_layers": 4}, "num_hidden_layers 4, the tensors 3"),
        ({"hidden_size": 64}, "hidden_size 64, the tensors 32"),
        ({"intermediate_size": 128}, "cannot be loaded|in another shape"),
        ({"layer_norm_eps": "small"}, r"config.json cannot be used: layer_norm_eps is 'small'"),
        ({"num_hidden_layers": 3.0}, "num_hidden_layers is 3.0"),
        ({"token_dropout": 1}, "token_dropout is 1"),
        ({"num_attention_heads": 5}, "5 heads do not share a width of 32"),
        ({"position_embedding_type": "relative_key"}, "not 'absolute' or 'rotary'"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type is 'yarn'"),
        ({"num_attention_heads": "many"}, "many heads do not share"),
        ({"rope_theta": -1.0}, "rope_theta is -1.0"),
        ({"rope_theta": 1e999}, "rope_theta is inf"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, edit_config, fields, match):
    edit_config(**fields)
    refused(folder, match)


def test_a_legacy_config_that_means_the_6b_shape_is_refused(saved, tmp_path):
    """Keys of another layout leave transformers with the defaults of ESM C 6B."""
    folder = shutil.copytree(saved / "esmc", tmp_path / "legacy")
    legacy = {
        "model_type": "esmc",
        "architectures": ["EsmcForMaskedLM"],
        "d_model": 32,
        "n_heads": 4,
        "n_layers": 3,
    }
    (folder / "config.json").write_text(json.dumps(legacy))
    refused(folder, "40 heads do not share a width of 32")
    (folder / "config.json").write_text(json.dumps(legacy | {"num_attention_heads": 4}))
    refused(folder, "in another shape")


def test_weights_of_another_model_are_refused_by_name(folder, saved):
    with pytest.raises(CorruptCheckpointError, match="its n_layers is 3, not 6"):
        load(folder, CATALOG["esm2-8m"], "cpu")


def test_bin_weights_give_the_same_numbers_and_description(folder):
    expected, spec = logits(folder), describe(folder, "own")
    tensors = load_file(folder / "model.safetensors")
    tensors["lm_head.decoder.weight"] = tensors[
        "esm.embeddings.word_embeddings.weight"
    ]  # as older files have it
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    np.testing.assert_array_equal(logits(folder), expected)
    assert describe(folder, "own") == spec


def test_a_bin_without_a_contact_head_has_no_random_one(folder):
    tensors = {k: v for k, v in load_file(folder / "model.safetensors").items() if "contact_head" not in k}
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert load(folder, describe(folder, "own"), "cpu").contact_regression() is None


class Bomb:
    def __reduce__(self):
        return (print, ("a pickle ran",))


def test_a_bin_file_is_never_unpickled_beyond_tensors(folder, capsys):
    torch.save({"weight": Bomb()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    refused(folder, "print, which is neither a tensor nor a setting")
    assert "a pickle ran" not in capsys.readouterr().out


def test_shards_load_and_a_missing_one_is_refused(folder, references):
    expected = logits(folder)
    (folder / "model.safetensors").unlink()
    references["esm2"].save_pretrained(folder, max_shard_size="20KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    np.testing.assert_array_equal(logits(folder), expected)
    shards[0].unlink()
    with pytest.raises(CorruptCheckpointError, match=f"lacks {shards[0].name}"):
        describe(folder, "own")


def test_half_precision_files_become_float32(folder):
    expected = logits(folder)
    rewrite(folder, lambda tensors: tensors.update({k: v.half() for k, v in tensors.items()}))
    network = load(folder, describe(folder, "own"), "cpu")
    assert network.words.dtype == network.blocks[0].query_key_value.weight.dtype == torch.float32
    np.testing.assert_allclose(logits(folder), expected, atol=0.1)


def test_older_files_with_one_rotary_tensor_per_layer_load(folder):
    """As on the hub: inv_freq in every layer, position_ids, position embeddings that a rotary model ignores."""
    expected = logits(folder)

    def age(tensors):
        [name] = [name for name in tensors if name.endswith("inv_freq")]
        frequencies = tensors.pop(name)
        for layer in range(3):
            key = f"esm.encoder.layer.{layer}.attention.self.rotary_embeddings.inv_freq"
            tensors[key] = frequencies.clone()
        tensors["esm.embeddings.position_ids"] = torch.arange(1026)[None]
        tensors["esm.embeddings.position_embeddings.weight"] = torch.zeros(1026, 32)

    rewrite(folder, age)
    np.testing.assert_allclose(logits(folder), expected, atol=1e-5)


def test_revision_is_of_the_tensors(folder, saved):
    before = revision(folder)
    assert before == revision(saved / "esm2")
    assert len(before) == 64
    (folder / "config.json").touch()
    assert revision(folder) == before
    rewrite(folder, lambda tensors: tensors[DENSE].add_(1))
    assert revision(folder) != before


def test_shapes_are_read_without_torch(saved):
    shapes = tensor_shapes(saved / "esmc")
    assert shapes["esmc.embed_tokens.weight"] == (64, 32)


def test_running_out_of_memory_is_no_fault_of_the_file(folder, monkeypatch):
    import safetensors.torch

    def short(_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes")

    monkeypatch.setattr(safetensors.torch, "load_file", short)
    with pytest.raises(ModelUnavailableError, match="does not fit in memory while it loads"):
        load(folder, describe(folder, "own"), "cpu")
