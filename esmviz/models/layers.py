"""What the networks are made of: linear maps, norms and rotary positions over packed tokens (tokens, D).

Written here, and held equal to ``transformers`` by tests, because importing that library takes longer than importing
torch and its blocks cannot share one multiplication among queries, keys and values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Linear:
    """``x @ weight.T + bias``; the weight is (out, in)."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@dataclass(frozen=True)
class Norm:
    """Layer norm over the last axis."""

    weight: Tensor
    bias: Tensor | None
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class LanguageHead:
    """From final states to logits over the vocabulary."""

    dense: Linear
    norm: Norm
    decoder: Linear

    def __call__(self, x: Tensor) -> Tensor:
        return self.decoder(self.norm(F.gelu(self.dense(x))))


@dataclass(frozen=True)
class ProteinHead:
    """From the final state of BOS to the classes of a protein."""

    dense: Linear
    out: Linear

    def __call__(self, x: Tensor) -> Tensor:
        return self.out(self.dense(x).tanh())


class Weights:
    """Tensors of a checkpoint by name, taken out as layers, so that none is held twice.

    A layer whose bias the checkpoint lacks has none: that it should be there is checked before, by name.
    """

    def __init__(self, tensors: dict[str, Tensor], prefix: str = "") -> None:
        self._tensors, self._prefix = tensors, prefix

    def under(self, prefix: str) -> Weights:
        """The tensors whose names go on after a prefix."""
        return Weights(self._tensors, f"{self._prefix}{prefix}.")

    def take(self, name: str) -> Tensor:
        """One tensor, out of the mapping."""
        return self._tensors.pop(self._prefix + name)

    def find(self, name: str) -> Tensor | None:
        """``take`` where it is there."""
        return self._tensors.pop(self._prefix + name, None)

    def has(self, name: str) -> bool:
        """Whether a tensor is still there."""
        return self._prefix + name in self._tensors

    def linear(self, *names: str) -> Linear:
        """A linear map; of several names, theirs one below the other, so that one product serves all."""
        weights = [self.take(f"{name}.weight") for name in names]
        biases = [bias for name in names if (bias := self.find(f"{name}.bias")) is not None]
        return Linear(_joined(weights), _joined(biases) if biases else None)

    def norm(self, name: str, eps: float) -> Norm:
        """A layer norm."""
        return Norm(self.take(f"{name}.weight"), self.find(f"{name}.bias"), eps)


def classifier(weights: Weights) -> ProteinHead | Linear | None:
    """The head of a predictor, of proteins or of residues, under the names of ``transformers``; None without one."""
    if weights.has("classifier.out_proj.weight"):
        return ProteinHead(weights.linear("classifier.dense"), weights.linear("classifier.out_proj"))
    name = next((name for name in ("classifier", "score") if weights.has(f"{name}.weight")), None)
    return None if name is None else weights.linear(name)


def _joined(tensors: list[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def recast(part: Any, how: Callable[[Tensor], Tensor]) -> Any:
    """A part with each of its tensors changed: in another precision, on another device."""
    if isinstance(part, Tensor):
        return how(part)
    if isinstance(part, tuple):
        return tuple(recast(one, how) for one in part)
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: recast(getattr(part, f.name), how) for f in fields(part)})
    return part


@dataclass(frozen=True)
class Rotation:
    """Cosine and sine of each token's rotary angles, (tokens, 1, d / 2), float32.

    Angles are float32 whatever the weights are: a frequency in bfloat16 would be off by radians a thousand residues
    on. RoFormer, Su et al. 2021, arXiv:2104.09864, with the two halves of a head as the pairs, as in ESM-2.
    """

    cosine: Tensor
    sine: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Heads (tokens, H, d) turned, in their own precision."""
        first, second = x.float().chunk(2, dim=-1)
        turned = torch.empty_like(x)
        half = x.shape[-1] // 2
        turned[..., :half] = first * self.cosine - second * self.sine
        turned[..., half:] = second * self.cosine + first * self.sine
        return turned


def rotation(positions: Tensor, frequencies: Tensor) -> Rotation:
    """Rotation of tokens at ``positions`` (tokens,)."""
    angles = positions[:, None, None].float() * frequencies.to(positions.device)
    return Rotation(angles.cos(), angles.sin())


def frequencies(d_head: int, base: float) -> Tensor:
    """Rotary angle per position of each pair of a head, (d / 2,), in radians."""
    return 1.0 / base ** (torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)
