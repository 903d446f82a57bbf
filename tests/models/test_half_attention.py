"""Attention in bfloat16 of our own: right at every length and width, beside neighbours, in any memory layout."""

import gc
import subprocess
import sys
import weakref
from math import sqrt

import pytest
import torch

from esmviz.models import crew, half_attention
from esmviz.models.attention import Pack, attend
from esmviz.models.layers import Rotation, frequencies, rotation

ON_THIS_PROCESSOR = pytest.mark.skipif(
    not half_attention.is_available(), reason="this processor has no AVX-512 BF16"
)
EPS = 2**-8  # of bfloat16: a rounded number is off by half of it at most
BEYOND_A_ROW = (1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 100, 131)


def heads(n_tokens, n_heads=3, d=16, seed=0, scale=1.5):
    """Query, key and value as they leave one product: next to each other in a row."""
    made = torch.randn(n_tokens, 3, n_heads, d, generator=torch.Generator().manual_seed(seed)) * scale
    return made.bfloat16().unbind(1)


def turn(lengths, d):
    return rotation(torch.cat([torch.arange(n) for n in lengths]), frequencies(d, 10000.0))


def exact(query, key, value, turns, lengths):
    """Written out in float64; the turned queries and keys rounded, as they are multiplied."""
    parts, start = [], 0
    for n in lengths:
        q, k, v = (x[start : start + n].double().transpose(0, 1) for x in (query, key, value))
        if turns is not None:
            q, k = (turned(x, turns.turns[start : start + n, 0].to(torch.complex128)) for x in (q, k))
        weights = torch.softmax(q @ k.transpose(1, 2) / sqrt(q.shape[-1]), -1)
        parts.append((weights @ v).transpose(0, 1))
        start += n
    return torch.cat(parts)


def turned(x, turns):
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2).contiguous())
    return torch.view_as_real(pairs * turns).flatten(-2).bfloat16().double()


def ours(query, key, value, turns, lengths):
    flat = None if turns is None else turns.turns.flatten(0, 1)
    return half_attention.attend(query, key, value, turns=flat, lengths=lengths)


@ON_THIS_PROCESSOR
@pytest.mark.parametrize("d", [8, 16, 24, 32, 40, 64, 128])
@pytest.mark.parametrize("is_rotary", [True, False])
def test_right_at_every_width_and_length(d, is_rotary):
    lengths = BEYOND_A_ROW
    query, key, value = heads(sum(lengths), d=d)
    turns = turn(lengths, d) if is_rotary else None
    found, expected = ours(query, key, value, turns, lengths), exact(query, key, value, turns, lengths)
    assert found.dtype == torch.bfloat16
    # Weights are rounded once and so is the result; each is a mean of values.
    torch.testing.assert_close(found.double(), expected, rtol=EPS, atol=EPS * value.abs().max().item())
    assert (found.double() - expected).square().mean() < (EPS * expected.square().mean().sqrt()) ** 2


@ON_THIS_PROCESSOR
def test_a_protein_is_the_same_wherever_it_stands():
    """Bit by bit: nothing of a neighbour, and nothing of what was computed before, is left in the room."""
    lengths = (200, 33, 5, 90)
    query, key, value = heads(sum(lengths), d=24)
    whole, start = ours(query, key, value, turn(lengths, 24), lengths), 0
    for n in lengths:
        own = [x[start : start + n] for x in (query, key, value)]
        assert torch.equal(ours(*own, turn((n,), 24), (n,)), whole[start : start + n])
        start += n


@ON_THIS_PROCESSOR
def test_heads_may_lie_anywhere_token_by_token():
    query, key, value = heads(50, d=32)
    apart = [x.contiguous() for x in (query, key, value)]
    turns = turn((50,), 32)
    assert torch.equal(ours(query, key, value, turns, (50,)), ours(*apart, turns, (50,)))


@ON_THIS_PROCESSOR
@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_heads_shared_among_cores(n_threads, monkeypatch):
    query, key, value = heads(60, n_heads=4, d=16)
    expected = ours(query, key, value, None, (60,))
    team = None if n_threads == 1 else crew.Crew(n_threads)
    monkeypatch.setattr(half_attention, "crew", lambda: team)
    assert torch.equal(ours(query, key, value, None, (60,)), expected)


