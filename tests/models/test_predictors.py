"""A visitor's own classifiers and regressions, against transformers' own forward pass, one protein at a time."""

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from esmviz.errors import CorruptCheckpointError, OutputNotProvidedError
from esmviz.models.base import sites, tokens
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.predictors import PREDICTORS, predictor
from esmviz.models.transformer import TransformerBackend
from esmviz.models.weights import read_config
from esmviz.types import KeepHeads, ProteinRecord, Request

CLOSE = {"rtol": 0, "atol": 1e-4}
SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
KINDS = list(PREDICTORS)
PREDICT = Request(predictions=True)


def build(family, unit, **fields):
    """A classifier as transformers makes it, sharp enough that its attention is far from uniform."""
    torch.manual_seed(11)
    esm = {"vocab_size": 33, "mask_token_id": 32, "pad_token_id": 1, "bos_token_id": 0, "token_dropout": True}
    esm |= {"position_embedding_type": "rotary", "layer_norm_eps": 1e-5}
    own = esm if family == "esm" else {}
    loader = getattr(transformers, PREDICTORS[family, unit][0])
    model = loader(loader.config_class(**SIZES, **own, **fields, attn_implementation="eager"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.35)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                weight.fill_(2.0)
    return model.eval()


@pytest.fixture(params=KINDS, ids="-".join, scope="module")
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def reference(kind):
    return build(
        *kind, id2label={0: "helix", 1: "strand", 2: "coil"}, problem_type="single_label_classification"
    )


@pytest.fixture(scope="module")
def saved_predictor(reference, tmp_path_factory):
    """A folder as ``save_pretrained`` writes it; never write into it."""
    folder = tmp_path_factory.mktemp("predictor") / "own"
    reference.save_pretrained(folder)
    return folder


@pytest.fixture
def spoilt(saved_predictor, tmp_path):
    return shutil.copytree(saved_predictor, tmp_path / "spoilt")


def backend_of(folder, **options):
    spec = describe(folder, "own")
    return TransformerBackend(spec, "0" * 64, load(folder, spec, "cpu"), **options)


@pytest.fixture(scope="module")
def backend(saved_predictor):
    return backend_of(saved_predictor, max_tokens=64)


def alone(model, record, unit):
    """What transformers predicts for one protein, special tokens cut off."""
    ids = torch.as_tensor(tokens(record))[None]
    with torch.inference_mode():
        logits = model(ids, attention_mask=torch.ones_like(ids)).logits[0].numpy()
    return logits if unit == "proteins" else logits[1:-1]


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def edit(folder, **fields):
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def head_tensor(kind):
    return PREDICTORS[kind][1]


def refused(folder, match):
    with pytest.raises(CorruptCheckpointError, match=match):
        load(folder, describe(folder, "own"), "cpu")


def test_predictions_equal_transformers(kind, backend, reference, mixed):
    n_classes = 3
    for record, output in zip(mixed, backend.run(mixed, PREDICT), strict=True):
        expected = alone(reference, record, kind[1])
        assert output.predictions.shape == (
            (n_classes,) if kind[1] == "proteins" else (len(record), n_classes)
        )
        assert output.predictions.dtype == np.float32
        assert not output.predictions.flags.writeable
        np.testing.assert_allclose(output.predictions, expected, **CLOSE)


def test_the_stand_ins_tell_proteins_apart(backend, mixed):
    values = [output.predictions.reshape(-1, 3)[0] for output in backend.run(mixed, PREDICT)]
    assert np.std(values, axis=0).min() > 0.05


def test_company_changes_nothing(backend, mixed):
    for record, output in zip(mixed, backend.run(mixed, PREDICT), strict=True):
        [single] = backend.run([record], PREDICT)
        np.testing.assert_allclose(output.predictions, single.predictions, **CLOSE)


def test_hidden_states_and_attention_come_with_them(backend, reference, mixed):
    request = Request(predictions=True, layers=(0, 1, 3), keep_residues=True, probes=(KeepHeads(2, (1,)),))
    ids = torch.as_tensor(tokens(mixed[0]))[None]
    with torch.inference_mode():
        expected = reference(
            ids, attention_mask=torch.ones_like(ids), output_hidden_states=True, output_attentions=True
        )
    [output] = backend.run(mixed[:1], request)
    hidden = torch.stack([expected.hidden_states[i] for i in (0, 1, 3)])[:, 0, 1:-1].numpy()
    np.testing.assert_allclose(output.hidden_states, hidden, **CLOSE)
    attention = expected.attentions[1][0, [1], 1:-1, 1:-1].numpy()
    np.testing.assert_allclose(output.probes["heads-2-1"], attention, **CLOSE)


def test_only_what_was_asked_for_is_given(backend, mixed):
    [output] = backend.run(mixed[:1], Request(layers=(-1,), pooling="mean"))
    assert output.predictions is None
    [output] = backend.run(mixed[:1], PREDICT)
    assert (output.logits, output.hidden_states, output.pooled) == (None, None, None)
    assert output.n_bytes == output.predictions.nbytes


def test_there_are_no_logits_without_their_head(backend, mixed):
    with pytest.raises(OutputNotProvidedError, match="logits"):
        backend.run(mixed, Request(logits=True))
    with pytest.raises(OutputNotProvidedError, match="logits"):
        backend.run_masked(sites(mixed[0], [0]))


def test_a_masked_language_model_predicts_nothing(backends, mixed):
    with pytest.raises(OutputNotProvidedError, match="predictions"):
        backends["esm2"].run(mixed, PREDICT)


def test_automatic_precision_is_float32_for_predictions(backend, mixed, monkeypatch):
    from esmviz.models import precision

    monkeypatch.setattr(precision, "fastest", lambda device: "bfloat16")
    for request in (
        Request(predictions=True, precision="auto"),
        Request(predictions=True, layers=(-1,), pooling="mean", precision="auto"),
    ):
        [output] = backend.run(mixed[:1], request)
        assert output.precision == "float32"
    [rough] = backend.run(mixed[:1], Request(predictions=True, precision="bfloat16"))
    assert rough.predictions.dtype == np.float32
    [exact] = backend.run(mixed[:1], PREDICT)
    assert 0 < np.abs(rough.predictions - exact.predictions).max() < 0.5


def test_description(kind, saved_predictor, reference):
    spec = describe(saved_predictor, "own")
    assert spec.provides == {"hidden_states", "attentions", "predictions"}
    assert spec.predictor.unit == kind[1]
    assert spec.predictor.classes == ("helix", "strand", "coil")
    assert spec.predictor.problem == "single_label_classification"
    assert not spec.predictor.is_assumed
    assert spec.n_parameters == sum(weight.numel() for weight in reference.parameters())


def test_a_missing_tensor_of_the_head_is_refused(kind, spoilt):
    rewrite(spoilt, lambda tensors: tensors.pop(head_tensor(kind)))
    refused(spoilt, f"lacks {head_tensor(kind)}")


def test_a_missing_bias_of_the_head_is_refused(kind, spoilt):
    bias = head_tensor(kind).replace("weight", "bias")
    rewrite(spoilt, lambda tensors: tensors.pop(bias))
    refused(spoilt, f"lacks: {bias}")


@pytest.mark.parametrize("name", ["lm_head.dense.weight", "pooler.dense.weight", "classifier.more.weight"])
def test_an_extra_tensor_is_refused(spoilt, name):
    rewrite(spoilt, lambda tensors: tensors.update({name: torch.zeros(32, 32)}))
    refused(spoilt, f"beyond the model's: .*{name}")


def test_another_width_of_the_head_is_refused(kind, spoilt):
    rewrite(spoilt, lambda tensors: tensors.update({head_tensor(kind): torch.zeros(3, 16)}))
    refused(spoilt, f"in another shape: {head_tensor(kind)}")


def test_other_classes_in_the_config_are_refused(kind, spoilt):
    edit(spoilt, id2label={str(n): f"c{n}" for n in range(5)})
    refused(spoilt, f"has 5 classes, {head_tensor(kind)} has 3")


def test_one_label_of_one_class_is_refused_as_by_transformers(spoilt):
    edit(spoilt, id2label={"0": "only"})
    config = read_config(spoilt) | {"architectures": ["EsmForTokenClassification"]}
    with pytest.raises(CorruptCheckpointError, match="'single_label_classification' and one class"):
        predictor(spoilt, "esm", config, {"classifier.weight": (1, 32)})
    with pytest.raises(ValueError, match="single_label_classification"):
        transformers.EsmConfig(num_labels=1, problem_type="single_label_classification")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"problem_type": "ranking"}, "problem_type 'ranking'"),
        ({"id2label": {"0": "a", "1": "b", "7": "c"}}, "does not name the classes 0, 1, 2"),
        ({"id2label": {"first": "a", "1": "b", "2": "c"}}, "holds what no checkpoint has"),
        ({"id2label": None, "num_labels": 10**15}, "has 1000000000000000 classes"),
        ({"id2label": {"0": "a", "1": "b" * 201, "2": "c"}}, "more than 200 letters"),
        ({"id2label": None}, "has 2 classes"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(spoilt, fields, match):
    edit(spoilt, **fields)
    refused(spoilt, match)


def test_classes_of_one_name_stay_apart_and_names_become_text(spoilt):
    edit(spoilt, id2label={"0": "x", "2": 7, "1": "x"})
    assert describe(spoilt, "own").predictor.classes == ("x", "x~2", "7")


@pytest.mark.parametrize(
    ("fields", "problem", "is_assumed"),
    [
        ({"num_labels": 1}, "regression", True),
        ({"num_labels": 2}, "single_label_classification", True),
        ({"num_labels": 4}, "single_label_classification", True),
        ({"num_labels": 1, "problem_type": "regression"}, "regression", False),
        ({"num_labels": 4, "problem_type": "regression"}, "regression", False),
        (
            {"num_labels": 4, "problem_type": "multi_label_classification"},
            "multi_label_classification",
            False,
        ),
    ],
)
def test_problems_as_save_pretrained_writes_them(tmp_path, mixed, fields, problem, is_assumed):
    """Two classes without names are the default, and ``save_pretrained`` does not write them."""
    model = build("esm", "proteins", **fields)
    model.save_pretrained(tmp_path / "own")
    predicted = describe(tmp_path / "own", "own").predictor
    assert (predicted.problem, predicted.is_assumed) == (problem, is_assumed)
    assert predicted.classes == tuple(f"LABEL_{n}" for n in range(fields["num_labels"]))
    [output] = backend_of(tmp_path / "own").run(mixed[:1], PREDICT)
    np.testing.assert_allclose(output.predictions, alone(model, mixed[0], "proteins"), **CLOSE)


def test_a_classifier_under_the_name_of_a_catalogue_model_is_refused(spoilt):
    from dataclasses import replace

    found = describe(spoilt, "own")
    known = replace(CATALOG["esm2-8m"], family=found.family, n_layers=3, n_heads=4, d_model=32)
    with pytest.raises(CorruptCheckpointError, match=r"is not esm2-8m: it is Esmc?For"):
        load(spoilt, known, "cpu")


def test_bin_weights_give_the_same_numbers(spoilt, backend):
    torch.save(load_file(spoilt / "model.safetensors"), spoilt / "pytorch_model.bin")
    (spoilt / "model.safetensors").unlink()
    record = ProteinRecord("p", "MKVLAWGH")
    [expected], [found] = backend.run([record], PREDICT), backend_of(spoilt).run([record], PREDICT)
    np.testing.assert_allclose(found.predictions, expected.predictions, rtol=0, atol=1e-6)


def test_the_models_of_a_folder_and_of_a_path(saved_predictor, kind, reference):
    record = ProteinRecord("p", "MKVLAWGH")
    for cache, name in (
        (ModelCache(models_dir=saved_predictor.parent, device="cpu", offline=True), "own"),
        (ModelCache(device="cpu", offline=True, allow_paths=True), str(saved_predictor)),
    ):
        assert cache.status(name).present
        [output] = cache.backend(name).run([record], PREDICT)
        np.testing.assert_allclose(output.predictions, alone(reference, record, kind[1]), **CLOSE)


def test_classifiers_over_absolute_positions(tmp_path, mixed):
    fields = {
        "position_embedding_type": "absolute",
        "emb_layer_norm_before": True,
        "max_position_embeddings": 64,
    }
    config = {**build("esm", "residues").config.to_dict(), **fields, "num_labels": 2}
    model = transformers.EsmForTokenClassification(transformers.EsmConfig(**config))
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.3)
    model.eval().save_pretrained(tmp_path / "own")
    for record, output in zip(mixed, backend_of(tmp_path / "own").run(mixed, PREDICT), strict=True):
        np.testing.assert_allclose(output.predictions, alone(model, record, "residues"), **CLOSE)
