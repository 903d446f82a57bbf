"""ESM C (``EsmcForMaskedLM``, or a predictor): rotary positions, no token dropout, no contacts, 64 logits (33 count)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from esmviz.models.attention import Pack
from esmviz.models.network import converted, rotary_tables


class EsmcNetwork:
    """Adapter of ``EsmcFor...``, of which a predictor has no ``lm_head``."""

    def __init__(self, model: Any, inv_freq: Tensor | None = None) -> None:
        self.model: nn.Module = model
        self._esmc, self._lm_head = model.esmc, getattr(model, "lm_head", None)
        self.n_layers = model.config.num_hidden_layers
        self._inv_freq: Tensor = (
            self._esmc.rotary_emb.inv_freq.float().clone() if inv_freq is None else inv_freq
        )

    def to(self, dtype: torch.dtype) -> EsmcNetwork:
        """A copy with weights in another precision; rotary frequencies stay float32."""
        return EsmcNetwork(converted(self.model, dtype), self._inv_freq)

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        result: Tensor = self._esmc.embed_tokens(ids)[None]
        return result

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        return rotary_tables(self._inv_freq, positions, torch.float32)

    def block(self, layer: int, x: Tensor, rotation: tuple[Tensor, Tensor] | None, pack: Pack) -> Tensor:
        block = self._esmc.layers[layer - 1]
        result: Tensor = block(x, None, position_embeddings=rotation, pack=pack, layer=layer)
        return result

    def final_norm(self, x: Tensor) -> Tensor:
        result: Tensor = self._esmc.norm(x)
        return result

    def head(self, x: Tensor) -> Tensor:
        assert self._lm_head is not None
        result: Tensor = self._lm_head(x)
        return result

    def contact_regression(self) -> None:
        return None
