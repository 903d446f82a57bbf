"""The torch form of every summary against its numpy form, from transformers' own attention; several at once."""

from typing import get_args

import numpy as np
import pytest
import torch

from esmviz.analysis.flow import rollout
from esmviz.analysis.heads import head_statistic
from esmviz.errors import OutOfMemoryError
from esmviz.models import attention
from esmviz.models.base import sites, tokens
from esmviz.models.transformer import TransformerBackend
from esmviz.types import (
    ContactHead,
    HeadStatistic,
    KeepHeads,
    OverHeads,
    Request,
    Rollout,
    Statistic,
    Thumbnails,
)

CLOSE = {"rtol": 1e-5, "atol": 1e-5}
STATISTICS = get_args(Statistic)
PROBES = (
    KeepHeads(2, (3, 0)),
    KeepHeads(3, (1,)),
    OverHeads(1, 3),
    OverHeads(2, 3, "max"),
    Thumbnails(5),
    Rollout(1, 3),
    *map(HeadStatistic, STATISTICS),
)
EVERYTHING = Request(logits=True, layers=(0, 1, 2, 3), pooling="mean", keep_residues=True, probes=PROBES)


@pytest.fixture(params=["esm2", "esm1b", "esmc"])
def pair(request, backends, references):
    """Our backend and transformers' model with the same weights."""
    return backends[request.param], references[request.param]


@torch.inference_mode()
def token_attention(model, record):
    """Eager attention (layers, H, L + 2, L + 2), start and end token included."""
    ids = torch.from_numpy(tokens(record))[None]
    found = model(ids, attention_mask=torch.ones_like(ids), output_attentions=True)
    return torch.stack(found.attentions)[:, 0].numpy()


def close(ours, expected):
    # float32 keeps seven digits of the largest: rows of another length are summed in another order
    least = max(CLOSE["atol"], 1e-6 * float(np.nanmax(np.abs(expected))))
    np.testing.assert_allclose(ours, expected, rtol=CLOSE["rtol"], atol=least, equal_nan=True)


def test_rollout_is_that_of_all_tokens_cut_to_the_residues(pair, mixed):
    backend, reference = pair
    request = Request(probes=(Rollout(1, 3), Rollout(2, 2)))
    for record, output in zip(mixed, backend.run(mixed, request), strict=True):
        weights = token_attention(reference, record)
        close(output.probes["rollout-1-3"], rollout(weights)[1:-1, 1:-1])
        close(output.probes["rollout-2-2"], rollout(weights[1:2])[1:-1, 1:-1])


def test_rollout_through_the_special_tokens_is_another_than_around_them(pair, mixed):
    """What a residue takes from the start token it may have taken from residues a layer before."""
    weights = token_attention(pair[1], mixed[0])
    [output] = pair[0].run(mixed[:1], Request(probes=(Rollout(1, 3),)))
    around = rollout(weights[:, :, 1:-1, 1:-1])
    assert np.abs(output.probes["rollout-1-3"] - around).max() > 1e-3


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_are_those_of_each_head(pair, mixed, name):
    backend, reference = pair
    found = []
    for record, output in zip(mixed, backend.run(mixed, Request(probes=(HeadStatistic(name),))), strict=True):
        values = output.probes[f"statistic-{name}"]
        close(values, head_statistic(token_attention(reference, record), name))
        found.append(values)
    assert np.nanstd(found[0]) > 0


def test_heads_may_come_in_portions(pair, mixed, monkeypatch):
    [whole] = pair[0].run(mixed[:1], EVERYTHING)
    monkeypatch.setattr(attention, "WEIGHTS_BYTES", 1)
    [in_portions] = pair[0].run(mixed[:1], EVERYTHING)
    for key, value in in_portions.probes.items():
        close(value, whole.probes[key])


def test_all_in_one_pass_equals_one_by_one(pair, mixed):
    backend = pair[0]
    together = list(backend.run(mixed, EVERYTHING))
    for probe in PROBES:
        for output, alone in zip(together, backend.run(mixed, Request(probes=(probe,))), strict=True):
            close(output.probes[probe.key], alone.probes[probe.key])
    for output, alone in zip(together, backend.run(mixed, Request(logits=True)), strict=True):
        close(output.logits, alone.logits)
    layers = Request(layers=(0, 1, 2, 3), pooling="mean", keep_residues=True)
    for output, alone in zip(together, backend.run(mixed, layers), strict=True):
        close(output.hidden_states, alone.hidden_states)
        close(output.pooled, alone.pooled)


def test_all_in_one_pass_runs_each_block_and_each_head_once(pair, mixed, monkeypatch):
    backend = pair[0]
    network, weights = backend._networks["float32"], attention._weights
    run, blocks, heads = network.block, [], []
    monkeypatch.setattr(network, "block", lambda layer, *rest: blocks.append(layer) or run(layer, *rest))
    monkeypatch.setattr(attention, "_weights", lambda q, k: heads.append(len(q)) or weights(q, k))
    list(backend.run(mixed[:1], EVERYTHING))
    assert blocks == [1, 2, 3]
    assert sum(heads) == 3 * backend.spec.n_heads


def test_heads_that_no_probe_wants_are_not_computed(backends, mixed, monkeypatch):
    weights, heads = attention._weights, []
    monkeypatch.setattr(attention, "_weights", lambda q, k: heads.append(len(q)) or weights(q, k))
    list(backends["esm2"].run(mixed[:1], Request(logits=True, probes=(KeepHeads(2, (3, 0)),))))
    assert heads == [2]


def short_of_memory(network, n_tokens, at_block):
    """A block for which torch has not the memory, for rows of more than so many tokens."""
    run = network.block

    def block(layer, x, *rest):
        if layer == at_block and len(x) > n_tokens:
            torch.empty(10**15)
        return run(layer, x, *rest)

    return block


def test_a_row_that_runs_out_halfway_begins_anew(pair, mixed, monkeypatch):
    """Probes that have gathered two layers by then must not carry them into the next attempt."""
    backend = TransformerBackend(pair[0].spec, "r", pair[0]._networks["float32"], max_tokens=200)
    contacts = (ContactHead(),) if "contacts" in backend.spec.provides else ()
    request = Request(logits=True, layers=(2,), pooling="mean", probes=(*PROBES, *contacts))
    expected = list(backend.run(mixed, request))
    monkeypatch.setattr(
        backend._networks["float32"], "block", short_of_memory(pair[0]._networks["float32"], 45, 3)
    )
    for ours, whole in zip(backend.run(mixed, request), expected, strict=True):
        close(ours.logits, whole.logits)
        close(ours.pooled, whole.pooled)
        for key, value in ours.probes.items():
            close(value, whole.probes[key])


def test_a_masked_scan_that_runs_out_is_halved(pair, mixed, monkeypatch):
    backend = TransformerBackend(pair[0].spec, "r", pair[0]._networks["float32"], max_tokens=200)
    record = mixed[-1]
    expected = list(backend.run_masked(sites(record, range(len(record)))))
    monkeypatch.setattr(
        backend._networks["float32"], "block", short_of_memory(pair[0]._networks["float32"], 60, 2)
    )
    halved = list(backend.run_masked(sites(record, range(len(record)))))
    for (positions, ours), (same, whole) in zip(halved, expected, strict=True):
        np.testing.assert_array_equal(positions, same)
        close(ours, whole)


def test_one_copy_or_one_protein_that_does_not_fit_is_named(backends, mixed, monkeypatch):
    backend = backends["esm2"]
    network = backend._networks["float32"]
    monkeypatch.setattr(network, "block", short_of_memory(network, 30, 2))
    with pytest.raises(OutOfMemoryError, match=r"p33-5 \(33 residues\) alone.*4000000000000000 bytes"):
        list(backend.run(mixed[1:], EVERYTHING))
    with pytest.raises(OutOfMemoryError, match=r"p33-5 \(33 residues\) alone"):
        list(backend.run_masked(sites(mixed[5], [0, 1])))
