"""FASTA records as they stand in a text, with their places, before anything is cleaned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

from esmviz.errors import InvalidSequenceError, UploadTooLargeError
from esmviz.headers import Header, read_header
from esmviz.uploads import Limits, Lines

FORMATS = "FASTA or one bare sequence as text, plain or gzip (.fasta .fa .faa .txt, .gz)"
PASTED = "pasted text"

HEADER = re.compile(r"^[^\S\n]*>", re.MULTILINE)
_COMMENT = re.compile(r"^[^\S\n]*;", re.MULTILINE)
_CONTENT = re.compile(r"^[^\S\n]*[^\s;]", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]")
# ASCII on purpose, with both cases spelt out: upper() and IGNORECASE make letters of ß, ſ and ﬁ.
_FOREIGN = re.compile(r"[^A-IK-Za-ik-z\s.-]")
_SUFFIX = re.compile(r"(\.(fasta|fas|faa|fa|seq|pep|txt))?(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Entry:
    """A record as it stands in ``text[start:stop]``, header line included.

    ``number`` and ``line`` (of the header) count from 1, ``letters`` are the sequence lines joined by the
    parser, and ``notes`` say what was found around the record.
    """

    number: int
    line: int
    header: Header
    letters: str
    text: str
    start: int
    stop: int
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"Record {self.number} ({self.header.id})"

    @property
    def n_comments(self) -> int:
        return len(_COMMENT.findall(self.text, self.start, self.stop))

    @property
    def has_spaces(self) -> bool:
        """Is there white space in or around the sequence lines, apart from line ends?"""
        body = self.text.find("\n", self.start, self.stop)
        return body >= 0 and _SPACES.search(self.text, body, self.stop) is not None

    def first_foreign(self) -> tuple[str, int, int]:
        """First letter that is no residue, its 1-based position in its line, and the 1-based line."""
        for offset, line in enumerate(Lines(self.text[self.start : self.stop])):
            if offset == 0:
                continue  # the header
            match = None if _COMMENT.match(line) else _FOREIGN.search(line)
            if match:
                letter = match[0] if match[0].isprintable() else f"U+{ord(match[0]):04X}"
                return letter, match.start() + 1, self.line + offset
        raise ValueError("no foreign letter in a record that was found to have one")


def read_entries(
    text: str, *, name: str, limits: Limits, n_before: int = 0, lines_before: int = 0
) -> Iterator[Entry]:
    """Records one by one, after a look at how many there are.

    Parameters
    ----------
    text : str
        FASTA, or one bare sequence, which is named after ``name``.
    name : str
        Name of the source.
    limits : Limits
        Only ``records`` counts here.
    n_before, lines_before : int
        Records and lines of the source that stand before this text.

    Yields
    ------
    entry : Entry
        One for each line that starts with ``>``.

    Raises
    ------
    UploadTooLargeError
        Before the first entry, where there are too many.
    InvalidSequenceError
        Where there is no sequence at all.
    """
    # biotite's FastaFile is a mapping and would lose records with equal headers; its read_iter gives every
    # record, but neither lines nor what stands before the first ">". So it parses, and offsets of our own go
    # beside it.
    from biotite.sequence.io.fasta import FastaFile

    line, first = 1, HEADER.search(text)
    notes: tuple[str, ...]
    if first is None:
        text, notes = _headed(text, name)
        line = 0
    else:
        notes = _before_first(text[: first.start()])
    _refuse_too_many(text, name, limits)
    line += lines_before
    starts = chain((match.start() for match in HEADER.finditer(text)), [len(text)])
    parsed = FastaFile.read_iter(Lines(text, first.start() if first else 0))
    end = 0
    for number, ((start, stop), (header, letters)) in enumerate(
        zip(pairwise(starts), parsed, strict=True), n_before + 1
    ):
        line += text.count("\n", end, start)
        end = start
        yield Entry(number, line, read_header(header, number), letters, text, start, stop, notes)
        notes = ()


def _refuse_too_many(text: str, name: str, limits: Limits) -> None:
    n_records = sum(1 for _ in HEADER.finditer(text))
    if n_records > limits.records:
        raise UploadTooLargeError(
            f"{name} has {n_records:,} records; the limit is {limits.records:,}. Nothing was loaded.",
            "Split it, or raise ESMVIZ_MAX_RECORDS.",
        )


def _headed(text: str, name: str) -> tuple[str, tuple[str, ...]]:
    """A bare sequence with a header line, and the note about it."""
    if not _CONTENT.search(text):
        raise InvalidSequenceError(f"There is no sequence in {name}.", f"esmviz reads {FORMATS}.")
    bare_id = "pasted" if name == PASTED else "_".join(_SUFFIX.sub("", name, count=1).split()) or "pasted"
    return f">{bare_id}\n{text}", (f"no line starts with `>`: read as one sequence, named {bare_id}",)


def _before_first(text: str) -> tuple[str, ...]:
    n_lines = sum(1 for _ in _CONTENT.finditer(text))
    return (f"text before the first `>` left out ({n_lines} lines): it has no header",) if n_lines else ()
