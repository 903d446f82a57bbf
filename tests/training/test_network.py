"""The training network is the network of transformers."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from training.batches import mask, token_dropout_scale
from training.checkpoint import export
from training.network import MASK, Network, Shape

TINY = Shape(n_layers=2, n_heads=2, d_model=32, d_hidden=64)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    network = Network(TINY)
    for p in network.parameters():  # away from the identity and from zero biases, so that each tensor matters
        torch.nn.init.normal_(p, std=0.3)
    return network.eval()


@pytest.fixture
def reference(network: Network, tmp_path: Path):
    from transformers import EsmForMaskedLM

    export(tmp_path, dict(network.named_parameters()), TINY, torch.float32)
    model, info = EsmForMaskedLM.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    return model.eval()


@torch.no_grad()
def test_packed_rows_equal_transformers_one_by_one(network: Network, reference) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(4, 24, (2, 40))
    tokens[0, 5], tokens[1, 30] = MASK, MASK
    documents = np.stack([np.arange(40) // 20, np.arange(40) // 28])
    positions = np.stack([np.arange(40) % 20, np.arange(40) % 28])
    arrays = (tokens, token_dropout_scale(tokens, documents), positions, documents, np.arange(80))
    packed = network(*map(torch.from_numpy, arrays)).view(2, 40, -1)
    for row in range(2):
        for document in range(2):
            here = documents[row] == document
            ids = torch.from_numpy(tokens[row, here])[None]
            expected = reference(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
            torch.testing.assert_close(packed[row, here], expected, rtol=1e-4, atol=1e-4)


def test_gradients_flow_as_through_torch_attention(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch.nn.functional as F

    def gradient() -> torch.Tensor:
        batch = mask(
            np.full((2, 64), 5), np.arange(128).reshape(2, 64) % 64 // 40, 0.5, np.random.default_rng(1)
        )
        inputs = (batch.tokens, batch.scale, batch.positions, batch.documents, batch.targets)
        network.zero_grad()
        network(*map(torch.from_numpy, inputs)).square().mean().backward()
        return network.blocks[0].qkv.weight.grad.clone()

    ours = gradient()
    monkeypatch.setattr(
        "training.network.attend",
        lambda q, k, v, bias: F.scaled_dot_product_attention(q, k, v, attn_mask=bias),
    )
    torch.testing.assert_close(ours, gradient(), rtol=1e-4, atol=1e-6)


def test_both_forms_of_a_model_have_one_perplexity(network: Network, reference) -> None:
    from training.perplexity import by_model, perplexity
    from training.validate import by_network

    sequences = ["MKVLAGHERTYCDNQPSFWI" * 3, "ACDEFGHIKL"]
    ours, theirs = perplexity(sequences, by_network(network)), perplexity(sequences, by_model(reference))
    assert ours == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("offset", [-3, 1, 7])
def test_a_head_can_be_told_where_to_look(offset: int) -> None:
    from training.network import look_at, rotary_tables, rotate

    torch.manual_seed(0)
    block = Network(Shape(1, 2, 64, 64)).blocks[0]
    look_at(block, 1, offset)
    q, k, _ = (
        block.qkv(block.norm_attention(torch.randn(1, 20, 64)))
        .view(1, 20, 3, 2, 32)
        .transpose(1, 3)
        .unbind(2)
    )
    cos, sin = rotary_tables(torch.arange(20)[None], 32)
    scores = (rotate(q, cos, sin) @ rotate(k, cos, sin).mT)[0, 1, 10]
    assert int(scores.argmax()) == 10 + offset


def test_an_exported_model_can_be_trained_on(network: Network, tmp_path: Path) -> None:
    from training.checkpoint import from_transformers

    export(tmp_path, dict(network.named_parameters()), TINY, torch.float32)
    tensors, shape = from_transformers(tmp_path)
    assert shape == TINY
    assert set(tensors) == {name for name, _ in network.named_parameters()}
    assert all(torch.equal(p, tensors[name]) for name, p in network.named_parameters())


def test_the_card_counts_every_run_that_made_a_model(tmp_path: Path) -> None:
    from training.card import runs, shares_of_all
    from training.checkpoint import note_run, noted_run, runs_before

    assert runs_before(tmp_path) == []
    first = {
        "steps": 10,
        "residues_seen": 1000,
        "minutes": 1.0,
        "seed": 0,
        "shares_of_tokens": {"a": 1.0, "b": 0.0},
    }
    (tmp_path / "card.json").write_text(json.dumps({"training": {**first, "corpus": {}}}))
    note_run(tmp_path / "run", {"data": {"a": 0.5, "b": 0.5}}, runs_before(tmp_path))
    note_run(tmp_path / "run", {"data": {}}, [])  # it goes on: what it began with stands
    settings, before = noted_run(tmp_path / "run")
    assert (settings, before) == ({"data": {"a": 0.5, "b": 0.5}}, [first])
    second = {**first, "residues_seen": 3000, "shares_of_tokens": settings["data"], "runs_before": before}
    assert runs(second) == [first, second]
    assert shares_of_all(second) == {"a": 0.625, "b": 0.375}
    (tmp_path / "card.json").write_text(json.dumps({"training": second}))
    assert [run["residues_seen"] for run in runs_before(tmp_path)] == [1000, 3000]


def test_the_card_names_the_families_that_a_baseline_predicts_better() -> None:
    from training.card import worse_than_baselines

    found = {"good": {"model": 9.0, "a": 10.0, "b": 11.0}, "bad": {"model": 10.5, "a": 10.0, "b": 11.0}}
    assert "every baseline: bad.**" in worse_than_baselines(found, ("a", "b"))
    assert worse_than_baselines({"good": found["good"]}, ("a", "b")) == ""
