"""What the networks are made of: linear maps, norms and rotary positions over packed tokens (tokens, D).

Written here, and held equal to ``transformers`` by tests, because importing that library takes longer than importing
torch and its blocks cannot share one multiplication among queries, keys and values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Activation = Literal["gelu", "swish"]
ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,  # the exact one: Hendrycks and Gimpel 2016, arXiv:1606.08415
    "swish": F.silu,  # x times its logistic function: Ramachandran et al. 2017, arXiv:1710.05941
}


@dataclass(frozen=True)
class Linear:
    """``x @ weight.T + bias``; the weight is (out, in)."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor) -> Tensor:
        return _in_one_pass(x, self, "none") if _can_fuse(x) else F.linear(x, self.weight, self.bias)

    def then(self, what: Activation, x: Tensor) -> Tensor:
        """The map, then an activation."""
        return _in_one_pass(x, self, what) if _can_fuse(x) else ACTIVATIONS[what](self(x))

    def reordered(self, order: Tensor) -> Linear:
        """The same map with its outputs in another order."""
        return Linear(self.weight[order], None if self.bias is None else self.bias[order])

    def packed(self) -> Linear:
        """The same map with its weight in the order in which oneDNN reads it, where that multiplies it: it would put it
        there at every product. Only calling is left then.
        """
        if not _can_fuse(self.weight):
            return self
        return Linear(torch.ops.mkldnn._reorder_linear_weight(self.weight), self.bias)


def _can_fuse(x: Tensor) -> bool:
    return x.dtype == torch.bfloat16 and x.device.type == "cpu" and _has_one_pass()


@lru_cache(maxsize=1)
def _has_one_pass() -> bool:
    """oneDNN multiplies bfloat16 on x86 since AVX-512BW."""
    names = ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    return all(hasattr(torch.ops.mkldnn, name) for name in names) and bool(
        torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )


def _in_one_pass(x: Tensor, linear: Linear, then: str) -> Tensor:
    """oneDNN's product with bias and activation added on the way out, as torch.compile uses it; ``F.linear`` first
    writes the bias into the whole result, and an activation reads and writes it once more.
    """
    result: Tensor = torch.ops.mkldnn._linear_pointwise(x, linear.weight, linear.bias, then, [], "none")
    return result


@dataclass(frozen=True)
class Norm:
    """Layer norm over the last axis."""

    weight: Tensor
    bias: Tensor | None
    eps: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def reordered(self, order: Tensor) -> Norm:
        """The norm of channels in another order."""
        return Norm(self.weight[order], None if self.bias is None else self.bias[order], self.eps)


@dataclass(frozen=True)
class LanguageHead:
    """From final states to logits over the vocabulary."""

    dense: Linear
    norm: Norm
    decoder: Linear

    def __call__(self, x: Tensor) -> Tensor:
        return self.decoder(self.norm(self.dense.then("gelu", x)))


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

    def query_key_value(self, *names: str, d_head: int) -> Linear:
        """The three maps into the heads as one, pairs of queries and keys as ``Rotation`` wants them."""
        joined = self.linear(*names)
        width = len(joined.weight) // 3
        pairs = pair_order(width, d_head)
        return joined.reordered(torch.cat([pairs, width + pairs, torch.arange(2 * width, 3 * width)]))

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


def recast(part: Any, how: Callable[[Tensor], Tensor], *, packs: bool = False) -> Any:
    """A part with each of its tensors changed: in another precision, on another device. Where it ``packs``, each linear
    map is packed before the next is changed, so that there is no second copy of all.
    """
    if isinstance(part, Tensor):
        return how(part)
    if isinstance(part, tuple):
        return tuple(recast(one, how, packs=packs) for one in part)
    if is_dataclass(part) and not isinstance(part, type):
        changed = replace(
            part, **{f.name: recast(getattr(part, f.name), how, packs=packs) for f in fields(part)}
        )
        return changed.packed() if packs and isinstance(changed, Linear) else changed
    return part


@dataclass(frozen=True)
class Rotation:
    """Rotary turn of each token: (tokens, 1, d / 2) complex numbers of length 1, from float32 angles.

    Angles are float32 whatever the weights are: a frequency in bfloat16 would be off by radians a thousand residues
    on. RoFormer, Su et al. 2021, arXiv:2104.09864. ESM pairs the two halves of a head; here the pairs are neighbours
    (``pair_order``), so that a pair is a complex number and its turn one product.
    """

    turns: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Heads (tokens, ..., H, d) of neighbouring pairs turned, in float32; may work in place."""
        pairs = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2))
        turns = self.turns.view(len(x), *[1] * (x.dim() - 2), -1)
        return torch.view_as_real(pairs.mul_(turns)).flatten(-2)


def pair_order(width: int, d_head: int) -> Tensor:
    """Where each of ``width`` channels comes from, so that what ESM turns together is next to each other.

    Queries and keys in the same new order have the products that they had.

    Examples
    --------
    >>> pair_order(8, 4).tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    return torch.arange(width).view(-1, 2, d_head // 2).transpose(1, 2).flatten()


def rotation(positions: Tensor, frequencies: Tensor) -> Rotation:
    """Rotation of tokens at ``positions`` (tokens,)."""
    angles = positions[:, None, None].float() * frequencies.to(positions.device)
    return Rotation(torch.polar(torch.ones_like(angles), angles))


def frequencies(d_head: int, base: float) -> Tensor:
    """Rotary angle per position of each pair of a head, (d / 2,), in radians."""
    return 1.0 / base ** (torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)
