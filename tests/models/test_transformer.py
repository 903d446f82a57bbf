"""Our engine against transformers' own outputs in eager mode, one protein at a time."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from esmviz.errors import OutOfMemoryError, OutputNotProvidedError, SequenceTooLongError
from esmviz.models import attention
from esmviz.models.base import AMINO_ACID_TOKENS, MASK, VOCABULARY, sites, tokens
from esmviz.models.transformer import TransformerBackend
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    KeepHeads,
    OverHeads,
    ProteinRecord,
    Request,
    Thumbnails,
)

KINDS = ("esm2", "esm1b", "esm1v", "esmc")
CLOSE = {"rtol": 0, "atol": 1e-4}
ALL_LAYERS = Request(logits=True, layers=(0, 1, 2, 3), keep_residues=True)


@pytest.fixture(params=KINDS)
def pair(request, backends, references):
    """Our backend and transformers' model with the same weights."""
    return backends[request.param], references[request.param]


@torch.inference_mode()
def eagerly(model, ids):
    ids = torch.as_tensor(ids)[None]
    ones = torch.ones_like(ids)
    return model(ids, attention_mask=ones, output_hidden_states=True, output_attentions=True)


def eager_attention(model, record):
    """Attention (layers, H, L, L) without special tokens."""
    return torch.stack(eagerly(model, tokens(record)).attentions)[:, 0, :, 1:-1, 1:-1].numpy()


def one(backend, record, request):
    [output] = backend.run([record], request)
    return output


def test_attention_of_the_stand_ins_is_far_from_uniform(pair, mixed):
    attention = torch.stack(eagerly(pair[1], tokens(mixed[0])).attentions)
    assert attention.amax(-1).mean() > 4 / attention.shape[-1]


def test_logits_and_every_hidden_layer_equal_transformers(pair, mixed, assert_states_close):
    backend, reference = pair
    for record, output in zip(mixed, backend.run(mixed, ALL_LAYERS), strict=True):
        expected = eagerly(reference, tokens(record))
        logits = expected.logits[0, 1:-1].numpy()
        by_letter = {
            letter: logits[:, token] for letter, token in zip(AMINO_ACIDS, AMINO_ACID_TOKENS, strict=True)
        }
        for index, letter in enumerate(AMINO_ACIDS):
            np.testing.assert_allclose(output.logits[:, index], by_letter[letter], **CLOSE)
        hidden = torch.stack(expected.hidden_states)[:, 0, 1:-1].numpy()
        assert_states_close(output.hidden_states, hidden)


def test_a_batch_equals_one_by_one(pair, mixed):
    backend, _ = pair
    request = Request(logits=True, layers=(-1, 1), pooling="mean", keep_residues=True)
    for record, output in zip(mixed, backend.run(mixed, request), strict=True):
        alone = one(backend, record, request)
        for name in ("logits", "hidden_states", "pooled"):
            np.testing.assert_allclose(getattr(output, name), getattr(alone, name), **CLOSE)


def test_pooling_is_over_residues_only(pair, mixed, assert_states_close):
    backend, reference = pair
    for how, expected in (
        ("mean", lambda x: x[1:-1].mean(0)),
        ("max", lambda x: x[1:-1].max(0)),
        ("bos", lambda x: x[0]),
    ):
        request = Request(layers=(2, -1), pooling=how)
        for record, output in zip(mixed, backend.run(mixed, request), strict=True):
            states = torch.stack(eagerly(reference, tokens(record)).hidden_states)[[2, 3], 0].numpy()
            assert_states_close(output.pooled, [expected(x) for x in states])
            assert output.hidden_states is None


def test_heads_equal_transformers(pair, mixed):
    backend, reference = pair
    request = Request(probes=(KeepHeads(1, (3, 0)), KeepHeads(3, (2,))))
    for record, output in zip(mixed, backend.run(mixed, request), strict=True):
        expected = eager_attention(reference, record)
        np.testing.assert_allclose(output.probes["heads-1-3-0"], expected[0][[3, 0]], **CLOSE)
        np.testing.assert_allclose(output.probes["heads-3-2"], expected[2][[2]], **CLOSE)


def test_rows_keep_the_share_that_went_to_special_tokens(pair, mixed):
    attention = one(pair[0], mixed[0], Request(probes=(KeepHeads(2, (0,)),))).probes["heads-2-0"]
    assert (attention.sum(-1) < 1 - 1e-4).any()


