"""Index to text for people, in one place: residues count from 0 inside and from 1 here. And text of theirs, made plain."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from esmviz.types import Predictor, Provenance, Windows

AMINO_ACID_NAMES = {
    "A": "alanine, aliphatic",
    "C": "cysteine, sulphur",
    "D": "aspartate, negative",
    "E": "glutamate, negative",
    "F": "phenylalanine, aromatic",
    "G": "glycine, no side chain",
    "H": "histidine, basic aromatic",
    "I": "isoleucine, aliphatic",
    "K": "lysine, positive",
    "L": "leucine, aliphatic",
    "M": "methionine, sulphur",
    "N": "asparagine, amide",
    "P": "proline, ring on the backbone",
    "Q": "glutamine, amide",
    "R": "arginine, positive",
    "S": "serine, hydroxyl",
    "T": "threonine, hydroxyl",
    "V": "valine, aliphatic",
    "W": "tryptophan, aromatic",
    "Y": "tyrosine, aromatic hydroxyl",
    "B": "aspartate or asparagine",
    "Z": "glutamate or glutamine",
    "X": "unknown residue",
    "U": "selenocysteine",
    "O": "pyrrolysine",
}


def residue_label(index: int, letter: str) -> str:
    """Name of the residue at 0-based ``index``.

    >>> residue_label(0, "M")
    'M1'
    """
    return f"{letter}{index + 1}"


def residue_labels(sequence: str, start: int = 0) -> list[str]:
    """Names of all residues of a sequence whose first residue has the 0-based index ``start``.

    >>> residue_labels("MK", start=9)
    ['M10', 'K11']
    """
    return [residue_label(start + offset, letter) for offset, letter in enumerate(sequence)]


def residue_in_words(index: int, letter: str) -> str:
    """Name with the amino acid spelt out.

    >>> residue_in_words(90, "V")
    'V91 (valine, aliphatic)'
    """
    return f"{residue_label(index, letter)} ({AMINO_ACID_NAMES[letter]})"


def mutation_label(index: int, wild_type: str, mutant: str) -> str:
    """Name of a substitution at the 0-based ``index``.

    >>> mutation_label(122, "A", "V")
    'A123V'
    """
    return f"{wild_type}{index + 1}{mutant}"


def span_label(start: int, stop: int) -> str:
    """1-based inclusive span of the 0-based half-open range.

    >>> span_label(0, 512)
    '1-512'
    """
    return f"{start + 1}-{stop}"


def windows_label(windows: Windows) -> str:
    """In how many windows a protein was read; empty for one that was read in one piece.

    >>> windows_label(((0, 1022), (457, 1479)))
    '2 windows of 1022 residues, overlap 565'
    """
    if not windows:
        return ""
    overlap = min(stop - start for (_, stop), (start, _) in pairwise(windows))
    return f"{len(windows)} windows of {windows[0][1] - windows[0][0]} residues, overlap {overlap}"


def window_labels(windows: Windows) -> list[str]:
    """Where windows lie, for files.

    >>> window_labels(((0, 1022), (457, 1479)))
    ['1-1022', '458-1479']
    """
    return [span_label(*window) for window in windows]


def head_label(head: int) -> str:
    """1-based number of a 0-based head, as text.

    >>> head_label(0)
    '1'
    """
    return str(head + 1)


def provenance_facts(provenance: Provenance) -> dict[str, object]:
    """What a file says of where it comes from, in the numbers of the caption: heads and residues count from 1.

    >>> provenance_facts(Provenance("mini", "12345678", "float32", layer=3, head=0))["head"]
    1
    """
    head = None if provenance.head is None else int(head_label(provenance.head))
    return provenance.as_dict() | {
        "head": head,
        "windows": tuple(window_labels(provenance.windows)),
    }


def short_revision(revision: str) -> str:
    """The first digits of a hash; anything else is words.

    >>> short_revision("1234567890abcdef"), short_revision("as served by example.org")
    ('12345678', 'as served by example.org')
    """
    return revision if " " in revision else revision[:8]


def caption(provenance: Provenance, *extra: str) -> str:
    """One line that lets a screenshot explain itself.

    >>> caption(Provenance("mini", "1234567890abcdef", "float32", layer=3, head=0), "centred")
    'model mini · layer 3 · head 1 · float32 · revision 12345678 · centred'
    """
    parts = [f"model {provenance.model}"]
    if provenance.layer is not None:
        parts.append(f"layer {provenance.layer}")
    if provenance.head is not None:
        parts.append(f"head {head_label(provenance.head)}")
    parts += [provenance.precision, f"revision {short_revision(provenance.revision)}"]
    if provenance.windows:
        parts.append(f"in {windows_label(provenance.windows)}")
    return " · ".join([*parts, *filter(None, extra)])


def value_labels(predictor: Predictor) -> list[str]:
    """What each number of a prediction is: names of columns, different from each other and from any of ours.

    >>> value_labels(Predictor("residues", "single_label_classification", ("helix", "coil")))
    ['p(helix)', 'p(coil)']
    >>> value_labels(Predictor("proteins", "regression", ("LABEL_0",)))
    ['value(LABEL_0)']
    """
    of = "value" if predictor.problem == "regression" else "p"
    return [f"{of}({name})" for name in predictor.classes]


def pace(per_second: float) -> str:
    """A speed in the unit that gives a number above one.

    >>> pace(1234.5), pace(0.05), pace(0.0002)
    ('1,234 a second', '3 a minute', '1 an hour')
    """
    for factor, unit in ((1, "a second"), (60, "a minute")):
        if per_second * factor >= 1:
            return f"{per_second * factor:,.0f} {unit}"
    return f"{max(1.0, per_second * 3600):,.0f} an hour"


def duration(seconds: float) -> str:
    """A time for people to wait by.

    >>> duration(42), duration(200), duration(22_460)
    ('42 s', 'about 3 min', 'about 6.2 h')
    """
    if seconds < 90:
        return f"{seconds:,.0f} s"
    return f"about {seconds / 60:,.0f} min" if seconds < 5400 else f"about {seconds / 3600:,.1f} h"


def plain(text: str, instead: str = "") -> str:
    """Text without control, format (also bidirectional and zero-width) and surrogate characters.

    >>> plain("sp|P69905\\u202e")
    'sp|P69905'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(instead if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else c for c in text)


def source_name(name: str) -> str:
    """What a file that somebody sent is called in words: one short line.

    >>> source_name(" my\\u202e proteins.fasta\\n"), len(source_name("x" * 1000))
    ('my proteins.fasta', 100)
    """
    return plain(name[:1000]).strip()[:100]


def any_of(names: Sequence[str]) -> str:
    """Names to choose from, in a sentence.

    >>> any_of(["A", "B", "C"]), any_of(["A"]), any_of([])
    ('A, B or C', 'A', '')
    """
    *most, last = names or [""]
    return f"{', '.join(most)} or {last}" if most else last
