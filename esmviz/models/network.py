"""What the engine needs of a family: embedding, blocks, last norm and heads, token layout hidden."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from esmviz.models.attention import Pack
from esmviz.models.base import AMINO_ACID_TOKENS
from esmviz.models.layers import Rotation


class Network(Protocol):
    """One family's network over packed tokens. Tensors are (tokens, D) unless said otherwise."""

    @property
    def n_layers(self) -> int: ...

    @property
    def classifier(self) -> Callable[[Tensor], Tensor] | None:
        """Head of a predictor, from final states (..., D) to its raw classes (..., K)."""
        ...

    def to(self, how: torch.dtype | str) -> Network:
        """A copy in another precision or on another device; rotary angles stay float32."""
        ...

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        """Input embedding of token ids (tokens,); ``positions`` restart at each protein."""
        ...

    def rotation(self, positions: Tensor) -> Rotation | None:
        """Rotary turn of each token, or None where positions are added to the embedding."""
        ...

    def block(self, layer: int, x: Tensor, turn: Rotation | None, pack: Pack) -> Tensor:
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


def predictions(
    network: Network, x: Tensor, pack: Pack, unit: Literal["proteins", "residues"]
) -> list[Tensor]:
    """Raw predictions of each protein, (K,), or of its residues, (L, K), float32, from the final states (tokens, D).

    A head for proteins reads BOS alone.
    """
    assert network.classifier is not None
    found = network.classifier(x).float()
    if unit == "proteins":
        return [found[start] for start, _ in pack.bounds]
    return [found[start + 1 : stop - 1] for start, stop in pack.bounds]
