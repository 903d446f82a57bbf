"""ESM3 (``esm.models.esm3.ESM3``) given a sequence alone: rotary positions, no token dropout, no contacts, 64 logits
(33 count).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esmviz.models.attention import Pack, attend
from esmviz.models.base import BOS, EOS
from esmviz.models.network import converted, rotary_tables


class Esm3Network:
    """Adapter of ``ESM3``; its modules compute, packed attention is ours.

    Block 1 also has geometric attention. Without coordinates no residue has a frame, and the module sets its result
    to 0 wherever there is none (``mask_and_zero_frameless``) before a projection without bias: it adds exactly 0.
    So it is not run, which would need hundreds of L x L maps.
    """

    def __init__(self, model: Any, inputs: Tensor | None = None, inv_freq: Tensor | None = None) -> None:
        self.model: nn.Module = model
        self._stack, self._heads = model.transformer, model.output_heads
        self.n_layers = len(self._stack.blocks)
        self._inputs: Tensor = input_table(model) if inputs is None else inputs
        first = self._stack.blocks[0].attn
        self._n_heads = first.n_heads
        self._inv_freq: Tensor = first.rotary.inv_freq.float().clone() if inv_freq is None else inv_freq

    def to(self, dtype: torch.dtype) -> Esm3Network:
        """A copy with weights in another precision; rotary frequencies stay float32."""
        return Esm3Network(converted(self.model, dtype), self._inputs.to(dtype), self._inv_freq)

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        return F.embedding(ids, self._inputs)[None]

    def rotation(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        return rotary_tables(self._inv_freq, positions, torch.float32)

    def block(self, layer: int, x: Tensor, rotation: tuple[Tensor, Tensor] | None, pack: Pack) -> Tensor:
        assert rotation is not None
        block = self._stack.blocks[layer - 1]
        attention = block.attn
        query, key, value = attention.layernorm_qkv(x).chunk(3, dim=-1)
        query, key, value = (
            one.unflatten(-1, (self._n_heads, -1)).transpose(1, 2)
            for one in (attention.q_ln(query), attention.k_ln(key), value)
        )
        context, _ = attend(
            attention, _rotate(query, rotation), _rotate(key, rotation), value, None, pack=pack, layer=layer
        )
        x = x + attention.out_proj(context.flatten(2)) / block.scaling_factor
        result: Tensor = x + block.ffn(x) / block.scaling_factor
        return result

    def final_norm(self, x: Tensor) -> Tensor:
        result: Tensor = self._stack.norm(x)
        return result

    def head(self, x: Tensor) -> Tensor:
        result: Tensor = self._heads.sequence_head(x)
        return result

    def contact_regression(self) -> None:
        return None


@torch.no_grad()
def input_table(model: Any) -> Tensor:
    """Input embedding (64, D) of each token of the sequence track, all other tracks being what ``ESM3.forward`` puts
    where nothing is given: they are the same for every residue, so the token alone decides.

    The sum is the package's own, in float32 whatever precision the blocks run in.
    """
    from esm.utils.constants import esm3 as tracks

    encoder = model.encoder
    ids = torch.arange(encoder.sequence_embed.num_embeddings, device=encoder.sequence_embed.weight.device)[
        None
    ]
    structure = torch.full_like(ids, tracks.STRUCTURE_MASK_TOKEN)
    for token, of_structure in (
        (BOS, tracks.STRUCTURE_BOS_TOKEN),
        (EOS, tracks.STRUCTURE_EOS_TOKEN),
        (tracks.SEQUENCE_PAD_TOKEN, tracks.STRUCTURE_PAD_TOKEN),
        (tracks.SEQUENCE_CHAINBREAK_TOKEN, tracks.STRUCTURE_CHAINBREAK_TOKEN),
    ):
        structure[0, token] = of_structure
    nothing = torch.zeros_like(ids)
    result: Tensor = encoder(
        sequence_tokens=ids,
        structure_tokens=structure,
        average_plddt=torch.ones_like(ids, dtype=torch.float32),
        per_res_plddt=nothing.float(),
        ss8_tokens=nothing + tracks.SS8_PAD_TOKEN,
        sasa_tokens=nothing + tracks.SASA_PAD_TOKEN,
        function_tokens=nothing[..., None].repeat(1, 1, 8) + tracks.INTERPRO_PAD_TOKEN,
        residue_annotation_tokens=nothing[..., None].repeat(1, 1, 16) + tracks.RESIDUE_PAD_TOKEN,
    )
    return result[0]


def _rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary position of queries or keys (1, H, tokens, d): first half paired with second, as in GPT-NeoX."""
    cosine, sine = (table[:, None] for table in rotation)
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine
