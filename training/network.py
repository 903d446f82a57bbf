"""The ESM-2 network, written for speed of training.

The same mathematics as ``transformers.EsmForMaskedLM`` (tests/training/test_network.py proves it), with three
savings: several proteins share a row, so that no position is padding; queries, keys and values are one matrix; and
the last block, behind its attention, and the head see only the positions that are asked for.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.attention import attend, document_bias

VOCABULARY = (
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"LAGVSERTIDPKQNFYMHWCXBUZO.-",
    *("<null_1>", "<mask>"),
)
CLS, PAD, EOS, MASK = 0, 1, 2, 32
FIRST_AMINO_ACID, LAST_AMINO_ACID = 4, 23
MASK_RATIO_IN_TRAINING = 0.15 * 0.8  # written into every ESM-2: what token dropout expects to be masked


@dataclass(frozen=True)
class Shape:
    """The sizes of a network; everything else is fixed by ESM-2."""

    n_layers: int = 6
    n_heads: int = 8
    d_model: int = 256
    d_hidden: int = 1024

    def to_config(self) -> dict[str, object]:
        """The `config.json` that makes transformers build the same network."""
        return {
            "architectures": ["EsmForMaskedLM"],
            "model_type": "esm",
            "vocab_size": len(VOCABULARY),
            "pad_token_id": PAD,
            "mask_token_id": MASK,
            "bos_token_id": CLS,
            "eos_token_id": EOS,
            "hidden_size": self.d_model,
            "num_hidden_layers": self.n_layers,
            "num_attention_heads": self.n_heads,
            "intermediate_size": self.d_hidden,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "max_position_embeddings": 1026,
            "position_embedding_type": "rotary",
            "layer_norm_eps": 1e-5,
            "emb_layer_norm_before": False,
            "token_dropout": True,
            "tie_word_embeddings": True,
            "is_folding_model": False,
            "initializer_range": 0.02,
        }

    as_dict = asdict


# Where heads of the first layers look at first, in residues from their own. Left alone, a network needs thousands of
# steps to find out that neighbours matter; training may move every one of them.
LOCAL_OFFSETS = ((-1, 1, -2, 2, -3, 3), (-4, 4, -1, 1, -7, 7), (-2, 2, -5, 5))
LOCAL_STRENGTH = 5.0


class Block(nn.Module):
    """Attention and feed-forward, each behind its own norm."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        d = shape.d_model
        self.n_heads = shape.n_heads
        self.norm_attention = nn.LayerNorm(d, eps=1e-5)
        self.qkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.norm_hidden = nn.LayerNorm(d, eps=1e-5)
        self.up = nn.Linear(d, shape.d_hidden)
        self.down = nn.Linear(shape.d_hidden, d)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, bias: Tensor, targets: Tensor | None = None
    ) -> Tensor:
        """All positions (rows, tokens, d), or those of `targets` alone (targets, d): all that the last block owes."""
        n_rows, n_tokens, d = x.shape
        qkv = self.qkv(self.norm_attention(x)).view(n_rows, n_tokens, 3, self.n_heads, d // self.n_heads)
        q, k, v = qkv.transpose(1, 3).unbind(2)
        y = attend(rotate(q, cos, sin), rotate(k, cos, sin), v, bias)
        y = y.transpose(1, 2).reshape(n_rows, n_tokens, d)
        if targets is not None:
            x, y = (t.flatten(0, 1).index_select(0, targets) for t in (x, y))
        x = x + self.out(y)
        return x + self.down(F.gelu(self.up(self.norm_hidden(x))))


class Network(nn.Module):
    """A masked language model over rows in which several proteins lie end to end."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        d = shape.d_model
        self.embedding = nn.Embedding(len(VOCABULARY), d)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.n_layers))
        self.norm_after = nn.LayerNorm(d, eps=1e-5)
        self.head_dense = nn.Linear(d, d)
        self.head_norm = nn.LayerNorm(d, eps=1e-5)
        self.head_bias = nn.Parameter(torch.zeros(len(VOCABULARY)))
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.embedding.weight, std=0.02)
        # a block starts as the identity: the first steps then learn frequencies, not noise
        for block in self.blocks:
            nn.init.zeros_(block.out.weight)
            nn.init.zeros_(block.down.weight)
        for block, offsets in zip(self.blocks, LOCAL_OFFSETS, strict=False):
            for head, offset in enumerate(offsets[: self.shape.n_heads]):
                look_at(block, head, offset)

    def forward(
        self, tokens: Tensor, scale: Tensor, positions: Tensor, documents: Tensor, targets: Tensor
    ) -> Tensor:
        """Logits of the positions `targets` (indices into the flattened rows).

        `scale` holds the factor of token dropout for each token, 0 where it is masked; `documents` numbers the
        proteins of a row, and attention stays within one.
        """
        x = self.embedding(tokens) * scale[..., None]
        device = tokens.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
        cos, sin = (t.to(dtype) for t in rotary_tables(positions, self.shape.d_model // self.shape.n_heads))
        bias = document_bias(documents, dtype)
        for block in self.blocks[:-1]:
            x = block(x, cos, sin, bias)
        x = self.norm_after(self.blocks[-1](x, cos, sin, bias, targets))
        x = self.head_norm(F.gelu(self.head_dense(x)))
        return F.linear(x, self.embedding.weight, self.head_bias)


@torch.no_grad()
def look_at(block: Block, head: int, offset: int) -> None:
    """Biases of query and key that, once rotated, agree best at `offset` residues; their content starts small.

    The rotation of pair f by position p is p * rate_f, so constant vectors q and k score sum_f cos((i - j) rate_f +
    angle between them): turning the query's by -offset * rate_f puts the peak at j = i + offset. Only the fast pairs
    tell neighbours apart.
    """
    d_head = block.out.in_features // block.n_heads
    half, n_fast = d_head // 2, max(1, d_head // 8)
    query, key = (block.qkv.bias[part * block.out.in_features :][head * d_head :][:d_head] for part in (0, 1))
    angle = offset * rotation_rates(d_head)[:n_fast]
    key[:n_fast] = LOCAL_STRENGTH
    query[:n_fast] = LOCAL_STRENGTH * angle.cos()
    query[half : half + n_fast] = LOCAL_STRENGTH * angle.sin()
    for part in (0, 1):
        block.qkv.weight[part * block.out.in_features :][head * d_head :][:d_head] *= 0.1


def rotation_rates(d_head: int) -> Tensor:
    """Radians per residue of each pair of dimensions."""
    return 10000.0 ** (-torch.arange(0, d_head, 2, dtype=torch.float32) / d_head)


def rotary_tables(positions: Tensor, d_head: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's rotation, shape (rows, 1, tokens, d_head)."""
    frequencies = 10000.0 ** (
        -torch.arange(0, d_head, 2, device=positions.device, dtype=torch.float32) / d_head
    )
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