@ON_THIS_PROCESSOR
def test_what_is_read_lives_until_it_was_read(monkeypatch):
    """An interrupt ends the waiting and not the reading, which is by address."""
    read = []

    class Interrupted:
        size = 2

        def together(self, tasks):
            read.extend(tasks)
            raise KeyboardInterrupt

    monkeypatch.setattr(half_attention, "crew", Interrupted)
    query, key, value = (x.clone() for x in heads(60))
    alive = weakref.ref(query)
    with pytest.raises(KeyboardInterrupt):
        ours(query, key, value, None, (60,))
    del query, key, value
    gc.collect()
    assert alive() is not None
    read.clear()
    gc.collect()
    assert alive() is None


@ON_THIS_PROCESSOR
def test_large_scores_pick_one_value_and_what_is_no_number_shows():
    query, key, value = heads(40, n_heads=1, d=16, scale=1.0)
    found = ours(query * 1e4, query, value, None, (40,))
    assert torch.equal(found, value[(query[:, 0] @ query[:, 0].T).float().argmax(1)])
    query = query.clone()
    query[3, 0, 5] = float("nan")
    found = ours(query, key, value, None, (40,))
    assert found[3].isnan().all()
    assert not found[torch.arange(40) != 3].isnan().any()


@ON_THIS_PROCESSOR
def test_what_does_not_fit_is_refused_before_an_address_is_used():
    query, key, value = heads(10, d=16)
    strided = query.repeat(1, 1, 2)[:, :, ::2]
    for given in (
        (query, key, value, None, (4, 5)),
        (query, key, value, None, (10, 0)),
        (query, key, value, turn((9,), 16), (10,)),
        (query, key, value, Rotation(turn((10,), 16).turns.to(torch.complex128)), (10,)),
        (query, key[:9], value, None, (10,)),
        (query.float(), key, value, None, (10,)),
        (strided, key, value, None, (10,)),
    ):
        with pytest.raises(ValueError, match="heads"):
            ours(*given)


@ON_THIS_PROCESSOR
def test_probes_see_the_weights_of_turned_heads():
    """In half precision, too, a probe is handed what float32 would hand it, as near as the heads are."""

    class Probe:
        layers = (1,)

        def heads(self, n_heads):
            return range(n_heads)

        def add(self, layer, heads, weights):
            self.weights = weights

    made = heads(30, d=16)
    probes = Probe(), Probe()
    for precision, probe in zip((torch.bfloat16, torch.float32), probes, strict=True):
        own = [x.to(precision).clone() for x in made]
        attend(*own, turn=turn((30,), 16), pack=Pack((30,), ((probe,),)), layer=1)
    torch.testing.assert_close(probes[0].weights, probes[1].weights, rtol=0.05, atol=1e-3)


def test_other_processors_and_precisions_go_by_torch(monkeypatch):
    query, key, value = heads(20, d=16)
    given = {"turn": Rotation(turn((20,), 16).turns), "pack": Pack((12, 8)), "layer": 1}
    monkeypatch.setattr(half_attention, "is_available", lambda: False)
    assert not half_attention.suits(value)
    found = attend(query, key, value, **given)
    expected = attend(*(x.float() for x in (query, key, value)), **given)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=EPS, atol=EPS)


@pytest.mark.parametrize("variable", ["NUMBA_DISABLE_JIT=1", "NUMBA_CPU_NAME=generic"])
def test_numba_told_otherwise_is_not_used(variable):
    """For another processor it would end the process, uncompiled it would take hours."""
    code = "from esmviz.models import half_attention; print(half_attention.is_available())"
    name, _, value = variable.partition("=")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={name: value, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


@ON_THIS_PROCESSOR
def test_no_folder_to_keep_compiled_code_in_costs_time_and_is_said():
    """As for a user without a home, of an installation that only root may write."""
    code = (
        "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
        "import logging; logging.basicConfig(format='%(message)s')\n"
        "from esmviz.models.half_kernel import attend; print(len(attend.signatures))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "."}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert "NUMBA_CACHE_DIR" in done.stderr
