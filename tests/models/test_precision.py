"""Which number format a request runs in, rule by rule; results are float32 in any."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from esmviz.errors import OutputNotProvidedError
from esmviz.models.base import sites
from esmviz.models.esm3 import converted
from esmviz.models.layers import Linear
from esmviz.models.precision import effective, fastest
from esmviz.models.transformer import TransformerBackend
from esmviz.types import ContactHead, HeadStatistic, KeepHeads, Request, Rollout

VECTORS = Request(layers=(-1,), pooling="mean", precision="auto")
OTHERS = (
    Request(logits=True, precision="auto"),
    Request(layers=(1,), logits=True, precision="auto"),
    Request(layers=(1,), probes=(KeepHeads(1, (0,)),), precision="auto"),
    Request(probes=(ContactHead(),), precision="auto"),
)


@pytest.fixture
def hardware(monkeypatch):
    """Says what processor and GPU can multiply."""

    def has(*, cpu=(), gpu=False):
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda name=name: name in cpu, raising=False)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True: gpu or including_emulation
        )

    return has


@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ((), "float32"),
        (("_is_avx512_bf16_supported",), "bfloat16"),
        (("_is_amx_tile_supported",), "bfloat16"),
    ],
)
def test_a_processor_takes_bfloat16_only_with_hardware_for_it(hardware, cpu, expected):
    hardware(cpu=cpu)
    assert effective(VECTORS, "auto", "cpu") == expected


def test_a_torch_that_cannot_tell_is_taken_for_none(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert fastest("cpu") == "float32"


def test_a_gpu_without_bfloat16_takes_float16(hardware):
    hardware(gpu=True)
    assert effective(VECTORS, "auto", "cuda") == "bfloat16"
    hardware(gpu=False)
    assert effective(VECTORS, "auto", "cuda:1") == "float16"


@pytest.mark.parametrize("request_", OTHERS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_auto_is_float32_for_all_but_vectors(hardware, request_, device):
    hardware(cpu=("_is_avx512_bf16_supported",), gpu=True)
    assert effective(request_, "auto", device) == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_setting_overrides_every_request(hardware, precision):
    hardware(gpu=True)
    for request in (VECTORS, *OTHERS, Request(logits=True)):
        for device in ("cpu", "cuda"):
            assert effective(request, precision, device) == precision


def test_a_request_says_its_own_where_the_setting_is_auto(hardware):
    hardware(cpu=("_is_avx512_bf16_supported",))
    assert effective(Request(layers=(-1,), pooling="mean", precision="float32"), "auto", "cpu") == "float32"
    assert effective(Request(logits=True, precision="float16"), "auto", "cpu") == "float16"


@pytest.mark.parametrize("kind", ["esm2", "esm1b", "esmc"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_every_output_is_float32_and_near_the_exact_one(backends, mixed, kind, precision):
    """On a processor, too, where float16 is slow and right."""
    probes = (KeepHeads(2, (0, 1)), Rollout(1, 3), HeadStatistic("entropy"))
    if kind != "esmc":
        probes = (*probes, ContactHead())
    exact, rounded = (
        Request(logits=True, layers=(0, 3), pooling="mean", keep_residues=True, probes=probes, precision=name)
        for name in ("float32", precision)
    )
    records = [record for record in mixed if len(record) > 10]
    for a, b in zip(backends[kind].run(records, exact), backends[kind].run(records, rounded), strict=True):
        assert b.precision == precision
        for ours, true in (
            (b.logits, a.logits),
            (b.hidden_states, a.hidden_states),
            (b.pooled, a.pooled),
            *((b.probes[key], a.probes[key]) for key in a.probes),
        ):
            assert ours.dtype == np.float32
            cosine = (ours * true).sum() / np.linalg.norm(ours) / np.linalg.norm(true)
            assert cosine > 0.99
        assert not np.array_equal(a.logits, b.logits)


def test_a_precision_for_everything_keeps_no_other_weights(backends, mixed):
    backend = backends["esm2"]
    forced = TransformerBackend(backend.spec, "r", backend._networks["float32"], override="float16")
    assert list(forced._networks) == ["float16"]
    network = forced._networks["float16"]
    assert network.words.dtype == network.blocks[-1].down.bias.dtype == torch.float16
    assert network.frequencies.dtype == torch.float32
    for request in (VECTORS, Request(logits=True, precision="float32")):
        [output] = forced.run(mixed[:1], request)
        assert output.precision == "float16"
    assert [int(n) for some, _ in forced.run_masked(sites(mixed[0], [3, 1])) for n in some] == [0, 1]


def test_numbers_beyond_float16_are_an_error_and_no_result(backends, mixed, monkeypatch):
    backend = backends["esm2"]
    forced = TransformerBackend(backend.spec, "r", backend._networks["float32"], override="float16")
    network = forced._networks["float16"]
    run = type(network).block
    monkeypatch.setattr(type(network), "block", lambda self, *rest: run(self, *rest) * 70_000)
    with pytest.raises(OutputNotProvidedError, match="leaves the range of float16"):
        list(forced.run(mixed[:1], VECTORS))
    with pytest.raises(OutputNotProvidedError, match="ESMVIZ_PRECISION"):
        list(forced.run_masked(sites(mixed[0], [1])))
    [output] = backend.run(mixed[:1], Request(logits=True))
    assert np.isfinite(output.logits).all()


@pytest.mark.parametrize("name", ["esm2", "esmc"])
def test_a_copy_is_packed_map_by_map(backends, monkeypatch, name):
    """Never two copies at once: the memory of one was looked for."""
    alive, most = weakref.WeakSet(), []
    packed = Linear.packed

    def pack(linear):
        alive.add(linear.weight)
        most.append(len(alive))
        return packed(linear)

    monkeypatch.setattr(Linear, "packed", pack)
    backends[name]._networks["float32"].to(torch.bfloat16)
    assert len(most) > 4
    if fastest("cpu") == "bfloat16":  # elsewhere nothing is packed, and the weights are the copy itself
        assert max(most) <= 2


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_finite_weights_may_overflow_which_is_an_error_too(backends, mixed, monkeypatch, precision):
    backend = backends["esm2"]
    network = backend._network(replace(VECTORS, precision=precision))[0]
    run = type(network).block
    monkeypatch.setattr(type(network), "block", lambda self, *rest: run(self, *rest) * 1e38)
    with pytest.raises(OutputNotProvidedError, match=f"leaves the range of {precision}") as found:
        list(backend.run(mixed[:1], replace(VECTORS, precision=precision)))
    assert "damaged" in found.value.hint


def test_a_copy_in_another_precision_never_copies_the_float32_weights(references, monkeypatch):
    model = references["esm2"]
    monkeypatch.setattr(torch.Tensor, "__deepcopy__", lambda *_: pytest.fail("copied"))
    monkeypatch.setattr(torch.nn.Parameter, "__deepcopy__", lambda *_: pytest.fail("copied"))
    copy = converted(model, torch.bfloat16)
    weights = dict(model.named_parameters())
    for name, weight in copy.named_parameters():
        assert weight.dtype == torch.bfloat16
        assert torch.equal(weight, weights[name].to(torch.bfloat16))
    assert copy.lm_head.decoder.weight is copy.esm.embeddings.word_embeddings.weight  # tied, as in the model
    assert next(model.parameters()).dtype == torch.float32
    assert copy.esm.embeddings.position_ids.dtype == torch.int64
