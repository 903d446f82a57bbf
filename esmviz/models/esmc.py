"""ESM C (``EsmcForMaskedLM``, or a predictor): rotary positions, gated feed-forward, no token dropout, no contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from esmviz.models.attention import Pack, attend
from esmviz.models.layers import (
    LanguageHead,
    Linear,
    Norm,
    ProteinHead,
    Rotation,
    Weights,
    classifier,
    frequencies,
    pair_order,
    recast,
    rotation,
)

EPS = 1e-5  # of every norm


@dataclass(frozen=True)
class EsmcBlock:
    """Attention and gated feed-forward, each behind a norm; their outputs are added after division by ``damping``,
    the square root of the number of layers over 36. Queries and keys have norms of their own.
    """

    damping: float
    before_attention: Norm
    query_key_value: Linear
    query_norm: Norm
    key_norm: Norm
    mixed: Linear
    before_feed_forward: Norm
    gate: Linear
    up: Linear
    down: Linear

    @classmethod
    def of(cls, weights: Weights, n_layers: int, n_heads: int) -> EsmcBlock:
        own, before = weights.under("self_attn"), weights.norm("input_layernorm", EPS)
        d_head = len(before.weight) // n_heads
        pairs = pair_order(len(before.weight), d_head)
        return cls(
            (n_layers / 36) ** 0.5,
            before,
            own.query_key_value("q_proj", "k_proj", "v_proj", d_head=d_head),
            own.norm("q_norm", EPS).reordered(pairs),
            own.norm("k_norm", EPS).reordered(pairs),
            own.linear("o_proj"),
            weights.norm("post_attention_layernorm", EPS),
            weights.linear("mlp.gate_proj"),
            weights.linear("mlp.up_proj"),
            weights.linear("mlp.down_proj"),
        )

    def __call__(self, x: Tensor, turn: Rotation, n_heads: int, pack: Pack, layer: int) -> Tensor:
        query, key, value = self.query_key_value(self.before_attention(x)).chunk(3, dim=-1)
        shape = (len(x), n_heads, -1)
        query, key = self.query_norm(query).view(shape), self.key_norm(key).view(shape)
        mixed = self.mixed(attend(query, key, value.view(shape), turn=turn, pack=pack, layer=layer))
        x = x.add(mixed, alpha=1 / self.damping)
        normed = self.before_feed_forward(x)
        return x.add(self.down(self.gate.then("swish", normed) * self.up(normed)), alpha=1 / self.damping)


@dataclass(eq=False)
class EsmcNetwork:
    """The network of a config and its tensors, named as in ``EsmcForMaskedLM``, with 64 logits of which 33 count,
    or in a predictor."""

    n_layers: int
    n_heads: int
    rotary_base: float
    words: Tensor
    blocks: tuple[EsmcBlock, ...]
    norm: Norm
    language_head: LanguageHead | None
    classifier: ProteinHead | Linear | None

    @classmethod
    def of(cls, config: Mapping[str, Any], tensors: dict[str, Tensor]) -> EsmcNetwork:
        """From the settled config and all tensors of a checkpoint, which are taken out of ``tensors``."""
        weights, n_layers, n_heads = (
            Weights(tensors),
            config["num_hidden_layers"],
            config["num_attention_heads"],
        )
        body, head = weights.under("esmc"), weights.under("lm_head")
        return cls(
            n_layers=n_layers,
            n_heads=n_heads,
            rotary_base=config["rope_theta"],
            words=body.take("embed_tokens.weight"),
            blocks=tuple(EsmcBlock.of(body.under(f"layers.{i}"), n_layers, n_heads) for i in range(n_layers)),
            norm=body.norm("norm", EPS),
            language_head=_language_head(head),
            classifier=classifier(weights),
        )

    def to(self, how: torch.dtype | str) -> EsmcNetwork:
        """A copy in another precision or on another device; only to compute with."""
        blocks = recast(self.blocks, lambda tensor: tensor.to(how), packs=True)
        network: EsmcNetwork = recast(replace(self, blocks=()), lambda tensor: tensor.to(how))
        return replace(network, blocks=blocks)

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        return F.embedding(ids, self.words)

    def rotation(self, positions: Tensor) -> Rotation:
        return rotation(positions, frequencies(self.words.shape[1] // self.n_heads, self.rotary_base))

    def block(self, layer: int, x: Tensor, turn: Rotation | None, pack: Pack) -> Tensor:
        assert turn is not None
        return self.blocks[layer - 1](x, turn, self.n_heads, pack, layer)

    def final_norm(self, x: Tensor) -> Tensor:
        return self.norm(x)

    def head(self, x: Tensor) -> Tensor:
        assert self.language_head is not None
        return self.language_head(x)

    def contact_regression(self) -> None:
        return None


def _language_head(weights: Weights) -> LanguageHead | None:
    """None in a predictor."""
    if not weights.has("dense.weight"):
        return None
    return LanguageHead(weights.linear("dense"), weights.norm("layer_norm", EPS), weights.linear("decoder"))