def test_mean_and_maximum_over_layers(pair, mixed):
    backend, reference = pair
    request = Request(probes=(OverHeads(1, 3), OverHeads(2, 3, "max")))
    for record, output in zip(mixed, backend.run(mixed, request), strict=True):
        expected = eager_attention(reference, record)
        np.testing.assert_allclose(output.probes["mean-1-3"], expected.mean((0, 1)), **CLOSE)
        np.testing.assert_allclose(output.probes["max-2-3"], expected[1:].max((0, 1)), **CLOSE)


def test_thumbnails_are_block_means(pair, mixed):
    backend, reference = pair
    for record, output in zip(mixed, backend.run(mixed, Request(probes=(Thumbnails(5),))), strict=True):
        n, expected = len(record), eager_attention(reference, record)
        size = min(n, 5)
        edges = [i * n // size for i in range(size + 1)]
        for i in range(size):
            for j in range(size):
                block = expected[:, :, edges[i] : edges[i + 1], edges[j] : edges[j + 1]].mean((2, 3))
                np.testing.assert_allclose(output.probes["thumbnails-5"][:, :, i, j], block, **CLOSE)


@pytest.mark.parametrize("kind", ["esm2", "esm1b"])
def test_contacts_equal_transformers(kind, backends, references, mixed):
    for record, output in zip(
        mixed, backends[kind].run(mixed, Request(probes=(ContactHead(),))), strict=True
    ):
        ids = torch.from_numpy(tokens(record))[None]
        with torch.inference_mode():
            expected = references[kind].predict_contacts(ids, torch.ones_like(ids))[0].numpy()
        np.testing.assert_allclose(output.probes["contacts"], expected, **CLOSE)
        assert expected.shape == (len(record), len(record))


@pytest.mark.parametrize("kind", ["esm1v", "esmc"])
def test_contacts_are_not_offered_without_a_trained_head(kind, backends, mixed):
    with pytest.raises(OutputNotProvidedError, match="contacts"):
        backends[kind].run(mixed, Request(probes=(ContactHead(),)))


def test_heads_may_come_in_several_portions(pair, mixed, monkeypatch):
    request = Request(probes=(KeepHeads(2, (1, 0, 3)), OverHeads(1, 3, "max"), Thumbnails(4)))
    whole = one(pair[0], mixed[0], request).probes
    monkeypatch.setattr(attention, "WEIGHTS_BYTES", 1)
    for key, value in one(pair[0], mixed[0], request).probes.items():
        np.testing.assert_allclose(value, whole[key], **CLOSE)


def test_masked_logits_equal_one_by_one(pair, mixed):
    backend, reference = pair
    record = mixed[-1]
    positions = [0, 24, 3, 10, 11]
    batches = list(backend.run_masked(sites(record, positions)))
    assert [len(some) for some, _ in batches][:1] == [1]  # the first column is there as soon as it can be
    assert max(len(some) for some, _ in batches) > 1
    assert [int(index) for some, _ in batches for index in some] == list(range(len(positions)))
    for position, logits in zip(positions, np.concatenate([rows for _, rows in batches]), strict=True):
        ids = tokens(record)
        ids[position + 1] = MASK
        expected = eagerly(reference, ids).logits[0, position + 1, list(AMINO_ACID_TOKENS)]
        np.testing.assert_allclose(logits, expected.numpy(), **CLOSE)


@pytest.mark.parametrize(("precision", "step"), [("float32", 1), ("bfloat16", 32)])
def test_half_precision_rows_are_filled_up_on_a_cpu(pair, mixed, monkeypatch, precision, step):
    """Few numbers of tokens, each of which oneDNN compiles once; what is filled in reaches nobody."""
    backend, _ = pair
    request = Request(logits=True, layers=(0, 1, -1), pooling="mean", keep_residues=True, precision=precision)
    probe = KeepHeads(2, (1,))
    request = replace(request, probes=(probe,)) if "attentions" in backend.spec.provides else request
    network, _ = backend._network(request)
    block, seen = type(network).block, []

    def seeing(self, layer, x, *rest):
        seen.append(len(x))
        return block(self, layer, x, *rest)

    monkeypatch.setattr(type(network), "block", seeing)
    filled = list(backend.run(mixed, request))
    assert all(n % step == 0 for n in seen)
    seen.clear()
    monkeypatch.setattr(attention, "FILL", 1)
    plain = list(backend.run(mixed, request))
    assert any(n % 32 for n in seen)
    for record, a, b in zip(mixed, filled, plain, strict=True):
        assert a.hidden_states.shape == (3, len(record), backend.spec.d_model)
        for name in ("logits", "hidden_states", "pooled"):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0.05, atol=0.05)
        for key, maps in a.probes.items():
            np.testing.assert_allclose(maps, b.probes[key], atol=0.02)


