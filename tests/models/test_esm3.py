"""ESM3 in our engine against the esm package's own modules, one protein at a time; and its file, whole or refused."""

import json
import shutil

import numpy as np
import pytest
import torch

from esmviz.errors import CorruptCheckpointError, ModelUnavailableError, OutputNotProvidedError
from esmviz.models import esm_package
from esmviz.models.base import AMINO_ACID_TOKENS, MASK, sites, tokens
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.transformer import TransformerBackend
from esmviz.models.weights import ESM3_FILES, revision
from esmviz.types import (
    AMBIGUOUS,
    AMINO_ACIDS,
    ContactHead,
    KeepHeads,
    OverHeads,
    ProteinRecord,
    Request,
    Thumbnails,
)

CLOSE = {"rtol": 0, "atol": 1e-4}
QKV = "transformer.blocks.1.attn.layernorm_qkv.1.weight"
EVERY_HEAD = tuple(KeepHeads(layer, (0, 1, 2, 3)) for layer in (1, 2, 3))
EVERYTHING = Request(logits=True, layers=(0, 1, 2, 3), keep_residues=True, probes=EVERY_HEAD)
BF16 = Request(layers=(-1,), keep_residues=True, precision="bfloat16")


def attention_of(module, x):
    """Attention (B, H, T, T) of a block, computed from the package's modules and torch's softmax alone."""
    query, key, _ = module.layernorm_qkv(x).chunk(3, dim=-1)
    query, key = module._apply_rotary(module.q_ln(query), module.k_ln(key))
    query, key = (y.unflatten(-1, (module.n_heads, -1)).transpose(1, 2) for y in (query, key))
    return (query @ key.transpose(2, 3) / module.d_head**0.5).softmax(-1)


@torch.inference_mode()
def by_the_package(model, ids, **tracks):
    """Logits (B, T, 64), states (layers + 1, B, T, D) and attention (layers, B, H, T, T) of ``ESM3.forward``."""
    states, attention, blocks = [], [], model.transformer.blocks
    hooks = [model.encoder.register_forward_hook(lambda module, given, made: states.append(made))]
    for block in blocks:
        hooks.append(block.register_forward_hook(lambda module, given, made: states.append(made)))
        hooks.append(
            block.attn.register_forward_hook(
                lambda module, given, made: attention.append(attention_of(module, given[0]))
            )
        )
    hooks.append(
        model.transformer.norm.register_forward_hook(lambda module, given, made: states.append(made))
    )
    try:
        output = model(sequence_tokens=torch.as_tensor(ids), **tracks)
    finally:
        for hook in hooks:
            hook.remove()
    last_block = len(blocks)  # layer n_layers is after the norm; ``embeddings`` is before it
    torch.testing.assert_close(output.embeddings, states.pop(last_block))
    return output.sequence_logits, torch.stack(states), torch.stack(attention)


def one(backend, record, request):
    [output] = backend.run([record], request)
    return output


def assert_same(output, expected, row=0, length=None):
    """Our output of one protein is what the package computed in a row of a batch."""
    inner = slice(1, (length or expected[0].shape[1]) - 1)
    logits, states, attention = expected
    np.testing.assert_allclose(output.logits, logits[row, inner][:, list(AMINO_ACID_TOKENS)], **CLOSE)
    np.testing.assert_allclose(output.hidden_states, states[:, row, inner], **CLOSE)
    for probe in EVERY_HEAD:
        theirs = attention[probe.layer - 1, row, :, inner, inner]
        np.testing.assert_allclose(output.probes[probe.key], theirs, **CLOSE)


def test_attention_of_the_stand_in_is_far_from_uniform(esm3_reference, mixed):
    _, _, attention = by_the_package(esm3_reference, tokens(mixed[0])[None])
    assert (attention.amax(-1).mean((1, 2, 3)) > 4 / attention.shape[-1]).all()


def test_logits_states_and_attention_of_every_block_equal_the_package(esm3_backend, esm3_reference, mixed):
    for record, output in zip(mixed, esm3_backend.run(mixed, EVERYTHING), strict=True):
        assert_same(output, by_the_package(esm3_reference, tokens(record)[None]))


