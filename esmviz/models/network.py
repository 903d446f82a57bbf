"""What the engine needs of a family: embedding, blocks, last norm and head, token layout hidden."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from esmviz.models.attention import Pack
from esmviz.models.base import AMINO_ACID_TOKENS
from esmviz.types import Predictor


class Network(Protocol):
    """One family's network over a row of packed tokens. Tensors are (1, tokens, D) unless said otherwise."""

    n_layers: int

    @property
    def model(self) -> nn.Module:
        """The transformers model that owns the weights."""
        ...

    def to(self, dtype: torch.dtype) -> Network:
        """A copy with weights in another precision; rotary frequencies stay float32."""
        ...

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        """Input embedding of token ids (tokens,); ``positions`` restart at each protein."""
        ...

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosine and sine of the rotary embedding, or None where positions are added to the embedding."""
        ...

    def block(self, layer: int, x: Tensor, rotation: tuple[Tensor, Tensor] | None, pack: Pack) -> Tensor:
        """Output of block ``layer`` (1-based)."""
        ...

    def final_norm(self, x: Tensor) -> Tensor:
        """Norm after the last block."""
        ...

    def head(self, x: Tensor) -> Tensor:
        """Logits over the whole vocabulary, (..., V)."""
        ...

    def contact_regression(self) -> tuple[Tensor, Tensor] | None:
        """Weights (n_layers, H) and bias of a trained contact head."""
        ...


def amino_acid_logits(network: Network, x: Tensor) -> Tensor:
    """Logits (..., A) of the 20 amino acids in ``AMINO_ACIDS`` order, float32."""
    logits = network.head(x)
    return logits[..., list(AMINO_ACID_TOKENS)].float()


def predictions(network: Network, x: Tensor, pack: Pack, predictor: Predictor) -> list[Tensor]:
    """Raw predictions of each protein, (K,), or of its residues, (L, K), float32, from the final states (tokens, D).

    A head for proteins reads BOS alone and calls it the first token of a row; one for residues is a linear map.
    """
    model: Any = network.model
    head = model.score if hasattr(model, "score") else model.classifier
    if predictor.unit == "proteins":
        starts = [start for start, _ in pack.bounds]
        return list(head(x[starts][:, None]).float())
    return [head(x[start + 1 : stop - 1]).float() for start, stop in pack.bounds]


def rotary_tables(inv_freq: Tensor, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each token's rotation, (1, tokens, d). Angles are float32 whatever the weights are:
    a frequency in bfloat16 would be off by radians a thousand residues on.
    """
    angles = positions[None, :, None].float() * inv_freq.float()
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def settle(model: Any) -> Any:
    """A loaded model as the engine wants it: no dropout, no gradients."""
    return model.eval().requires_grad_(False)


def converted(model: Any, dtype: torch.dtype) -> Any:
    """A copy with weights in another precision. ``deepcopy(model).to(dtype)`` would hold a second float32 copy first."""
    copies: dict[int, Any] = {}
    for weight in model.parameters():
        copies[id(weight)] = nn.Parameter(weight.to(dtype), requires_grad=False)
    for buffer in model.buffers():
        copies[id(buffer)] = buffer.to(dtype if buffer.is_floating_point() else buffer.dtype)
    return deepcopy(model, copies)