def test_token_dropout_counts_masks_per_protein(backends, references):
    """In one row of transformers the masked fraction would be that of all proteins together."""
    from esmviz.models.attention import Pack
    from esmviz.models.esm import _token_dropout_scale

    ids = torch.tensor([0, MASK, 5, 2, 0, 5, 2])
    scale = _token_dropout_scale(ids, Pack((4, 3)))
    expected = [0.88 / 0.75, 0, 0.88 / 0.75, 0.88 / 0.75, 0.88, 0.88, 0.88]
    np.testing.assert_allclose(scale.numpy(), expected, rtol=1e-6)


def test_a_changed_letter_moves_its_own_residue_most(pair):
    """Layer 0 depends on the letter and its position alone, so a shifted index would show for any of the 25."""
    backend, _ = pair
    letters = AMINO_ACIDS + "BZXUO"
    base = one(backend, ProteinRecord("a", "M" * 30), Request(layers=(0,), keep_residues=True)).hidden_states[
        0
    ]
    for index, letter in enumerate(letters):
        sequence = "M" * index + letter + "M" * (29 - index)
        other = one(backend, ProteinRecord("b", sequence), Request(layers=(0,), keep_residues=True))
        changed = np.flatnonzero(np.abs(other.hidden_states[0] - base).max(-1) > 1e-6)
        assert changed.tolist() == ([] if letter == "M" else [index])


def test_runs_of_unknown_letters_keep_their_length(backends, references):
    record = ProteinRecord("x", "MXXXXUUOBZK")
    output = one(backends["esm2"], record, Request(logits=True))
    assert output.logits.shape == (11, 20)


def test_rotary_angles_stay_exact_far_along_the_protein(backends):
    """Frequencies rounded to bfloat16 would be radians off here."""
    record = ProteinRecord("long", "MKVLAWGHDE" * 150)
    slow, fast = (
        one(
            backends["esm2"], record, Request(layers=(-1,), keep_residues=True, precision=precision)
        ).hidden_states[0]
        for precision in ("float32", "bfloat16")
    )
    cosine = (slow * fast).sum(-1) / np.linalg.norm(slow, axis=-1) / np.linalg.norm(fast, axis=-1)
    assert cosine[-200:].min() > 0.99


def test_auto_is_bfloat16_for_vectors_only(backends, mixed, monkeypatch):
    from esmviz.models import precision

    monkeypatch.setattr(precision, "fastest", lambda device: "bfloat16")
    backend = backends["esm2"]
    vectors = Request(layers=(-1,), pooling="mean", precision="auto")
    output = one(backend, mixed[0], vectors)
    assert output.precision == "bfloat16"
    assert output.pooled.dtype == np.float32
    exact = one(backend, mixed[0], Request(layers=(-1,), pooling="mean")).pooled
    cosine = (exact * output.pooled).sum() / np.linalg.norm(exact) / np.linalg.norm(output.pooled)
    assert 0.999 < cosine < 1 - 1e-9
    for request in (
        Request(logits=True, precision="auto"),
        Request(layers=(-1,), logits=True, precision="auto"),
        Request(layers=(-1,), probes=(KeepHeads(1, (0,)),), precision="auto"),
    ):
        assert one(backend, mixed[0], request).precision == "float32"


def test_a_setting_overrides_the_requests_precision(backends, mixed):
    backend = backends["esm2"]
    network = backend._networks["float32"]
    forced = TransformerBackend(backend.spec, "r", network, override="bfloat16")
    assert one(forced, mixed[0], Request(logits=True)).precision == "bfloat16"


def test_a_row_that_does_not_fit_is_halved(backends, mixed, monkeypatch):
    backend = backends["esm2"]
    expected = [output.logits for output in backend.run(mixed, Request(logits=True))]
    forward, sizes = backend._forward, []

    def short_of_memory(network, records, *rest):
        sizes.append(len(records))
        if len(records) > 1:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes.")
        return forward(network, records, *rest)

    monkeypatch.setattr(backend, "_forward", short_of_memory)
    halved = [output.logits for output in backend.run(mixed, Request(logits=True))]
    assert max(sizes) > 1
    for a, b in zip(expected, halved, strict=True):
        np.testing.assert_allclose(a, b, **CLOSE)


