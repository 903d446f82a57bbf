"""PDB and mmCIF in: the chains of a structure, their sequences and coordinates, and a text that a viewer draws.

biotite reads both formats. Of several models the first is taken, of alternative places of an atom the most occupied.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from esmviz.drawing_text import drawing_text
from esmviz.errors import InvalidStructureError, UploadTooLargeError
from esmviz.labels import plain, source_name
from esmviz.structure_limits import refuse_too_large
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, FloatArray, IntArray

FORMATS = "PDB or mmCIF text, plain or gzip"
MOST_RESIDUES = 20_000  # of the proteins of one structure; a browser draws that many
FARTHEST = 100_000.0  # Angstrom from the origin; neither format has room for more
_MOST_NAMED, _LONGEST_ID = 20, 20  # chains or residues in a message, and letters of each
BONDED = 4.5  # Angstrom between the CA atoms of neighbours in a chain: 3.8 where the peptide bond is trans
_PDB = re.compile(r"^(ATOM  |HETATM|HEADER|MODEL |REMARK|CRYST1|TITLE |PARENT)", re.MULTILINE)
_CIF = re.compile(r"^data_", re.MULTILINE)
_LETTERS = frozenset(AMINO_ACIDS + AMBIGUOUS)


@dataclass(frozen=True)
class Chain:
    """One protein chain.

    Attributes
    ----------
    id : str
        As the authors of the file call it.
    sequence : str
        One letter for each residue that has coordinates; X where there is no letter for it.
    numbers : tuple of str
        Residue numbers of the file with insertion codes, such as ``27A``.
    ca : ndarray, shape=(L, 3), dtype=float32
        Coordinates of the CA atoms in Angstrom.
    b_factors : ndarray, shape=(L,), dtype=float32
        Of the CA atoms; a predicted structure has its pLDDT there.
    is_confidence : bool
        Whether the B-factors can be pLDDT: from 0 to 100, and the same for all atoms of a residue, of which some has
        several, as in the files of AlphaFold and ESMFold and in no refined crystal structure.
    """

    id: str
    sequence: str
    numbers: tuple[str, ...]
    ca: FloatArray
    b_factors: FloatArray
    is_confidence: bool = False

    def __len__(self) -> int:
        return len(self.sequence)


@dataclass(frozen=True)
class Coordinates:
    """A structure from a file.

    Attributes
    ----------
    name : str
        Of the file.
    chains : tuple of Chain
        Its proteins, in the order of the file.
    text : str
        mmCIF of what is drawn; the B-factor of an atom is the index of its residue over all chains, -1 for what is no
        protein.
    notes : tuple of str
        What was left out.
    """

    name: str
    chains: tuple[Chain, ...]
    text: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return sum(map(len, self.chains))


def read_structure(text: str, *, name: str) -> Coordinates:
    """Read a PDB or mmCIF file.

    Raises
    ------
    InvalidStructureError
        Neither format, unreadable (names the line of a PDB file), or without a protein (names its chains).
    UploadTooLargeError
        More residues than are drawn.
    """
    name = source_name(name) or "structure"
    refuse_too_large(text, name)
    atoms, n_models = _atoms(text, name)
    if not np.isfinite(atoms.coord).all():
        bad = atoms[~np.isfinite(atoms.coord).all(axis=1)][0]
        raise InvalidStructureError(
            f"{name}: an atom of residue {bad.res_id} of chain {bad.chain_id} has no coordinates."
        )
    if np.abs(atoms.coord).max() > FARTHEST:
        bad = atoms[np.abs(atoms.coord).max(axis=1) > FARTHEST][0]
        raise InvalidStructureError(
            f"{name}: an atom of residue {bad.res_id} of chain {bad.chain_id} lies more than {FARTHEST:,.0f} Å away."
        )
    residues = _Residues(atoms)
    chosen = residues.of_proteins()
    if not chosen.size:
        there = _listed(list(dict.fromkeys(map(str, atoms.chain_id)))) or "none"
        raise InvalidStructureError(f"{name} holds no protein with CA atoms. Its chains: {there}.")
    if chosen.size > MOST_RESIDUES:
        raise UploadTooLargeError(
            f"{name} has {chosen.size:,} residues; structures are drawn up to {MOST_RESIDUES:,}.",
            "Upload the chains you look at.",
        )
    ids = residues.chain_ids[chosen]
    groups = [chosen[ids == chain] for chain in dict.fromkeys(ids)]
    chains = tuple(residues.chain(group) for group in groups)
    notes = [f"{n_models} models; the first is shown"] if n_models > 1 else []
    if residues.without_ca:
        notes.append(f"without a CA atom and left out: {_listed(residues.without_ca)}")
    return Coordinates(name, chains, drawing_text(atoms, residues.starts, groups), tuple(notes))


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence; of very many the first, and how many more."""
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return plain(", ".join(name[:_LONGEST_ID] for name in names[:_MOST_NAMED])) + more


def mmcif_text(pdb: str) -> str:
    """The same coordinates as mmCIF."""
    from biotite.structure.io import pdbx

    atoms, _ = _atoms(pdb, "structure")
    file = pdbx.CIFFile()
    pdbx.set_structure(file, atoms, data_block="structure")
    return str(file.serialize())


def _atoms(text: str, name: str) -> tuple[Any, int]:
    """Atoms of the first model, and the number of models."""
    kind = _format(text, name)
    try:
        atoms, n_models = _from_pdb(text) if kind == "PDB" else _from_cif(text)
    except (MemoryError, InvalidStructureError):
        raise
    except Exception as error:  # biotite raises many families for a broken file
        where = _bad_line(text) if kind == "PDB" else ""
        first = next(iter(str(error).strip()[:200].splitlines()), type(error).__name__)
        raise InvalidStructureError(f"{name} cannot be read as {kind}: {where or first}.") from error
    if not len(atoms):
        raise InvalidStructureError(f"{name} has no atoms.")
    return atoms, n_models