def test_a_padded_batch_of_the_package_is_the_same_with_sequence_id(esm3_backend, esm3_reference, mixed):
    """Its padding is attended to unless ``sequence_id`` says what belongs together; ours has no padding."""
    ids = [torch.from_numpy(tokens(record)) for record in mixed]
    padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=1)
    expected = by_the_package(esm3_reference, padded, sequence_id=(padded != 1).long())
    careless = by_the_package(esm3_reference, padded)
    for row, (record, output) in enumerate(zip(mixed, esm3_backend.run(mixed, EVERYTHING), strict=True)):
        logits, states, attention = expected
        length = len(record) + 2
        inside = attention[..., :length, :length].clone()
        inside /= inside.sum(-1, keepdim=True)  # attention_of knows of no sequence_id
        assert_same(output, (logits, states, inside), row, length)
    short = mixed.index(min(mixed, key=len))
    assert (careless[0][short, 1] - expected[0][short, 1]).abs().max() > 1e-2


def test_a_batch_equals_one_by_one(esm3_backend, mixed):
    request = Request(logits=True, layers=(0, 1, -1), pooling="mean", keep_residues=True, probes=EVERY_HEAD)
    for record, output in zip(mixed, esm3_backend.run(mixed, request), strict=True):
        alone = one(esm3_backend, record, request)
        for name in ("logits", "hidden_states", "pooled"):
            np.testing.assert_allclose(getattr(output, name), getattr(alone, name), **CLOSE)
        for key, value in output.probes.items():
            np.testing.assert_allclose(value, alone.probes[key], **CLOSE)


def test_reductions_over_heads(esm3_backend, esm3_reference, mixed):
    request = Request(probes=(OverHeads(1, 3), OverHeads(2, 3, "max"), Thumbnails(5)))
    output = one(esm3_backend, mixed[0], request)
    attention = by_the_package(esm3_reference, tokens(mixed[0])[None])[2][:, 0, :, 1:-1, 1:-1].numpy()
    np.testing.assert_allclose(output.probes["mean-1-3"], attention.mean((0, 1)), **CLOSE)
    np.testing.assert_allclose(output.probes["max-2-3"], attention[1:].max((0, 1)), **CLOSE)
    blocks = attention.reshape(3, 4, 5, 8, 5, 8).mean((3, 5))  # 40 residues in 5 blocks
    np.testing.assert_allclose(output.probes["thumbnails-5"], blocks, **CLOSE)


def test_geometric_attention_adds_nothing_without_coordinates(esm3_reference, mixed):
    added = []
    module = esm3_reference.transformer.blocks[0].geom_attn
    hook = module.register_forward_hook(lambda module, given, made: added.append(made))
    by_the_package(esm3_reference, tokens(mixed[0])[None])
    hook.remove()
    assert added[0].abs().max() == 0
    assert all(weight.abs().max() > 0.01 for weight in module.parameters())


def test_masked_logits_equal_one_by_one(esm3_backend, esm3_reference, mixed):
    record, positions = mixed[-1], [0, 24, 3, 10, 11]
    batches = list(esm3_backend.run_masked(sites(record, positions)))
    assert len(batches) > 1
    assert [int(index) for some, _ in batches for index in some] == list(range(len(positions)))
    for position, logits in zip(positions, np.concatenate([rows for _, rows in batches]), strict=True):
        ids = tokens(record)
        ids[position + 1] = MASK
        expected = by_the_package(esm3_reference, ids[None])[0][0, position + 1, list(AMINO_ACID_TOKENS)]
        np.testing.assert_allclose(logits, expected, **CLOSE)


def test_tokens_are_those_of_the_package(esm3_reference):
    tokenizer = esm3_reference.tokenizers.sequence
    record = ProteinRecord("every", AMINO_ACIDS + AMBIGUOUS)
    assert tokenizer.encode(record.sequence) == tokens(record).tolist()
    assert tokenizer.mask_token_id == MASK
    assert tokenizer.convert_ids_to_tokens(list(AMINO_ACID_TOKENS)) == list(AMINO_ACIDS)


