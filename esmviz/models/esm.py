"""ESM-2 and its elders (``EsmForMaskedLM``, or a predictor): rotary or absolute positions, token dropout, contacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from esmviz.models.attention import Pack, attend
from esmviz.models.base import MASK
from esmviz.models.layers import (
    LanguageHead,
    Linear,
    Norm,
    ProteinHead,
    Rotation,
    Weights,
    classifier,
    frequencies,
    recast,
    rotation,
)

MASKED_IN_TRAINING = 0.15 * 0.8  # written into every ESM: what token dropout makes up for
PADDING = 1


@dataclass(frozen=True)
class EsmBlock:
    """Attention and feed-forward, each behind a norm and added to its input."""

    before_attention: Norm
    query_key_value: Linear
    mixed: Linear
    before_feed_forward: Norm
    up: Linear
    down: Linear

    @classmethod
    def of(cls, weights: Weights, d_head: int, eps: float) -> EsmBlock:
        own = weights.under("attention")
        return cls(
            own.norm("LayerNorm", eps),
            own.query_key_value("self.query", "self.key", "self.value", d_head=d_head),
            own.linear("output.dense"),
            weights.norm("LayerNorm", eps),
            weights.linear("intermediate.dense"),
            weights.linear("output.dense"),
        )

    def __call__(self, x: Tensor, turn: Rotation | None, n_heads: int, pack: Pack, layer: int) -> Tensor:
        heads = self.query_key_value(self.before_attention(x)).view(len(x), 3, n_heads, -1)
        query, key, value = heads.unbind(1)
        x = x + self.mixed(attend(query, key, value, turn=turn, pack=pack, layer=layer))
        return x + self.down(self.up.then("gelu", self.before_feed_forward(x)))


@dataclass(eq=False)
class EsmNetwork:
    """The network of a config and its tensors, named as in ``EsmForMaskedLM`` or a predictor. ``regression`` is None
    where the checkpoint has no trained contact head.
    """

    n_layers: int
    n_heads: int
    has_token_dropout: bool
    frequencies: Tensor
    words: Tensor
    places: Tensor | None
    norm_before: Norm | None
    blocks: tuple[EsmBlock, ...]
    norm_after: Norm
    language_head: LanguageHead | None
    classifier: ProteinHead | Linear | None
    regression: Linear | None

    @classmethod
    def of(
        cls, config: Mapping[str, Any], tensors: dict[str, Tensor], has_contacts: bool = True
    ) -> EsmNetwork:
        """From the settled config and all tensors of a checkpoint, which are taken out of ``tensors``."""
        eps, n_layers, weights = config["layer_norm_eps"], config["num_hidden_layers"], Weights(tensors)
        d_head = config["hidden_size"] // config["num_attention_heads"]
        embeddings, encoder = weights.under("esm.embeddings"), weights.under("esm.encoder")
        words = embeddings.take("word_embeddings.weight")
        return cls(
            n_layers=n_layers,
            n_heads=config["num_attention_heads"],
            has_token_dropout=bool(config["token_dropout"]),
            frequencies=_frequencies(config, weights),
            words=words,
            places=embeddings.find("position_embeddings.weight") if is_absolute(config) else None,
            norm_before=embeddings.norm("layer_norm", eps) if config["emb_layer_norm_before"] else None,
            blocks=tuple(EsmBlock.of(encoder.under(f"layer.{i}"), d_head, eps) for i in range(n_layers)),
            norm_after=encoder.norm("emb_layer_norm_after", eps),
            language_head=_language_head(weights.under("lm_head"), words, eps),
            classifier=classifier(weights),
            regression=weights.under("esm.contact_head").linear("regression") if has_contacts else None,
        )

    def to(self, how: torch.dtype | str) -> EsmNetwork:
        """A copy in another precision or on another device; only to compute with."""
        blocks = recast(self.blocks, lambda tensor: tensor.to(how), packs=True)
        network: EsmNetwork = recast(replace(self, blocks=()), lambda tensor: tensor.to(how))
        return replace(network, frequencies=self.frequencies, blocks=blocks)

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        x = F.embedding(ids, self.words)
        if self.has_token_dropout:
            x = (x * _token_dropout_scale(ids, pack)[:, None]).to(x.dtype)
        if self.places is not None:
            x = x + F.embedding(positions + PADDING + 1, self.places)
        return x if self.norm_before is None else self.norm_before(x)

    def rotation(self, positions: Tensor) -> Rotation | None:
        return rotation(positions, self.frequencies) if self.places is None else None

    def block(self, layer: int, x: Tensor, turn: Rotation | None, pack: Pack) -> Tensor:
        return self.blocks[layer - 1](x, turn, self.n_heads, pack, layer)

    def final_norm(self, x: Tensor) -> Tensor:
        return self.norm_after(x)

    def head(self, x: Tensor) -> Tensor:
        assert self.language_head is not None
        return self.language_head(x)

    def contact_regression(self) -> tuple[Tensor, Tensor] | None:
        if self.regression is None or self.regression.bias is None:
            return None
        weights = self.regression.weight.float().view(self.n_layers, self.n_heads)
        return weights, self.regression.bias.float()


def _frequencies(config: Mapping[str, Any], weights: Weights) -> Tensor:
    """The file's own where it has them: those of a half-precision file are rounded, and the model may know them so."""
    found = weights.find("esm.rotary_embeddings.inv_freq")
    d_head = config["hidden_size"] // config["num_attention_heads"]
    return frequencies(d_head, config["rope_theta"]) if found is None else found


def _language_head(weights: Weights, words: Tensor, eps: float) -> LanguageHead | None:
    """None in a predictor. The decoder is the input embedding where the file does not repeat it."""
    if not weights.has("dense.weight"):
        return None
    repeated = weights.find("decoder.weight")
    decoder = Linear(words if repeated is None else repeated, weights.take("bias"))
    return LanguageHead(weights.linear("dense"), weights.norm("layer_norm", eps), decoder)


def is_absolute(config: Mapping[str, Any]) -> bool:
    """Whether positions are added to the embedding, as in ESM-1b and ESM-1v."""
    return bool(config["position_embedding_type"] == "absolute")


def _token_dropout_scale(ids: Tensor, pack: Pack) -> Tensor:
    """Factor of each token's embedding, (tokens,): 0 at a mask, elsewhere (1 - 0.12) / (1 - masked fraction).

    The fraction is that of the protein, BOS and EOS counted, as when it runs alone; transformers takes it per
    row.
    """
    is_masked = (ids == MASK).float()
    lengths = torch.tensor(pack.lengths, device=ids.device)
    protein = torch.repeat_interleave(lengths, output_size=len(ids))  # unsaid, a GPU is waited for
    n_masked = torch.zeros(len(pack.lengths), device=ids.device).index_add_(0, protein, is_masked)
    n_tokens = torch.tensor(pack.lengths, device=ids.device, dtype=torch.float32)
    scale = (1 - MASKED_IN_TRAINING) / (1 - n_masked / n_tokens)
    return scale[protein] * (1 - is_masked)
