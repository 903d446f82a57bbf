"""Which residues of a structure's chain are which of a protein: by equal letters, else by alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from esmviz.types import IntArray

LEAST_SHARE = 0.5  # of the shorter one's residues that must agree; below, the chain is another protein
MOST_CELLS = 20_000_000  # of an alignment's table, a few hundred megabytes
MOST_IN_ALL = 40_000_000  # of all tables for one structure: some seconds
MOST_ALIGNED = 100  # chains of one structure


@dataclass(frozen=True)
class Match:
    """A chain laid upon a protein.

    Attributes
    ----------
    index : ndarray, shape=(L_chain,), dtype=int64
        0-based residue of the protein for each residue of the chain, -1 where there is none.
    identity : float
        Share of the paired residues that have the same letter, from 0 to 1.
    """

    index: IntArray
    identity: float

    @property
    def n_paired(self) -> int:
        return int((self.index >= 0).sum())


def match_all(chains: Sequence[str], protein: str) -> tuple[list[Match | None], int]:
    """Lay every chain upon a protein, as long as that takes no more than seconds.

    Returns
    -------
    found : list of Match or None
        As `match`; None for those that were not compared, too.
    n_left_out : int
        How many chains were not compared: each would need an alignment, and there are too many or too long ones.
    """
    found: dict[str, Match | None] = {}
    left_out, cells, aligned = set(), 0, 0
    for chain in dict.fromkeys(chains):
        if not _is_one_stretch(chain, protein):
            size = len(chain) * len(protein)
            if size > MOST_CELLS or cells + size > MOST_IN_ALL or aligned == MOST_ALIGNED:
                left_out.add(chain)
                continue
            cells, aligned = cells + size, aligned + 1
        found[chain] = match(chain, protein)
    return [found.get(chain) for chain in chains], sum(chain in left_out for chain in chains)


@lru_cache(maxsize=128)  # a page asks at every rerun, and a long pair takes seconds
def match(chain: str, protein: str) -> Match | None:
    """Lay a chain upon a protein.

    Equal sequences, or a chain that is one stretch of the protein, need no alignment. Else a global alignment
    (Needleman & Wunsch 1970, doi:10.1016/0022-2836(70)90057-4; BLOSUM62, gaps 11 and 1) without a penalty at the ends.

    Returns
    -------
    match : Match or None
        None where fewer residues agree than half of the shorter one has, or the two are too long to be aligned.

    Examples
    --------
    >>> match("XXVLAGH", "MKVLAWGH").index
    array([0, 1, 2, 3, 4, 6, 7])
    >>> match("WWWWWWWW", "MKVLAGHMKVLAGH") is None
    True
    """
    if _is_one_stretch(chain, protein):
        start = protein.find(chain)
        return Match(_kept(np.arange(start, start + len(chain))), 1.0)
    if len(chain) * len(protein) > MOST_CELLS:
        return None
    pairs = _aligned(chain, protein)
    same = sum(chain[i] == protein[j] for i, j in pairs)
    if same < LEAST_SHARE * min(len(chain), len(protein)):
        return None
    index = np.full(len(chain), -1, dtype=np.int64)
    for i, j in pairs:
        index[i] = j
    return Match(_kept(index), same / len(pairs))


def _is_one_stretch(chain: str, protein: str) -> bool:
    """Whether the chain is in the protein, and at one place only."""
    start = protein.find(chain)
    return start >= 0 and protein.find(chain, start + 1) < 0


def _kept(index: IntArray) -> IntArray:
    index.setflags(write=False)  # it is remembered
    return index


def _aligned(first: str, second: str) -> list[tuple[int, int]]:
    from biotite.sequence import ProteinSequence, align

    # The matrix knows B, Z and X and no U, O.
    one, two = (ProteinSequence(text.replace("U", "X").replace("O", "X")) for text in (first, second))
    matrix = align.SubstitutionMatrix.std_protein_matrix()
    [best] = align.align_optimal(
        one, two, matrix, gap_penalty=(-11, -1), terminal_penalty=False, max_number=1
    )
    return [(int(i), int(j)) for i, j in best.trace if i >= 0 and j >= 0]
