"""The checkpoint as anybody would load it, with transformers, one protein at a time."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training.corpus import encode
from training.network import CLS, EOS, FIRST_AMINO_ACID, LAST_AMINO_ACID, MASK
from training.workers import Workers

Floats = NDArray[np.float32]


def load(folder: Path) -> Any:
    """`EsmForMaskedLM` in float32; any key that is missing or too many is an error."""
    from transformers import EsmForMaskedLM

    model, info = EsmForMaskedLM.from_pretrained(  # nosec B615
        folder,
        output_loading_info=True,
        dtype=torch.float32,
        attn_implementation="eager",
        local_files_only=True,
    )
    wrong = {kind: keys for kind, keys in info.items() if keys}
    if wrong:
        raise ValueError(f"{folder} does not load strictly: {wrong}")
    return model.eval()


def load_untrained(folder: Path, seed: int = 0) -> Any:
    """A model of the same shape with random weights."""
    from transformers import EsmConfig, EsmForMaskedLM

    torch.manual_seed(seed)
    config = EsmConfig.from_pretrained(folder, local_files_only=True)  # nosec B615
    return EsmForMaskedLM(config).float().eval()


def token_ids(sequence: str, masked: Iterable[int] = ()) -> torch.Tensor:
    """(1, L + 2); `masked` are residue indices that <mask> replaces."""
    ids = np.concatenate(([CLS], encode(sequence), [EOS])).astype(np.int64)
    ids[[i + 1 for i in masked]] = MASK
    return torch.from_numpy(ids)[None]


@torch.inference_mode()
def log_probabilities(model: Any, ids: torch.Tensor) -> Floats:
    """(L, 20) in the order of `corpus.LETTERS`: softmax over the 20 amino acids alone."""
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, 1:-1]
    logits = logits[:, FIRST_AMINO_ACID : LAST_AMINO_ACID + 1].float()
    result: Floats = logits.log_softmax(-1).numpy()
    return result


def mean_vectors(model: Any, sequences: Sequence[str]) -> Floats:
    """(layers + 1, proteins, width): the mean over residues of each layer, the last after the final norm."""

    @torch.inference_mode()
    def pooled(sequence: str) -> torch.Tensor:
        ids = token_ids(sequence)
        states = model.esm(ids, torch.ones_like(ids), output_hidden_states=True).hidden_states
        return torch.stack([state[0, 1:-1].mean(0) for state in states])

    result: Floats = torch.stack(Workers(model.device).map(pooled, sequences), dim=1).numpy()
    return result


@torch.inference_mode()
def attentions(model: Any, sequence: str) -> Floats:
    """(layers x heads, L, L), without the special tokens."""
    ids = token_ids(sequence)
    maps = model.esm(ids, torch.ones_like(ids), output_attentions=True).attentions
    result: Floats = torch.cat([layer[0, :, 1:-1, 1:-1] for layer in maps]).numpy()
    return result


def letter_indices(sequence: str) -> NDArray[np.int64]:
    return encode(sequence).astype(np.int64) - FIRST_AMINO_ACID