def test_one_protein_that_does_not_fit_is_named(backends, mixed, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr(backends["esm2"], "_forward", no_memory)
    with pytest.raises(OutOfMemoryError, match="p40-0 \\(40 residues\\)"):
        list(backends["esm2"].run(mixed, Request(logits=True)))


def test_another_error_is_not_taken_for_a_lack_of_memory(backends, mixed, monkeypatch):
    def broken(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(backends["esm2"], "_forward", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(backends["esm2"].run(mixed, Request(logits=True)))


@pytest.mark.parametrize("kind", ["esm1b", "esm1v"])
def test_absolute_positions_have_a_hard_limit(kind, backends, references):
    backend, longest = backends[kind], ProteinRecord("p", "MKVLAW" * 10)
    assert backend.spec.max_residues == len(longest) == 60
    expected = eagerly(references[kind], tokens(longest)).logits[0, 1:-1, list(AMINO_ACID_TOKENS)]
    np.testing.assert_allclose(one(backend, longest, Request(logits=True)).logits, expected, **CLOSE)
    with pytest.raises(IndexError):
        eagerly(references[kind], tokens(ProteinRecord("p", "M" * 61)))
    with pytest.raises(SequenceTooLongError, match="61 residues"):
        backend.run([ProteinRecord("p", "M" * 61)], Request(logits=True))


def test_equal_to_a_padded_batch_of_transformers(pair, mixed, assert_states_close):
    """As others run them: padded, with a mask; without the mask their numbers would be others."""
    backend, reference = pair
    longest = max(map(len, mixed)) + 2
    ids = torch.full((len(mixed), longest), VOCABULARY.index("<pad>"))
    for row, record in zip(ids, mixed, strict=True):
        row[: len(record) + 2] = torch.from_numpy(tokens(record))
    with torch.inference_mode():
        padded = reference(ids, attention_mask=(ids != 1).long(), output_hidden_states=True)
        unmasked = reference(ids, attention_mask=torch.ones_like(ids)).logits
    for index, (record, output) in enumerate(zip(mixed, backend.run(mixed, ALL_LAYERS), strict=True)):
        inside = slice(1, len(record) + 1)
        logits = padded.logits[index, inside, list(AMINO_ACID_TOKENS)]
        np.testing.assert_allclose(output.logits, logits, **CLOSE)
        hidden = torch.stack(padded.hidden_states)[:, index, inside]
        assert_states_close(output.hidden_states, hidden)
    assert (unmasked - padded.logits)[3].abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["esm2", "esm1b", "esm1v"])
def test_token_dropout_scales_without_any_mask_too(kind, backends, references):
    """0.88 at inference; transformers' own answer without it is another."""
    record, reference = ProteinRecord("p", "MKVLAWGH"), references[kind]
    ours = one(backends[kind], record, Request(layers=(0,), keep_residues=True)).hidden_states[0]
    embeddings = reference.esm.embeddings
    embeddings.token_dropout = False
    try:
        without = eagerly(reference, tokens(record)).hidden_states[0][0, 1:-1].numpy()
    finally:
        embeddings.token_dropout = True
    np.testing.assert_allclose(
        ours, eagerly(reference, tokens(record)).hidden_states[0][0, 1:-1], rtol=0, atol=1e-5
    )
    assert np.abs(ours - without).max() > 1e-2
    if kind == "esm2":
        np.testing.assert_allclose(ours, 0.88 * without, rtol=1e-5)


def test_special_tokens_are_those_of_transformers(pair, mixed):
    """BOS and EOS take part: without them the residues' numbers would be others."""
    backend, reference = pair
    record = mixed[0]
    ours = one(backend, record, Request(layers=(-1,), pooling="bos", keep_residues=True, logits=True))
    expected = eagerly(reference, tokens(record)).hidden_states[-1][0].numpy()
    np.testing.assert_allclose(ours.pooled[0], expected[0], **CLOSE)
    bare = eagerly(reference, tokens(record)[1:-1]).logits[0, :, list(AMINO_ACID_TOKENS)].numpy()
    assert np.abs(ours.logits - bare).max() > 1e-2


def test_blocks_nobody_asked_for_are_not_run(backends, mixed, monkeypatch):
    network = backends["esm2"]._networks["float32"]
    run, seen = network.block, []
    monkeypatch.setattr(network, "block", lambda layer, *rest: seen.append(layer) or run(layer, *rest))
    one(backends["esm2"], mixed[0], Request(layers=(1,)))
    assert seen == [1]


def test_a_position_outside_the_protein_is_a_programmers_mistake(backends, mixed):
    with pytest.raises(ValueError, match="index 40"):
        backends["esm2"].run_masked(sites(mixed[0], [40]))
