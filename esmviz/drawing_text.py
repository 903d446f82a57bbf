"""What the viewer draws, as a small mmCIF of our own making: nothing of a visitor's file reaches its parser as it was."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from esmviz.errors import UploadTooLargeError
from esmviz.types import FloatArray, IntArray

MOST_ATOMS = 200_000  # a ribosome draws about 120,000
BREAK = 4.5  # Angstrom between CA atoms of neighbours; beyond it the ribbon is interrupted
BACKBONE = ("N", "CA", "C", "O")
COLUMNS = (
    "group_PDB id type_symbol auth_atom_id auth_comp_id auth_asym_id auth_seq_id Cartn_x Cartn_y Cartn_z "
    "B_iso_or_equiv"
)
_ODD = re.compile(r"[^A-Za-z0-9*']")


def drawing_text(atoms: Any, starts: IntArray, groups: Sequence[IntArray]) -> str:
    """mmCIF of the backbone of the proteins, of nucleotides, and of ligands without water.

    Parameters
    ----------
    atoms : biotite AtomArray
    starts : ndarray, shape=(n_residues,), dtype=int64
        Index of the first atom of each residue.
    groups : sequence of ndarray, dtype=int64
        Residues of each protein chain.

    Returns
    -------
    text : str
        Residues are numbered anew, with a gap where the chain is interrupted. The B-factor of an atom is the index of
        its residue over all groups, -1 where it belongs to none. Coordinates are turned as ``laid_flat`` does.

    Raises
    ------
    UploadTooLargeError
        More atoms than are drawn.
    """
    import biotite.structure as struc

    owner = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(atoms))))
    index, number = np.full(len(starts), -1), np.arange(1, len(starts) + 1)
    done = 0
    for group in groups:
        index[group] = np.arange(done, done + len(group))
        number[group] = _numbers(atoms, owner, group)
        done += len(group)
    in_protein = index[owner] >= 0
    is_nucleic = np.asarray(struc.filter_nucleotides(atoms)) & ~in_protein
    is_ligand = atoms.hetero & ~in_protein & ~is_nucleic & (atoms.res_name != "HOH")
    drawn = in_protein & np.isin(atoms.atom_name, BACKBONE) | is_nucleic | is_ligand
    if drawn.sum() > MOST_ATOMS:
        raise UploadTooLargeError(
            f"The structure would draw {drawn.sum():,} atoms; a browser is sent {MOST_ATOMS:,} at most.",
            "Upload the chains and ligands you look at.",
        )
    chains = {name: f"c{k}" for k, name in enumerate(dict.fromkeys(atoms.chain_id))}
    part, at = atoms[drawn], owner[drawn]
    rows = zip(
        np.where(is_ligand[drawn], "HETATM", "ATOM"),
        part.element,
        part.atom_name,
        part.res_name,
        [chains[name] for name in part.chain_id],
        number[at],
        laid_flat(part.coord).tolist(),
        index[at],
        strict=True,
    )
    lines = [_line(serial, *row) for serial, row in enumerate(rows, 1)]
    head = ["data_drawing", "loop_", *(f"_atom_site.{column}" for column in COLUMNS.split())]
    return "\n".join([*head, *lines, ""])


def laid_flat(coordinates: FloatArray) -> FloatArray:
    """Coordinates (n, 3) about their centre, turned so that the longest axis is horizontal and the shortest points at
    the viewer: the first look is along neither a helix nor the edge of a sheet. Never mirrored.
    """
    centred = coordinates - coordinates.mean(axis=0)
    axes = np.linalg.svd(centred.T @ centred)[0]
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return np.asarray(centred @ axes, dtype=np.float32)


def _numbers(atoms: Any, owner: IntArray, group: IntArray) -> IntArray:
    """Running numbers of a chain's residues, with a gap where neighbours are not bonded."""
    is_ca = (atoms.atom_name == "CA") & np.isin(owner, group)
    ca = atoms.coord[is_ca][np.unique(owner[is_ca], return_index=True)[1]]
    breaks = np.linalg.norm(np.diff(ca, axis=0), axis=1) > BREAK
    return np.asarray(np.arange(1, len(group) + 1) + np.insert(np.cumsum(breaks), 0, 0))


def _line(
    serial: int,
    kind: str,
    element: str,
    name: str,
    residue: str,
    chain: str,
    number: int,
    place: Sequence[float],
    index: int,
) -> str:
    x, y, z = (f"{value:.2f}" for value in place)
    element, name, residue = (_ODD.sub("", str(text))[:5] or "X" for text in (element, name, residue))
    quoted = f'"{name}"' if "'" in name else name
    return f"{kind} {serial} {element} {quoted} {residue} {chain} {number} {x} {y} {z} {index}"
