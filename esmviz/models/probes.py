"""What is done with attention while the model runs: the torch code behind the probes of ``esmviz.types``.

An accumulator is given attention weights without special tokens, layer by layer and a few heads at a time. It
keeps its sum, maximum or selection and lets the weights go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from esmviz.errors import OutputNotProvidedError
from esmviz.types import ContactHead, KeepHeads, OverHeads, Probe, Thumbnails


class Accumulator(Protocol):
    """Consumes attention. ``layers`` (1-based) says where from; elsewhere weights are never computed."""

    layers: frozenset[int]

    def heads(self, n_heads: int) -> Sequence[int]:
        """Heads wanted, in the order in which they are to come."""
        ...

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        """Take the weights (len(heads), L, L), float32, of some heads of a layer; rows are queries."""
        ...

    def result(self) -> Tensor:
        """What has been gathered, float32."""
        ...


class _AllHeads:
    def heads(self, n_heads: int) -> Sequence[int]:
        return range(n_heads)


class HeadKeeper:
    """``KeepHeads``: (len(heads), L, L)."""

    def __init__(self, probe: KeepHeads) -> None:
        self.layers = frozenset((probe.layer,))
        self._wanted = probe.heads
        self._maps: list[Tensor] = []

    def heads(self, n_heads: int) -> Sequence[int]:
        return self._wanted

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        self._maps.append(attention.clone())  # a view would keep the special tokens' rows alive

    def result(self) -> Tensor:
        return self._maps[0] if len(self._maps) == 1 else torch.cat(self._maps)


class HeadReducer(_AllHeads):
    """``OverHeads``: mean or maximum over the heads of a range of layers, (L, L)."""

    def __init__(self, probe: OverHeads, n_heads: int) -> None:
        self.layers = frozenset(range(probe.first, probe.last + 1))
        self._is_mean = probe.how == "mean"
        self._share = 1 / (n_heads * len(self.layers))
        self._map: Tensor | None = None

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        new = attention.sum(0) * self._share if self._is_mean else attention.amax(0)
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
        self._block = torch.repeat_interleave(torch.arange(self._size), edges.diff())
        self._n = edges.diff().float()
        self._maps = torch.zeros(n_layers, n_heads, self._size, self._size)

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        block = F.one_hot(self._block, self._size).float().to(attention.device)
        sums = block.T @ attention @ block
        self._maps[layer - 1, list(heads)] = sums.cpu() / (self._n[:, None] * self._n)

    def result(self) -> Tensor:
        return self._maps


class ContactRegression(_AllHeads):
    """``ContactHead``: logistic regression over all symmetrised, APC-corrected heads (Rao et al. 2021,
    doi:10.1101/2020.12.15.422761), added up head by head. ``weights`` is (n_layers, H).
    """

    def __init__(self, weights: Tensor, bias: Tensor) -> None:
        self.layers = frozenset(range(1, len(weights) + 1))
        self._weights, self._bias = weights, bias
        self._logit: Tensor | None = None

    def add(self, layer: int, heads: Sequence[int], attention: Tensor) -> None:
        weights = self._weights[layer - 1].to(attention.device)
        if self._logit is None:
            self._logit = torch.zeros_like(attention[0])
        for head, one in zip(heads, attention, strict=True):
            symmetric = one + one.T
            rows = symmetric.sum(0)
            symmetric.sub_(torch.outer(rows, rows).div_(rows.sum()))
            self._logit.add_(symmetric.mul_(weights[head]))

    def result(self) -> Tensor:
        assert self._logit is not None
        return (self._logit + self._bias.to(self._logit.device)).sigmoid()


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
    raise OutputNotProvidedError("The checkpoint has no trained contact regression.")
