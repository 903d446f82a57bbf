"""ESMFold2 (``EsmFold2Model``): ESM C 6B, a folding trunk, coordinates by diffusion.

It draws random numbers: a first pair state, dropout on the language model's states at every loop, the noise that
diffusion starts from. They come from a fixed seed, so that a protein always gets the same fold.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn

from esmviz.models.folding import as_array
from esmviz.types import Structure

SEED = 0
PERCENT = 100.0  # transformers gives pLDDT from 0 to 1
_random_state = threading.Lock()  # torch has one for the whole process


class EsmFold2Network:
    """Adapter of ``EsmFold2Model``. Of the sampled structures the one with the highest pTM is kept."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def blocks(self) -> list[tuple[nn.Module, int]]:
        model, loops = self.model, self.model.config.num_loops + 1
        schedule, _ = model._build_noise_schedule(None, torch.device("cpu"))
        return [
            *((layer, 1) for layer in model.esmc.layers),
            *((layer, loops) for layer in model.lm_encoder.layers),
            *((layer, loops) for layer in model.folding_trunk.layers),
            (model.structure_head, len(schedule) - 1),
        ]

    @torch.inference_mode()
    def fold(self, sequence: str) -> Structure:
        """B, Z, U, O are read as X, of which only the backbone is placed."""
        from transformers.models.esmfold2.protein_utils import output_to_pdb, prepare_protein_features

        features = prepare_protein_features(sequence, device=self.model.device)
        with _random_state, torch.random.fork_rng():
            torch.manual_seed(SEED)
            output = self.model.fold(**features)
        best = int(output.ptm.argmax())
        plddt = output.plddt * PERCENT
        in_percent = {"sample_atom_coords": output.sample_atom_coords, "plddt": plddt}
        return Structure(
            pdb=output_to_pdb(in_percent, features, sample_idx=best),
            plddt=as_array(plddt[best]),
            pae=as_array(output.pae[best]),
            ptm=float(output.ptm[best]),
        )
