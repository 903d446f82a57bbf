"""The noun of models that fold; the other nouns, and this one too, are had from ``esmviz.types``."""

from __future__ import annotations

from dataclasses import dataclass

from esmviz.arrays import FloatArray


@dataclass(frozen=True)
class Structure:
    """A predicted fold.

    Attributes
    ----------
    pdb : str
        Coordinates in Angstrom as a PDB file of one chain, A, numbered from 1; the B-factors are pLDDT.
    plddt : ndarray, shape=(L,), dtype=float32
        Confidence in each residue's surroundings (predicted lDDT), from 0 to 100.
    pae : ndarray, shape=(L, L), dtype=float32
        Predicted aligned error in Angstrom: row i, column j is the error of residue j once prediction and truth are
        laid upon each other at residue i.
    ptm : float
        Predicted TM-score, from 0 to 1.
    """

    pdb: str
    plddt: FloatArray
    pae: FloatArray
    ptm: float

    @property
    def nbytes(self) -> int:
        return len(self.pdb) + self.plddt.nbytes + self.pae.nbytes
