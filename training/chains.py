"""Chains of known structure, with the contacts of their residues."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from biotite.structure import AtomArray, get_residue_starts, get_residues
from biotite.structure.io import load_structure
from numpy.typing import NDArray

CONTACT_DISTANCE = 8.0  # between beta carbons, in Angstrom
LONG_RANGE = 24  # residues apart

# family, file, chain: the two chains of haemoglobin are one family, and its other two are copies
CHAINS = (
    ("ubiquitin", "1UBQ.cif", "A"),
    ("GFP", "1EMA_GFP.cif", "A"),
    ("crambin", "1CRN.cif", "A"),
    ("globin", "4HHB_hemoglobin.pdb", "A"),
    ("globin", "4HHB_hemoglobin.pdb", "B"),
    ("TEM-1", "1M40_TEM1_BLAT.pdb", "A"),
)
# the chromophore of 1EMA is three residues in one; only the middle one keeps the position
LETTERS_OF = {
    **dict(
        zip(("ALA", "ARG", "ASN", "ASP", "CYS", "GLN", "GLU", "GLY", "HIS", "ILE"), "ARNDCQEGHI", strict=True)
    ),
    **dict(
        zip(("LEU", "LYS", "MET", "PHE", "PRO", "SER", "THR", "TRP", "TYR", "VAL"), "LKMFPSTWYV", strict=True)
    ),
    "MSE": "M",
    "CRO": "TYG",
}


@dataclass(frozen=True)
class Chain:
    family: str
    sequence: str
    distances: NDArray[np.float32]  # (L, L), nan where a residue has no position


def read_chains(folder: Path) -> list[Chain]:
    return [read_chain(folder / name, chain, family) for family, name, chain in CHAINS]


def read_chain(path: Path, chain_id: str, family: str) -> Chain:
    """The residues that were seen, in order."""
    structure = load_structure(path, model=1)
    atoms = structure[(structure.chain_id == chain_id) & np.isin(structure.res_name, list(LETTERS_OF))]
    letters, places = [], []
    for start, stop in residue_bounds(atoms):
        expansion = LETTERS_OF[atoms.res_name[start]]
        nowhere = np.full(3, np.nan)
        place = beta_carbon(atoms[start:stop])
        places += [place if i == len(expansion) // 2 else nowhere for i in range(len(expansion))]
        letters.append(expansion)
    points = np.stack(places)
    distances = np.linalg.norm(points[:, None] - points[None], axis=-1).astype(np.float32)
    return Chain(family, "".join(letters), distances)


def residue_bounds(atoms: AtomArray) -> list[tuple[int, int]]:
    starts = get_residue_starts(atoms, add_exclusive_stop=True)
    assert len(starts) == len(get_residues(atoms)[0]) + 1
    return list(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))


def beta_carbon(residue: AtomArray) -> NDArray[np.float64]:
    """CB; CA for glycine; nowhere if neither was seen. The chromophore's own names end in a number."""
    for name in ("CB", "CB2", "CA", "CA2"):
        found = residue.coord[residue.atom_name == name]
        if len(found):
            place: NDArray[np.float64] = found[0].astype(np.float64)
            return place
    return np.full(3, np.nan)
