"""Attention where several proteins lie end to end in a row, its weights handed out where a probe asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby

import torch
import torch.nn.functional as F
from torch import Tensor

from esmviz.models import half_attention
from esmviz.models.layers import Rotation
from esmviz.models.memory import WEIGHTS_BYTES
from esmviz.models.probes import Accumulator

FILL = 32


@dataclass(frozen=True)
class Pack:
    """Proteins end to end in one row: their lengths in tokens, BOS and EOS included, and their probes."""

    lengths: tuple[int, ...]
    probes: tuple[Sequence[Accumulator], ...] = ()
    runs: tuple[tuple[int, int, int], ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", tuple(_runs(self.lengths)))

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First token of each protein and the one after its last."""
        result, start = [], 0
        for length in self.lengths:
            result.append((start, start + length))
            start += length
        return result


def _runs(lengths: Sequence[int]) -> list[tuple[int, int, int]]:
    """Start, length and number of neighbours of equal length: they attend as one batch."""
    result, start = [], 0
    for length, equal in groupby(lengths):
        n = len(list(equal))
        result.append((start, length, n))
        start += length * n
    return result


def filled_up(x: Tensor, positions: Tensor, pack: Pack) -> tuple[Tensor, Tensor, Pack]:
    """States (tokens, D), positions and pack with a protein of zeros at the end, up to a multiple of ``FILL`` tokens.

    On a CPU oneDNN compiles half-precision products anew for each number of tokens and keeps the last thousand. Rows as
    they come would wait for that most of the time, and hold 200 MB of it after some thousand proteins.
    """
    n_extra = -len(x) % FILL
    if x.device.type != "cpu" or x.dtype == torch.float32 or not n_extra:
        return x, positions, pack
    filled = Pack((*pack.lengths, n_extra), pack.probes)
    return F.pad(x, (0, 0, 0, n_extra)), F.pad(positions, (0, n_extra)), filled


def attend(
    query: Tensor, key: Tensor, value: Tensor, *, turn: Rotation | None, pack: Pack, layer: int
) -> Tensor:
    """Attention of each protein to itself; heads are (tokens, H, d) before rotation, the result is (tokens, H * d) as
    ``value`` is. May work in place.
    """
    if half_attention.suits(value):
        turns = None if turn is None else turn.turns.flatten(0, 1)
        output = half_attention.attend(query, key, value, turns=turns, lengths=pack.lengths)
        if any(layer in probe.layers for probes in pack.probes for probe in probes):
            query, key = (x if turn is None else turn(x) for x in (query, key))
    else:
        query, key = (x if turn is None else turn(x) for x in (query, key))
        by = _attend_by_flash if _has_flash(value) else _attend_by_torch
        output = by(query, key, value, pack)
    for (start, stop), probes in zip(pack.bounds, pack.probes, strict=False):
        hand_out(probes, layer, query[start:stop].transpose(0, 1), key[start:stop].transpose(0, 1))
    return output.flatten(1)


def _has_flash(value: Tensor) -> bool:
    """Whether FlashAttention-2 runs there: on an NVIDIA GPU since Ampere, in half precision, heads of 8 to 256."""
    is_half = value.is_cuda and value.dtype in (torch.float16, torch.bfloat16)
    is_wide = value.shape[-1] % 8 == 0 and value.shape[-1] <= 256
    return is_half and is_wide and torch.cuda.get_device_capability(value.device) >= (8, 0)


def _attend_by_flash(query: Tensor, key: Tensor, value: Tensor, pack: Pack) -> Tensor:
    """(tokens, H, d). All proteins of a row in one call, none padded; Dao 2023, arXiv:2307.08691."""
    from torch.nn.attention.varlen import varlen_attn  # torch takes four seconds for it

    ends = torch.tensor([0, *accumulate(pack.lengths)], dtype=torch.int32, device=value.device)
    longest = max(pack.lengths)
    query, key = query.to(value.dtype), key.to(value.dtype)
    attended = varlen_attn(query, key, value, ends, ends, longest, longest)
    assert isinstance(attended, Tensor)
    return attended


def _attend_by_torch(query: Tensor, key: Tensor, value: Tensor, pack: Pack) -> Tensor:
    """(tokens, H, d). On a CPU torch's kernel is no slower in float32, so nothing is rounded there."""
    output = torch.empty(value.shape, dtype=value.dtype, device=value.device)
    precision = torch.float32 if value.device.type == "cpu" else value.dtype
    heads = [x.to(precision) for x in (query, key, value)]
    for start, length, n in pack.runs:
        stop = start + length * n
        q, k, v = (x[start:stop].view(n, length, *x.shape[1:]).transpose(1, 2) for x in heads)
        attended = F.scaled_dot_product_attention(q, k, v)
        output[start:stop] = attended.transpose(1, 2).flatten(0, 1)
    return output


def hand_out(probes: Sequence[Accumulator], layer: int, query: Tensor, key: Tensor) -> None:
    """Give the probes of one protein the weights of the heads that they want; each head is computed once.

    ``query`` and ``key`` are (H, L + 2, d). A few heads are held at a time.
    """
    scale = query.shape[-1] ** -0.5
    wishes = [(probe, set(probe.heads(len(query)))) for probe in probes if layer in probe.layers]
    heads = sorted(set().union(*(wanted for _, wanted in wishes)))
    step = max(1, WEIGHTS_BYTES // (4 * query.shape[1] ** 2))
    for first in range(0, len(heads), step):
        some = heads[first : first + step]
        weights = _weights(query[some].float() * scale, key[some].float())
        for probe, wanted in wishes:
            mine = [index for index, head in enumerate(some) if head in wanted]
            if mine:
                probe.add(
                    layer, [some[i] for i in mine], weights if len(mine) == len(some) else weights[mine]
                )


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """Softmax of the products, in their own memory: a second copy would double the peak."""
    scores = torch.matmul(query, key.transpose(1, 2))
    return torch.softmax(scores, -1, out=scores)
