"""ESMFold (``EsmForProteinFolding``): ESM-2 3B, a folding trunk with recycling, a structure module."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from esmviz.models.folding import as_array
from esmviz.types import Structure

CA = 1  # of the 37 atoms that have a pLDDT of their own
PERCENT = 100.0  # transformers gives pLDDT from 0 to 1
CHUNK = 64  # rows of pair attention at a time: memory stays quadratic in the length, not cubic


class EsmFoldNetwork:
    """Adapter of ``EsmForProteinFolding``."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._trunk = model.trunk
        self._trunk.set_chunk_size(CHUNK)

    def blocks(self) -> list[tuple[nn.Module, int]]:
        recycles = self._trunk.config.max_recycles
        return [(layer, 1) for layer in self.model.esm.encoder.layer] + [
            (block, recycles) for block in self._trunk.blocks
        ]

    @torch.inference_mode()
    def fold(self, sequence: str) -> Structure:
        """B, Z, U, O are read as X, a residue to which the model gives a pLDDT and no atoms."""
        output = self.model.infer(sequence)
        in_percent = {**output, "plddt": output["plddt"] * PERCENT}
        return Structure(
            pdb=self.model.output_to_pdb(in_percent)[0],
            plddt=as_array(in_percent["plddt"][0, :, CA]),
            pae=as_array(output["predicted_aligned_error"][0]),
            ptm=float(output["ptm"]),
        )
