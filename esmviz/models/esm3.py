"""ESM3 (``esm.models.esm3.ESM3``) given a sequence alone: rotary positions, no token dropout, no contacts, 64 logits
(33 count).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esmviz.models.attention import Pack, attend
from esmviz.models.base import BOS, EOS
from esmviz.models.layers import Rotation, frequencies, pair_order, rotation


class Esm3Network:
    """Adapter of ``ESM3``; its modules compute, packed attention is ours.

    Block 1 also has geometric attention. Without coordinates no residue has a frame, and the module sets its result
    to 0 wherever there is none (``mask_and_zero_frameless``) before a projection without bias: it adds exactly 0.
    So it is not run, which would need hundreds of L x L maps.
    """

    classifier = None

    def __init__(self, model: Any, inputs: Tensor | None = None) -> None:
        self.model: nn.Module = model
        self._stack, self._heads = model.transformer, model.output_heads
        self.n_layers = len(self._stack.blocks)
        self._inputs: Tensor = input_table(model) if inputs is None else inputs
        attention = self._stack.blocks[0].attn
        self._n_heads, self._base = attention.n_heads, attention.rotary.base

    def to(self, how: torch.dtype | str) -> Esm3Network:
        """A copy in another precision or on another device."""
        return Esm3Network(converted(self.model, how), self._inputs.to(how))

    def embed(self, ids: Tensor, positions: Tensor, pack: Pack) -> Tensor:
        return F.embedding(ids, self._inputs)

    def rotation(self, positions: Tensor) -> Rotation:
        return rotation(positions, frequencies(self._inputs.shape[1] // self._n_heads, self._base))

    def block(self, layer: int, x: Tensor, turn: Rotation | None, pack: Pack) -> Tensor:
        assert turn is not None
        block = self._stack.blocks[layer - 1]
        attention = block.attn
        query, key, value = attention.layernorm_qkv(x).chunk(3, dim=-1)
        pairs = pair_order(x.shape[1], x.shape[1] // self._n_heads).to(x.device)
        query, key, value = (
            one.unflatten(-1, (self._n_heads, -1))
            for one in (attention.q_ln(query)[:, pairs], attention.k_ln(key)[:, pairs], value)
        )
        context = attend(query, key, value, turn=turn, pack=pack, layer=layer)
        x = x + attention.out_proj(context) / block.scaling_factor
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


def converted(model: Any, how: torch.dtype | str) -> Any:
    """A copy of a model. ``deepcopy(model).to(how)`` would hold a second copy like the first on the way."""
    copies: dict[int, Any] = {}
    for weight in model.parameters():
        copies[id(weight)] = nn.Parameter(weight.to(how), requires_grad=False)
    for buffer in model.buffers():
        is_kept = isinstance(how, torch.dtype) and not buffer.is_floating_point()
        copies[id(buffer)] = buffer if is_kept else buffer.to(how)
    return deepcopy(model, copies)