def test_a_changed_letter_moves_its_own_residue_alone(esm3_backend):
    """Layer 0 depends on the letter alone, so a shifted index would show for any of the 25."""
    request = Request(layers=(0,), keep_residues=True)
    base = one(esm3_backend, ProteinRecord("a", "M" * 30), request).hidden_states[0]
    for index, letter in enumerate(AMINO_ACIDS + AMBIGUOUS):
        sequence = "M" * index + letter + "M" * (29 - index)
        other = one(esm3_backend, ProteinRecord("b", sequence), request).hidden_states[0]
        changed = np.flatnonzero(np.abs(other - base).max(-1) > 1e-6)
        assert changed.tolist() == ([] if letter == "M" else [index])


def test_half_the_precision_is_near(esm3_backend, mixed):
    exact = one(esm3_backend, mixed[0], Request(layers=(-1,), keep_residues=True)).hidden_states[0]
    output = one(esm3_backend, mixed[0], BF16)
    near = output.hidden_states[0]
    cosine = (exact * near).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(near, axis=-1)
    assert output.precision == "bfloat16"
    assert 0.99 < cosine.min() < 1 - 1e-9


def test_rotary_angles_stay_exact_far_along_the_protein(esm3_backend):
    """Frequencies rounded to bfloat16 would be radians off here."""
    record = ProteinRecord("long", "MKVLAWGHDE" * 150)
    exact = one(esm3_backend, record, Request(layers=(-1,), keep_residues=True)).hidden_states[0]
    near = one(esm3_backend, record, BF16).hidden_states[0]
    cosine = (exact * near).sum(-1) / np.linalg.norm(exact, axis=-1) / np.linalg.norm(near, axis=-1)
    assert cosine[-200:].mean() > 0.99


def test_contacts_are_not_offered(esm3_backend, mixed):
    with pytest.raises(OutputNotProvidedError, match="contacts"):
        esm3_backend.run(mixed, Request(probes=(ContactHead(),)))


# --- the file


@pytest.fixture
def spoilt(esm3_folder, tmp_path):
    """A copy of the folder, and a way to change the tensors of its file."""
    folder = shutil.copytree(esm3_folder, tmp_path / "spoilt")

    def rewrite(change):
        tensors = torch.load(folder / ESM3_FILES[0], weights_only=True)
        torch.save(change(tensors) or tensors, folder / ESM3_FILES[0])
        return folder

    return rewrite


def refused(folder, match):
    with pytest.raises(CorruptCheckpointError, match=match):
        load(folder, describe(folder, "own"), "cpu")


def test_description(esm3_folder, esm3_reference):
    spec = describe(esm3_folder, "own")
    assert (spec.family, spec.n_layers, spec.n_heads, spec.d_model) == ("esm3", 3, 4, 64)
    assert spec.n_parameters == sum(p.numel() for p in esm3_reference.parameters())
    assert spec.provides == {"logits", "hidden_states", "attentions"}
    assert spec.max_residues is None


def test_the_layout_of_the_hub_is_the_same_model(esm3_folder, tmp_path, mixed, esm3_backend):
    """There config.json is empty; heads are then 64 wide."""
    path = tmp_path / "hub" / ESM3_FILES[1]
    path.parent.mkdir(parents=True)
    shutil.copy(esm3_folder / ESM3_FILES[0], path)
    (tmp_path / "hub" / "config.json").write_text("{}")
    assert describe(tmp_path / "hub", "own").n_heads == 1
    (tmp_path / "hub" / "config.json").write_text(json.dumps({"n_heads": 4}))
    assert revision(tmp_path / "hub") == revision(esm3_folder)
    backend = ModelCache(models_dir=tmp_path, device="cpu", offline=True).backend("hub")
    ours, theirs = (one(some, mixed[0], Request(logits=True)).logits for some in (backend, esm3_backend))
    np.testing.assert_array_equal(ours, theirs)


def test_its_file_alone_is_known_by_its_content(esm3_folder, tmp_path):
    shutil.copy(esm3_folder / ESM3_FILES[0], tmp_path / "own.pth")
    spec = ModelCache(models_dir=tmp_path, device="cpu", offline=True).spec("own")
    assert (spec.family, spec.n_layers, spec.n_heads, spec.d_model) == ("esm3", 3, 1, 64)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda tensors: {k: v for k, v in tensors.items() if k != QKV}, f"lacks: {QKV}"),
        (lambda tensors: tensors | {"stranger": torch.zeros(2)}, "beyond the model's: stranger"),
        (lambda tensors: tensors | {QKV: torch.zeros(3, 3)}, f"in another shape: {QKV}"),
        (
            lambda tensors: tensors | {QKV: tensors[QKV] * float("nan")},
            f"{QKV} holds weights that are no finite",
        ),
        (lambda tensors: {"model": tensors}, "another layout"),
        (lambda tensors: {k: v for k, v in tensors.items() if "geom" not in k}, "another layout"),
        (lambda tensors: tensors | {QKV: torch.zeros(192, 64, dtype=torch.int8)}, "another layout"),
        (lambda tensors: tensors | {QKV: print}, "print, which is neither a tensor nor a setting"),
        (lambda tensors: [1, 2], "another layout"),
    ],
    ids=["missing", "extra", "shape", "not finite", "nested", "esmc", "integers", "pickle", "list"],
)
def test_a_file_that_is_not_whole_is_refused(spoilt, change, match):
    refused(spoilt(change), match)


@pytest.mark.parametrize("n_bytes", [0, 100, -1000])
def test_a_truncated_file_is_refused(spoilt, n_bytes):
    folder = spoilt(dict)
    path = folder / ESM3_FILES[0]
    path.write_bytes(path.read_bytes()[:n_bytes])
    refused(folder, "truncated or no file of torch")


def test_heads_that_do_not_share_the_width_are_refused(spoilt):
    folder = spoilt(dict)
    for n_heads in (0, 7, "many"):
        (folder / "config.json").write_text(json.dumps({"n_heads": n_heads}))
        refused(folder, "heads do not share|what no checkpoint has")


def test_half_precision_files_become_float32(spoilt):
    folder = spoilt(lambda tensors: {name: tensor.bfloat16() for name, tensor in tensors.items()})
    network = load(folder, describe(folder, "own"), "cpu")
    assert {p.dtype for p in network.model.parameters()} == {torch.float32}


def test_another_size_is_refused_by_name(esm3_folder):
    with pytest.raises(CorruptCheckpointError, match="its n_layers is 3, not 48"):
        load(esm3_folder, CATALOG["esm3-open"], "cpu")


def test_nothing_is_asked_of_the_network(esm3_folder, mixed, monkeypatch):
    """The package's own way would download, here even with the file at hand."""
    import socket

    def no_network(*_):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    spec = describe(esm3_folder, "own")
    backend = TransformerBackend(spec, "", load(esm3_folder, spec, "cpu"))
    assert one(backend, mixed[0], Request(logits=True)).logits.shape == (40, 20)


def test_without_the_package_the_command_is_named(esm3_folder, tmp_path, monkeypatch):
    shutil.copytree(esm3_folder, tmp_path / "models" / "own")
    monkeypatch.setattr(esm_package, "version", no_distribution)
    cache = ModelCache(models_dir=tmp_path / "models", device="cpu", offline=True)
    with pytest.raises(ModelUnavailableError, match=r"needs the esm package.*make install"):
        cache.backend("own")
    status = cache.status("own")
    assert status.present
    assert "make install" in status.reason


def no_distribution(name):
    raise esm_package.PackageNotFoundError(name)


def test_the_package_is_asked_for_before_a_large_download(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    cache = ModelCache(device="cpu", offline=True)
    assert "Not on this machine." in cache.status("esm3-open").reason
    monkeypatch.setattr(esm_package, "version", no_distribution)
    assert "make install" in cache.status("esm3-open").reason
    with pytest.raises(ModelUnavailableError, match="make install"):
        cache.backend("esm3-open")
    assert "make install" not in cache.status("esm2-8m").reason
