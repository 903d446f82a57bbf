"""FASTA in, clean proteins out, and a report on every record: nothing is dropped without a word."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Literal

from esmviz.entries import FORMATS, PASTED, Entry, read_entries
from esmviz.errors import UploadTooLargeError
from esmviz.label_tables import LabelTable, read_labels, with_labels
from esmviz.labels import source_name
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ProteinRecord
from esmviz.uploads import Limits, read_upload

__all__ = [
    "LabelTable",
    "Limits",
    "RecordReport",
    "SequenceSet",
    "example",
    "read_fasta",
    "read_labels",
    "with_labels",
    "with_protein",
]

_PROTEIN = re.compile(f"[{AMINO_ACIDS}{AMBIGUOUS}]*")
_THREE_LETTER = re.compile(
    "(ALA|ARG|ASN|ASP|CYS|GLN|GLU|GLY|HIS|ILE|LEU|LYS|MET|PHE|PRO|SER|THR|TRP|TYR|VAL|ASX|GLX|SEC|PYL|XAA)+"
)
_NUCLEOTIDE_MIN_LETTERS = 30
_NUCLEOTIDE_MIN_SHARE = 0.95
_NUCLEOTIDE_MIN_BASES = 3  # silk is a protein of few letters


@dataclass(frozen=True)
class RecordReport:
    """What became of one record.

    ``number`` and ``line`` (of its header) count from 1, a line 0 is none of the source's; ``n_residues`` is the length
    after cleaning, and ``notes`` say how it was mended or, first, why it was rejected.
    """

    number: int
    line: int
    id: str
    n_residues: int
    status: Literal["accepted", "mended", "rejected"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SequenceSet:
    """The good records, and a report on each record of the source, both in its order."""

    records: tuple[ProteinRecord, ...]
    reports: tuple[RecordReport, ...]

    @property
    def rejected(self) -> tuple[RecordReport, ...]:
        return tuple(report for report in self.reports if report.status == "rejected")


@dataclass(frozen=True)
class _Cleaned:
    sequence: str
    notes: tuple[str, ...]
    is_protein: bool


def read_fasta(
    source: bytes | str, *, limits: Limits, treat_as_protein: bool = False, name: str = PASTED
) -> SequenceSet:
    """Read proteins from FASTA or from one bare sequence.

    Case is folded; white space, alignment gaps (``-`` and ``.``) and a trailing ``*`` are removed; ids become
    unique (``id~2``). Each change is noted. A record that cannot be used is rejected in its report and the
    others go on.

    Parameters
    ----------
    source : bytes or str
        Text, or the content of a file, gzip included.
    limits : Limits
        What one upload may bring.
    treat_as_protein : bool
        Take records that look like DNA or RNA too.
    name : str
        Name of the file; names a bare sequence too.

    Returns
    -------
    sequences : SequenceSet

    Raises
    ------
    UploadTooLargeError
        Too many bytes, records or residues in all; nothing is loaded then.
    InvalidSequenceError
        No text, or no record in it.

    Examples
    --------
    >>> limits = Limits(file_bytes=1000, records=10, residues=1000, length=100)
    >>> sequences = read_fasta(">a\\nmkv*\\n>b\\nMK1\\n", limits=limits)
    >>> sequences.records[0].sequence
    'MKV'
    >>> sequences.reports[1].notes[0]
    'Record 2 (b) has `1` at position 3 of line 4. Amino-acid letters only.'
    """
    name = source_name(name) or PASTED
    upload = read_upload(source, limits=limits, name=name, formats=FORMATS)
    kept: list[ProteinRecord] = []
    is_named_here: list[bool] = []
    reports: list[RecordReport] = []
    n_residues = 0
    for entry in read_entries(upload.text, name=name, limits=limits):
        report, record = judged(entry, limits, treat_as_protein, upload.is_guessed)
        reports.append(report)
        if record is not None:
            kept.append(record)
            is_named_here.append(entry.header.is_named_here)
            n_residues += len(record)
        if n_residues > limits.residues:
            raise UploadTooLargeError(
                f"{name} has more than {limits.residues:,} residues in all, the limit. Nothing was loaded.",
                "Split it, or raise ESMVIZ_MAX_RESIDUES.",
            )
    ids = unique_ids([record.id for record in kept], is_named_here)
    records = tuple(
        replace(record, id=new) if new != record.id else record for record, new in zip(kept, ids, strict=True)
    )
    return SequenceSet(records, _renamed(reports, ids))


def with_protein(proteins: SequenceSet, record: ProteinRecord, *, limits: Limits) -> SequenceSet:
    """The set with one protein more, last, under an id of its own.

    Raises
    ------
    UploadTooLargeError
        Where the set, or the protein, would be larger than an upload may be.
    """
    total = sum(map(len, proteins.records)) + len(record)
    for value, limit, of, setting in (
        (len(record), limits.length, f"residues in {record.id}", "LENGTH"),
        (len(proteins.records) + 1, limits.records, "proteins", "RECORDS"),
        (total, limits.residues, "residues in all", "RESIDUES"),
    ):
        if value > limit:
            raise UploadTooLargeError(
                f"That would be {value:,} {of}; the limit is {limit:,}. Nothing was added.",
                f"Upload fewer proteins, or raise ESMVIZ_MAX_{setting}.",
            )
    ids = unique_ids(
        [*(kept.id for kept in proteins.records), record.id], [False] * (len(proteins.records) + 1)
    )
    number = max((report.number for report in proteins.reports), default=0) + 1
    report = RecordReport(number, 0, ids[-1], len(record), "accepted", (record.description,))
    return SequenceSet((*proteins.records, replace(record, id=ids[-1])), (*proteins.reports, report))


@cache
def example() -> SequenceSet:
    """58 well-known proteins, six families and four single ones, with their labels."""
    folder = resources.files("esmviz") / "assets" / "example"
    limits = Limits(file_bytes=1_000_000, records=1000, residues=1_000_000, length=100_000)
    sequences = read_fasta((folder / "example.fasta").read_bytes(), limits=limits, name="example.fasta")
    ids = [record.id for record in sequences.records]
    table = read_labels((folder / "example_labels.csv").read_bytes(), ids, limits=limits)
    return replace(sequences, records=with_labels(sequences.records, table))


def judged(
    entry: Entry, limits: Limits, treat_as_protein: bool, is_guessed: bool
) -> tuple[RecordReport, ProteinRecord | None]:
    """What becomes of a record, and the protein in it where there is one; ids are not unique yet."""
    cleaned = _cleaned(entry)
    header = entry.header
    notes = [*entry.notes, *header.notes, *cleaned.notes]
    if is_guessed and not f"{header.id}{header.description}{header.labels}".isascii():
        notes.append("header read as Windows-1252, since the file is not UTF-8")
    reason = _reason_against(entry, cleaned, limits, treat_as_protein)
    status: Literal["accepted", "mended", "rejected"] = "mended" if notes else "accepted"
    if reason:
        status, notes = "rejected", [reason, *notes]
    report = RecordReport(entry.number, entry.line, header.id, len(cleaned.sequence), status, tuple(notes))
    if reason:
        return report, None
    return report, ProteinRecord(header.id, cleaned.sequence, header.description, header.labels)


def _cleaned(entry: Entry) -> _Cleaned:
    letters, notes = entry.letters, []
    n_comments = entry.n_comments
    has_spaces = (
        entry.has_spaces if not n_comments else len(letters.split()) > 1
    )  # comments are full of spaces
    if not n_comments and not has_spaces and _PROTEIN.fullmatch(letters):
        return _Cleaned(letters, (), True)
    if n_comments:
        notes.append(f"comment lines (`;`) left out ({n_comments})")
    if has_spaces:
        notes.append("white space removed")
    together = "".join(letters.split())
    ungapped = together.replace("-", "").replace(".", "")
    if ungapped != together:
        notes.append(f"alignment gaps removed ({len(together) - len(ungapped)})")
    unstopped = ungapped.rstrip("*")
    if unstopped != ungapped:
        notes.append("trailing `*` removed")
    sequence = unstopped.upper() if unstopped.isascii() else unstopped
    if sequence != unstopped:
        notes.append("lower case made upper case")
    return _Cleaned(sequence, tuple(notes), _PROTEIN.fullmatch(sequence) is not None)


def _reason_against(entry: Entry, cleaned: _Cleaned, limits: Limits, treat_as_protein: bool) -> str:
    """Why the record cannot be used; empty text where it can."""
    sequence, title = cleaned.sequence, entry.title
    if not cleaned.is_protein:
        letter, position, line = entry.first_foreign()
        rule = "A `*` only at the end." if letter == "*" else "Amino-acid letters only."
        return f"{title} has `{letter}` at position {position} of line {line}. {rule}"
    if not sequence:
        return f"{title} has no residues."
    if len(sequence) > limits.length:
        return f"{title} has {len(sequence):,} residues; the limit is {limits.length:,} (ESMVIZ_MAX_LENGTH)."
    if not treat_as_protein and _is_nucleotide(sequence):
        return f"{title} looks like DNA or RNA, not like a protein. Translate it, or choose Treat as protein."
    if not treat_as_protein and _is_three_letter_code(sequence):
        return f"{title} looks like three-letter code. Write one letter for each residue, or choose Treat as protein."
    return ""


def _is_three_letter_code(sequence: str) -> bool:
    """Met-Ser-Ile and so on, whose letters are all letters of residues.

    >>> _is_three_letter_code("METSERILEGLN"), _is_three_letter_code("ALAALAALAALA"), _is_three_letter_code("METSERILEG")
    (True, False, False)
    """
    n_kinds = len({sequence[at : at + 3] for at in range(0, len(sequence), 3)})
    return n_kinds >= 3 and _THREE_LETTER.fullmatch(sequence) is not None


def _is_nucleotide(sequence: str) -> bool:
    if len(sequence) < _NUCLEOTIDE_MIN_LETTERS:
        return False
    counts = {letter: sequence.count(letter) for letter in "ACGTUN"}
    n_bases = sum(counts[letter] > 0 for letter in "ACG") + (counts["T"] + counts["U"] > 0)
    return sum(counts.values()) >= _NUCLEOTIDE_MIN_SHARE * len(sequence) and n_bases >= _NUCLEOTIDE_MIN_BASES


def unique_ids(ids: list[str], is_named_here: list[bool]) -> list[str]:
    """Ids made unique: the first keeps its own, and no new name takes one that a header has."""
    own = {name for name, here in zip(ids, is_named_here, strict=True) if not here}
    seen: set[str] = set()
    last: Counter[str] = Counter()
    unique = []
    for name, here in zip(ids, is_named_here, strict=True):
        new = name
        while new in seen or (new in own and (here or new != name)):
            last[name] = max(last[name], 1) + 1
            new = f"{name}~{last[name]}"
        seen.add(new)
        unique.append(new)
    return unique


def _renamed(reports: list[RecordReport], ids: list[str]) -> tuple[RecordReport, ...]:
    """Reports with the new ids of the records that were kept."""
    names = iter(ids)
    renamed = []
    for report in reports:
        if report.status != "rejected" and (new := next(names)) != report.id:
            note = f"id {report.id} comes twice, renamed {new}"
            report = replace(report, id=new, status="mended", notes=(*report.notes, note))
        renamed.append(report)
    return tuple(renamed)
