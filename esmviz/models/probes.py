"""What is done with attention while the model runs: the torch code behind the probes of ``esmviz.types``.

An accumulator is given attention weights layer by layer, first to last, and a few heads at a time. It keeps its
sum, maximum or selection and lets the weights go. The first and the last token are BOS and EOS: every accumulator
cuts them off, most of them at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from esmviz.errors import OutputNotProvidedError
from esmviz.types import (
    SEPARATION,
    ContactHead,
    HeadStatistic,
    KeepHeads,
    OverHeads,
    Probe,
    Rollout,
    Statistic,
    Thumbnails,
)


class Accumulator(Protocol):
    """Consumes attention. ``layers`` (1-based) says where from; elsewhere weights are never computed."""

    layers: frozenset[int]

    def heads(self, n_heads: int) -> Sequence[int]:
        """Heads wanted, of those that a layer has."""
        ...

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        """Take the weights (len(heads), L + 2, L + 2), float32, of some of these heads; rows are queries.

        Others may be given the same tensor: it is read, never written and never kept.
        """
        ...

    def result(self) -> Tensor:
        """What has been gathered, float32, without BOS and EOS."""
        ...


def _residues(attention: Tensor) -> Tensor:
    """A view (..., L, L) without BOS and EOS."""
    return attention[..., 1:-1, 1:-1]


class _AllHeads:
    def heads(self, n_heads: int) -> Sequence[int]:
        return range(n_heads)


class HeadKeeper:
    """``KeepHeads``: (len(heads), L, L)."""

    def __init__(self, probe: KeepHeads) -> None:
        self.layers = frozenset((probe.layer,))
        self._wanted = probe.heads
        self._maps: Tensor | None = None

    def heads(self, n_heads: int) -> Sequence[int]:
        return self._wanted

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        found = _residues(attention)
        if self._maps is None:
            self._maps = found.new_empty(len(self._wanted), *found.shape[1:])
        for place, head in enumerate(self._wanted):
            if head in heads:
                self._maps[place] = found[heads.index(head)]

    def result(self) -> Tensor:
        assert self._maps is not None
        return self._maps


class HeadReducer(_AllHeads):
    """``OverHeads``: mean or maximum over the heads of a range of layers, (L, L)."""

    def __init__(self, probe: OverHeads, n_heads: int) -> None:
        self.layers = frozenset(range(probe.first, probe.last + 1))
        self._is_mean = probe.how == "mean"
        self._share = 1 / (n_heads * len(self.layers))
        self._map: Tensor | None = None

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        found = _residues(attention)
        new = found.sum(0).mul_(self._share) if self._is_mean else found.amax(0)
        if self._map is None:
            self._map = new
        elif self._is_mean:
            self._map += new
        else:
            torch.maximum(self._map, new, out=self._map)

    def result(self) -> Tensor:
        assert self._map is not None
        return self._map


class Thumbnailer(_AllHeads):
    """``Thumbnails``: block means of every head of every layer, (n_layers, H, s, s).

    Block i of s covers residues i * L // s to (i + 1) * L // s, as in ``analysis/maps.py``.
    """

    def __init__(self, probe: Thumbnails, n_layers: int, n_heads: int, n_residues: int) -> None:
        self.layers = frozenset(range(1, n_layers + 1))
        self._size = min(n_residues, probe.size)
        edges = torch.arange(self._size + 1) * n_residues // self._size
        block = torch.repeat_interleave(torch.arange(self._size), edges.diff(), output_size=n_residues)
        self._block = F.pad(F.one_hot(block, self._size).float(), (0, 0, 1, 1))  # BOS and EOS are in none
        self._n = edges.diff().float()
        self._maps = torch.zeros(n_layers, n_heads, self._size, self._size)

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        block = self._block.to(attention.device)
        sums = block.T @ (attention @ block)
        self._maps[layer - 1, list(heads)] = sums.cpu() / (self._n[:, None] * self._n)

    def result(self) -> Tensor:
        return self._maps


class ContactRegression(_AllHeads):
    """``ContactHead``: logistic regression over all symmetrised, APC-corrected heads (Rao et al. 2021,
    doi:10.1101/2020.12.15.422761). ``weights`` is (n_layers, H).

    The sum over heads of w (a + aᵀ - r rᵀ / s), with r the row sums of a + aᵀ and s their total, is taken apart: the
    first part is summed as it is and made symmetric at the end, the last is one product of matrices for all heads.
    """

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        self.layers = frozenset(range(1, len(weights) + 1))
        self._weights, self._bias = weights, bias
        self._half: Tensor | None = None  # of tokens; with its transpose, the logit

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        weights = self._weights[layer - 1, list(heads)].to(attention.device)
        if self._half is None:
            self._half = torch.zeros_like(attention[0])
        self._half.view(-1).addmv_(attention.flatten(1).T, weights)
        found = _residues(attention)
        rows = found.sum(-1) + found.sum(-2)
        shares = rows * (weights / rows.sum(-1))[:, None]
        _residues(self._half).addmm_(shares.T, rows, alpha=-0.5)

    def result(self) -> Tensor:
        assert self._half is not None
        half = _residues(self._half)
        return (half + half.T).add_(self._bias.to(half.device)).sigmoid_()


class Roller(_AllHeads):
    """``Rollout``: (L, L). Three maps of tokens are held, BOS and EOS among them."""

    def __init__(self, probe: Rollout, n_heads: int) -> None:
        self.layers = frozenset(range(probe.first, probe.last + 1))
        self._n_heads, self._n_added = n_heads, 0
        self._sum: Tensor | None = None  # over the heads of this layer so far
        self._flow: Tensor | None = None

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        self._sum = attention.sum(0) if self._sum is None else self._sum.add_(attention.sum(0))
        self._n_added += len(heads)
        if self._n_added == self._n_heads:
            step = self._sum.mul_(0.5 / self._n_heads)
            step.diagonal().add_(0.5)
            self._flow = step if self._flow is None else step @ self._flow
            self._sum, self._n_added = None, 0

    def result(self) -> Tensor:
        assert self._flow is not None
        return _residues(self._flow)


class HeadMeter(_AllHeads):
    """``HeadStatistic``: (n_layers, H). All but the entropy are products with fixed maps of tokens."""

    def __init__(self, probe: HeadStatistic, n_layers: int, n_heads: int) -> None:
        self.layers = frozenset(range(1, n_layers + 1))
        self._name: Statistic = probe.name
        self._values = torch.zeros(n_layers, n_heads)
        self._maps: Tensor | None = None

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        self._values[layer - 1, list(heads)] = self._measure(attention).cpu()

    def _measure(self, attention: Tensor) -> Tensor:
        if self._name == "entropy":  # head by head: terms of all at once would double the memory
            nats = torch.stack([torch.special.entr(one[1:-1]).sum(-1).mean() for one in attention])
            return nats.div_(math.log(2))
        if self._maps is None:
            self._maps = _measuring_maps(self._name, attention.shape[-1]).to(attention.device)
        upper, lower = (attention.flatten(1) @ self._maps.flatten(1).T).T
        return torch.div(upper, lower)

    def result(self) -> Tensor:
        return self._values


def _measuring_maps(name: Statistic, n_tokens: int) -> Tensor:
    """Two maps (2, tokens, tokens): a statistic is the attention that meets the first over that of the second."""
    place = torch.arange(n_tokens)
    apart = (place[:, None] - place).abs().float()
    rows, residues = torch.zeros(2, n_tokens, n_tokens)
    rows[1:-1] = 1
    residues[1:-1, 1:-1] = 1
    match name:
        case "distance":
            return torch.stack((apart * residues, residues))
        case "separated" | "long_range":
            return torch.stack(((apart >= SEPARATION[name]) * residues, rows))
        case "start" | "end":
            return torch.stack((rows * (place == (0 if name == "start" else n_tokens - 1)), rows))
    raise ValueError(f"no statistic is called {name!r}")


def accumulator(
    probe: Probe, *, n_layers: int, n_heads: int, n_residues: int, regression: tuple[Tensor, Tensor] | None
) -> Accumulator:
    """The accumulator behind a probe, for one protein."""
    match probe:
        case KeepHeads():
            return HeadKeeper(probe)
        case OverHeads():
            return HeadReducer(probe, n_heads)
        case Thumbnails():
            return Thumbnailer(probe, n_layers, n_heads, n_residues)
        case ContactHead() if regression is not None:
            return ContactRegression(*regression)
        case Rollout():
            return Roller(probe, n_heads)
        case HeadStatistic():
            return HeadMeter(probe, n_layers, n_heads)
    raise OutputNotProvidedError("The checkpoint has no trained contact regression.")
