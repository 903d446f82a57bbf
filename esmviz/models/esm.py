"""ESM-2 and its elders (``EsmForMaskedLM``, or a predictor): rotary or absolute positions, token dropout, contacts."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esmviz.models.attention import Pack
from esmviz.models.base import MASK
from esmviz.models.network import converted, rotary_tables

MASKED_IN_TRAINING = 0.15 * 0.8  # written into every ESM: what token dropout makes up for


class EsmNetwork:
    """Adapter of ``EsmFor...``, of which a predictor has no ``lm_head``.

    ``has_contacts`` is False where its contact head is untrained.
    """

    def __init__(self, model: Any, inv_freq: Tensor | None = None, has_contacts: bool = True) -> None:
        self.model: nn.Module = model
        self._esm, self._lm_head = model.esm, getattr(model, "lm_head", None)
        self.n_layers = model.config.num_hidden_layers
        self._n_heads = model.config.num_attention_heads
        self._has_contacts = has_contacts
        self._inv_freq = inv_freq
        if inv_freq is None and self._esm.rotary_embeddings is not None:
            self._inv_freq = self._esm.rotary_embeddings.inv_freq.float().clone()

    def to(self, dtype: torch.dtype) -> EsmNetwork:
        """A copy with weights in another precision; rotary frequencies stay float32."""
        return EsmNetwork(converted(self.model, dtype), self._inv_freq, self._has_contacts)

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        embeddings = self._esm.embeddings
        x: Tensor = embeddings.word_embeddings(ids)
        if embeddings.token_dropout:
            x = (x * _token_dropout_scale(ids, pack)[:, None]).to(x.dtype)
        if embeddings.position_embedding_type == "absolute":
            x = x + embeddings.position_embeddings(positions + embeddings.padding_idx + 1)
        if embeddings.layer_norm is not None:
            x = embeddings.layer_norm(x)
        return x[None]

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor] | None:
        return None if self._inv_freq is None else rotary_tables(self._inv_freq, positions, torch.float32)

    def block(self, layer: int, x: Tensor, rotation: tuple[Tensor, Tensor] | None, pack: Pack) -> Tensor:
        block = self._esm.encoder.layer[layer - 1]
        result: Tensor = block(x, position_embeddings=rotation, pack=pack, layer=layer)
        return result

    def final_norm(self, x: Tensor) -> Tensor:
        result: Tensor = self._esm.encoder.emb_layer_norm_after(x)
        return result

    def head(self, x: Tensor) -> Tensor:
        assert self._lm_head is not None
        result: Tensor = self._lm_head(x)
        return result

    def contact_regression(self) -> tuple[Tensor, Tensor] | None:
        if not self._has_contacts:
            return None
        regression = self._esm.contact_head.regression
        return regression.weight.float().view(self.n_layers, self._n_heads), regression.bias.float()


def _token_dropout_scale(ids: Tensor, pack: Pack) -> Tensor:
    """Factor of each token's embedding, (tokens,): 0 at a mask, elsewhere (1 - 0.12) / (1 - masked fraction).

    The fraction is that of the protein, BOS and EOS counted, as when it runs alone; transformers takes it per
    row.
    """
    is_masked = (ids == MASK).float()
    protein = torch.repeat_interleave(torch.tensor(pack.lengths, device=ids.device))
    n_masked = torch.zeros(len(pack.lengths), device=ids.device).index_add_(0, protein, is_masked)
    n_tokens = torch.tensor(pack.lengths, device=ids.device, dtype=torch.float32)
    scale = (1 - MASKED_IN_TRAINING) / (1 - n_masked / n_tokens)
    return scale[protein] * (1 - is_masked)


def fuse_gelu(model: Any) -> None:
    """Give the feed-forward one fused gelu for five elementwise steps; the same function to rounding."""
    for layer in model.esm.encoder.layer:
        layer.intermediate = _Intermediate(layer.intermediate.dense)


class _Intermediate(nn.Module):
    def __init__(self, dense: nn.Module) -> None:
        super().__init__()
        self.dense = dense

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.dense(x))
