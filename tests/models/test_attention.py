"""Which kernel attends where, and what a GPU's is given: one call for a row, bounds of the proteins, half precision."""

import sys
from types import SimpleNamespace

import pytest
import torch

from esmviz.models import attention
from esmviz.models.attention import Pack, attend
from esmviz.models.layers import frequencies, rotation

LENGTHS = (5, 12, 1, 12)


@pytest.fixture
def heads():
    return torch.randn(sum(LENGTHS), 3, 2, 8, generator=torch.Generator().manual_seed(0))


def turn():
    return rotation(torch.cat([torch.arange(n) for n in LENGTHS]), frequencies(8, 10000.0))


def varlen(query, key, value, ends, also_ends, longest, also_longest):
    """What torch documents of its own, protein by protein."""
    assert query.dtype == key.dtype == value.dtype == torch.bfloat16
    assert ends.dtype == torch.int32
    assert ends.equal(also_ends)
    assert longest == also_longest == ends.diff().max()
    parts = [
        torch.nn.functional.scaled_dot_product_attention(
            *(x[a:b].transpose(0, 1) for x in (query, key, value))
        )
        for a, b in zip(ends.tolist(), ends.tolist()[1:], strict=False)
    ]
    return torch.cat([part.transpose(0, 1) for part in parts])


def test_a_gpu_attends_to_a_row_in_one_call(heads, monkeypatch):
    expected = attend(*heads.clone().unbind(1), turn=turn(), pack=Pack(LENGTHS), layer=1)
    monkeypatch.setitem(sys.modules, "torch.nn.attention.varlen", SimpleNamespace(varlen_attn=varlen))
    monkeypatch.setattr(attention, "_has_flash", lambda value: True)
    monkeypatch.setattr(attention.half_attention, "suits", lambda value: False)
    found = attend(*heads.bfloat16().unbind(1), turn=turn(), pack=Pack(LENGTHS), layer=1)
    assert found.shape == (sum(LENGTHS), 16)
    torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.02)


class OnAGpu:
    """As much of a tensor on a GPU as is asked for."""

    is_cuda, device = True, "cuda:0"

    def __init__(self, dtype, width):
        self.dtype, self.shape = dtype, (10, 2, width)


@pytest.mark.parametrize(
    ("dtype", "width", "capability", "expected"),
    [
        (torch.bfloat16, 64, (9, 0), True),
        (torch.float16, 24, (8, 0), True),
        (torch.float32, 64, (9, 0), False),
        (torch.float16, 64, (7, 5), False),
        (torch.bfloat16, 20, (9, 0), False),
        (torch.bfloat16, 264, (9, 0), False),
    ],
)
def test_which_gpu_and_heads_can(monkeypatch, dtype, width, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert attention._has_flash(OnAGpu(dtype, width)) is expected


def test_a_processor_never_does(heads):
    assert not attention._has_flash(heads[:, 2])
    assert not attention._has_flash(heads[:, 2].bfloat16())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_as_on_a_processor(heads):
    expected = attend(*heads.clone().unbind(1), turn=turn(), pack=Pack(LENGTHS), layer=1)
    own = turn()
    there = type(own)(own.turns.cuda())
    found = attend(*heads.cuda().bfloat16().unbind(1), turn=there, pack=Pack(LENGTHS), layer=1)
    torch.testing.assert_close(found.float().cpu(), expected, rtol=0.02, atol=0.02)
