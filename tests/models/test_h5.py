"""``tf_model.h5``: written here as Keras and transformers 4.57.6 write it, read without either."""

import json
import shutil

import h5py
import numpy as np
import pytest

from esmviz.errors import CorruptCheckpointError
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.transformer import TransformerBackend
from esmviz.models.weights import tensor_shapes
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ContactHead, ProteinRecord, Request

RECORD = ProteinRecord("every", AMINO_ACIDS + AMBIGUOUS)
SCOPE = "tf_esm_for_masked_lm"
EMBEDDING = "esm/embeddings/word_embeddings/embeddings:0"


def variables(model):
    """TensorFlow's variables of a PyTorch model: dense kernels transposed, norms with gamma and beta."""
    state = {name: x.numpy() for name, x in model.state_dict().items() if "decoder" not in name}
    frequencies = state.pop("esm.rotary_embeddings.inv_freq", None)
    result = {}
    for name, x in state.items():
        *stem, leaf = name.split(".")
        if stem[-1] in ("word_embeddings", "position_embeddings"):
            leaf = "embeddings"
        elif "norm" in stem[-1].lower():
            leaf = {"weight": "gamma", "bias": "beta"}[leaf]
        elif leaf == "weight":
            leaf, x = "kernel", x.T
        result["/".join([*stem, leaf]).replace("layer/", "layer_._") + ":0"] = x
    n_layers = model.config.num_hidden_layers
    if frequencies is not None:  # one in each block; and a table of positions that nobody asks
        for n in range(n_layers):
            result[f"esm/encoder/layer_._{n}/attention/self/rotary_embeddings/inv_freq:0"] = frequencies
        table = np.ones((model.config.max_position_embeddings, model.config.hidden_size), np.float32)
        result["esm/embeddings/position_embeddings/embeddings:0"] = table
    return result


def write(path, found):
    """One file as Keras writes it: a group for each layer; the head lists the embedding that it shares."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = ["esm", "lm_head"]
        for layer in ("esm", "lm_head"):
            names = [name for name in found if name.startswith(f"{layer}/")]
            names += [EMBEDDING] if layer == "lm_head" else []
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{SCOPE}/{name}" for name in names]
            for name in names:
                group[f"{SCOPE}/{name}"] = found[name]
        file.create_group("top_level_model_weights").attrs["weight_names"] = np.array([])


def write_shards(folder, found):
    weight_map = {}
    for n, names in enumerate(np.array_split(sorted(found), 3), 1):
        shard = f"tf_model-{n:05d}-of-00003.h5"
        with h5py.File(folder / shard, "w") as file:
            file.attrs["layer_names"] = names.tolist()
            for name in names:
                file[name] = found[name]
                weight_map[f"{SCOPE}/{name}"] = shard
    (folder / "tf_model.h5.index.json").write_text(json.dumps({"weight_map": weight_map}))


@pytest.fixture(params=["esm2", "esm1b"])
def kind(request):
    return request.param


@pytest.fixture
def keras_folder(saved, references, kind, tmp_path):
    folder = tmp_path / "keras"
    folder.mkdir()
    shutil.copy(saved / kind / "config.json", folder)
    write(folder / "tf_model.h5", variables(references[kind]))
    return folder


def run(folder):
    spec = describe(folder, "own")
    request = Request(logits=True, layers=(0, 1, 2, 3), probes=(ContactHead(),))
    [output] = TransformerBackend(spec, "", load(folder, spec, "cpu")).run([RECORD], request)
    return output


def assert_same(found, expected):
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.hidden_states, expected.hidden_states)
    np.testing.assert_array_equal(found.probes["contacts"], expected.probes["contacts"])


def test_it_gives_the_same_numbers(keras_folder, saved, kind):
    assert_same(run(keras_folder), run(saved / kind))


def test_shards_give_the_same_numbers(keras_folder, saved, references, kind):
    (keras_folder / "tf_model.h5").unlink()
    write_shards(keras_folder, variables(references[kind]))
    assert_same(run(keras_folder), run(saved / kind))


def test_it_is_described_as_the_same_model(keras_folder, saved, kind):
    assert describe(keras_folder, "own") == describe(saved / kind, "own")
    assert tensor_shapes(keras_folder)["esm.encoder.layer.2.intermediate.dense.weight"] == (64, 32)


@pytest.mark.parametrize("kind", ["esm2"])
def test_rotary_frequencies_are_the_files(keras_folder):
    before = run(keras_folder).logits
    with h5py.File(keras_folder / "tf_model.h5", "a") as file:
        for n in range(3):
            file[f"esm/{SCOPE}/esm/encoder/layer_._{n}/attention/self/rotary_embeddings/inv_freq:0"][:] *= 1.1
    assert np.abs(run(keras_folder).logits - before).max() > 0.01


def spoil(folder, change):
    with h5py.File(folder / "tf_model.h5", "a") as file:
        change(file["esm"][SCOPE]["esm"], file["lm_head"][SCOPE])


def refused(folder, match):
    with pytest.raises(CorruptCheckpointError, match=match):
        run(folder)


def test_a_missing_tensor_is_refused(keras_folder):
    spoil(keras_folder, lambda esm, head: esm["encoder/layer_._1/output/dense"].pop("kernel:0"))
    refused(keras_folder, r"lacks: esm\.encoder\.layer\.1\.output\.dense\.weight")


def test_an_extra_tensor_is_refused(keras_folder):
    spoil(keras_folder, lambda esm, head: esm.create_dataset("stranger/kernel:0", data=np.zeros((2, 2))))
    refused(keras_folder, r"beyond the model's: esm\.stranger\.weight")


def test_another_shape_is_refused(keras_folder):
    def widen(esm, head):
        del head["lm_head/dense/kernel:0"]
        head["lm_head/dense/kernel:0"] = np.zeros((32, 33), np.float32)

    spoil(keras_folder, widen)
    refused(keras_folder, r"in another shape: lm_head\.dense\.weight")


def test_a_shared_embedding_that_differs_is_refused(keras_folder):
    def change(esm, head):
        head[EMBEDDING][0, 0] += 1

    spoil(keras_folder, change)
    refused(keras_folder, "twice, with different values")


def test_data_in_another_file_is_not_read(keras_folder, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(128))

    def point_outside(esm, head):
        name = "embeddings/outside:0"
        esm.create_dataset(name, (32,), "f4", external=[(str(tmp_path / "secret"), 0, 128)])

    spoil(keras_folder, point_outside)
    refused(keras_folder, "kept in another file")


@pytest.mark.parametrize("n_bytes", [0, 100, -1, -5000])
def test_a_truncated_file_is_refused(keras_folder, n_bytes):
    path = keras_folder / "tf_model.h5"
    path.write_bytes(path.read_bytes()[:n_bytes])
    refused(keras_folder, r"keras/tf_model\.h5 is truncated or no HDF5")