def _format(text: str, name: str) -> Literal["PDB", "mmCIF"]:
    if _CIF.search(text[:100_000]):
        return "mmCIF"
    if _PDB.search(text[:100_000]):
        return "PDB"
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    raise InvalidStructureError(
        f"{name} is neither PDB nor mmCIF"
        + (f": it begins with {first[:40]!r}." if first else ": it is empty."),
        f"esmviz reads {FORMATS}.",
    )


def _from_pdb(text: str) -> tuple[Any, int]:
    from biotite.structure.io import pdb

    file = pdb.PDBFile.read(io.StringIO(text))
    return file.get_structure(model=1, altloc="occupancy", extra_fields=["b_factor"]), file.get_model_count()


def _from_cif(text: str) -> tuple[Any, int]:
    from biotite.structure.io import pdbx

    file = pdbx.CIFFile.read(io.StringIO(text))
    if not any("atom_site" in block for block in file.values()):
        raise InvalidStructureError("The mmCIF file has no atoms: it lacks the category atom_site.")
    has_b = any("atom_site" in block and "B_iso_or_equiv" in block["atom_site"] for block in file.values())
    atoms = pdbx.get_structure(file, model=1, altloc="occupancy", extra_fields=["b_factor"] if has_b else [])
    if not has_b:
        atoms.set_annotation("b_factor", np.full(len(atoms), np.nan))
    return atoms, pdbx.get_model_count(file)


def _bad_line(text: str) -> str:
    """Where a PDB file breaks its columns."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("ATOM  ", "HETATM")):
            try:
                [float(line[a : a + 8]) for a in (30, 38, 46)]
                int(line[22:26])
            except ValueError:
                return f"line {number} has no coordinates or residue number in their columns"
    return ""


class _Residues:
    """Residues of an atom array; which of them are parts of a protein chain."""

    def __init__(self, atoms: Any) -> None:
        import biotite.structure as struc

        self._atoms = atoms
        self.starts: IntArray = np.asarray(struc.get_residue_starts(atoms), dtype=np.int64)
        self.chain_ids = np.asarray(atoms.chain_id[self.starts], dtype=str)
        self._is_hetero = np.asarray(atoms.hetero[self.starts], dtype=bool)
        is_amino = np.asarray(struc.filter_amino_acids(atoms))[self.starts]
        # Names that the dictionary of compounds lacks, as simulations write them, are known by their backbone.
        has_backbone = self._have("N") & self._have("C") & ~self._is_hetero
        amino, has_ca = is_amino | has_backbone, self._have("CA")
        self._amino: IntArray = np.flatnonzero(amino & has_ca)
        self.without_ca = [self._name(int(index)) for index in np.flatnonzero(amino & ~has_ca)]
        ca_atoms = np.flatnonzero(atoms.atom_name == "CA")
        self._ca_atom = np.full(len(self.starts), -1)
        self._ca_atom[np.searchsorted(self.starts, ca_atoms, side="right") - 1] = ca_atoms

    def _have(self, name: str) -> Any:
        return np.logical_or.reduceat(self._atoms.atom_name == name, self.starts)

    def _name(self, index: int) -> str:
        atom = self._atoms[self.starts[index]]
        return f"{atom.res_name} {atom.chain_id}{atom.res_id}{atom.ins_code}"

    def of_proteins(self) -> IntArray:
        """Indices of the residues of protein chains: a hetero residue counts where it is bonded to a neighbour, so a
        modified one does and a free amino acid does not.
        """
        amino = self._amino
        ca, ids = self._ca(amino), self.chain_ids[amino]
        near = (np.linalg.norm(np.diff(ca, axis=0), axis=1) < BONDED) & (ids[1:] == ids[:-1])
        is_bonded = np.append(near, False) | np.insert(near, 0, False)
        return np.asarray(amino[~self._is_hetero[amino] | is_bonded[: len(amino)]])

    def chain(self, group: IntArray) -> Chain:
        """The chain of some residues."""
        at = self._atoms[self._ca_atom[group]]
        return Chain(
            plain(str(self.chain_ids[group[0]]))[:_LONGEST_ID],
            "".join(map(_letter, at.res_name)),
            tuple(f"{number}{plain(code)[:1]}" for number, code in zip(at.res_id, at.ins_code, strict=True)),
            self._ca(group),
            np.asarray(at.b_factor, dtype=np.float32),
            self._is_confidence(group),
        )

    def _is_confidence(self, group: IntArray) -> bool:
        ends = np.append(self.starts[1:], len(self._atoms))
        parts = [self._atoms.b_factor[self.starts[index] : ends[index]] for index in group]
        has_several = any(len(part) > 1 for part in parts)
        return has_several and all(np.ptp(part) == 0 and 0 <= part[0] <= 100 for part in parts)

    def _ca(self, group: IntArray) -> FloatArray:
        return np.asarray(self._atoms.coord[self._ca_atom[group]], dtype=np.float32)


def _letter(name: str) -> str:
    """Letter of a residue by its name in the dictionary of compounds, of its parent where it is modified; else X.

    >>> _letter("MSE"), _letter("CRO"), _letter("ALA")
    ('M', 'X', 'A')
    """
    from biotite.structure import info

    letter = info.one_letter_code(str(name)) or "X"
    return letter if letter in _LETTERS else "X"
