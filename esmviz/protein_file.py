"""A FASTA file of any size, read from disk each time that its proteins are asked for, a block at a time."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import IO

from esmviz.entries import FORMATS, HEADER, PASTED, Entry, read_entries
from esmviz.errors import InvalidSequenceError, SequenceTooLongError, UploadTooLargeError
from esmviz.labels import source_name
from esmviz.sequences import RecordReport, judged, unique_ids
from esmviz.types import ProteinRecord
from esmviz.uploads import Limits, encoding_of, text_pieces, unpacked_stream


@dataclass(frozen=True)
class Placed:
    """A protein and where it stands: ``number`` of its record and ``line`` of its header, from 1."""

    number: int
    line: int
    record: ProteinRecord


class ProteinFile:
    """The proteins of a file, cleaned and named as ``read_fasta`` does; going through them twice reads it twice.

    Memory holds a block of records, and of each record no more than eight bytes beside what was renamed or rejected.

    Parameters
    ----------
    stream : binary file
        Plain or gzip, and one that can be rewound; it stays open.
    limits : Limits
        ``length`` of one protein, and ``file_bytes``, here of one record; the file may be of any size.
    check : callable
        Refuses a protein with a SequenceTooLongError.
    name : str
        Of the file.

    Attributes
    ----------
    rejected : list of RecordReport
        In their order, ``notes[0]`` the reason.
    first_mended : tuple or None
        Number, id, and how it was mended.
    n_records, n_mended, n_good : int
    digest : str
        Of all ids and sequences that are good.

    Raises
    ------
    InvalidSequenceError, UploadTooLargeError
        As ``read_fasta``, at once: all of the file is looked at first.
    """

    def __init__(
        self,
        stream: IO[bytes],
        *,
        limits: Limits,
        check: Callable[[ProteinRecord], None] = lambda record: None,
        name: str = PASTED,
    ) -> None:
        self.name = source_name(name) or PASTED
        self._limits, self._check = replace(limits, records=sys.maxsize), check
        self._stream = unpacked_stream(stream)
        self._encoding = encoding_of(self._stream, name=self.name, formats=FORMATS)
        self.rejected: list[RecordReport] = []
        self.first_mended: tuple[int, str, str] | None = None
        self.n_records = self.n_mended = self.n_good = 0
        self._renamed: dict[int, str] = {}
        self.digest = self._survey()

    def __iter__(self) -> Iterator[Placed]:
        """The good ones, in their order.

        Raises
        ------
        InvalidSequenceError
            At the end, when the file is no longer what it was.
        """
        sha256 = hashlib.sha256()
        for entry, report, record in self._judged():
            if record is not None and report.status != "rejected":
                sha256.update(_content(record))
                new = self._renamed.get(entry.number)
                yield Placed(entry.number, entry.line, replace(record, id=new) if new else record)
        if sha256.hexdigest() != self.digest:
            raise InvalidSequenceError(f"{self.name} was changed while it was read.", "Start again.")

    def _survey(self) -> str:
        sha256 = hashlib.sha256()
        kept: list[tuple[int, str, str]] = []  # number, id and status of all that have letters of proteins
        are_named_here: list[bool] = []
        for entry, report, record in self._judged():
            self.n_records += 1
            if record is not None:
                kept.append((entry.number, record.id, report.status))
                are_named_here.append(entry.header.is_named_here)
            if record is None or report.status == "rejected":
                self.rejected.append(report)
                continue
            self.n_good += 1
            sha256.update(_content(record))
            if report.status == "mended":
                self._mend(entry.number, report.id, report.notes[0])
        names = unique_ids([name for _, name, _ in kept], are_named_here)
        for (number, old, status), new in zip(kept, names, strict=True):
            if old != new:
                self._renamed[number] = new
                if status == "accepted":
                    self._mend(number, new, f"id {old} comes twice, renamed {new}")
        return sha256.hexdigest()

    def _mend(self, number: int, name: str, note: str) -> None:
        self.n_mended += 1
        first = self.first_mended
        if first is None or number < first[0]:
            self.first_mended = number, name, note

    def _judged(self) -> Iterator[tuple[Entry, RecordReport, ProteinRecord | None]]:
        is_guessed = self._encoding in ("cp1252", "latin-1")
        n_before = lines_before = 0
        for block in self._blocks():
            entries = read_entries(
                block, name=self.name, limits=self._limits, n_before=n_before, lines_before=lines_before
            )
            for entry in entries:
                report, record = judged(entry, self._limits, False, is_guessed)
                n_before += 1
                if record is not None:
                    try:
                        self._check(record)
                    except SequenceTooLongError as error:
                        report = replace(report, status="rejected", notes=(str(error),))
                yield entry, report, record
            lines_before += block.count("\n")

    def _blocks(self) -> Iterator[str]:
        """The text, cut before headers. The first block reaches to the second header at least: what stands before
        the first header, or a sequence without one, belongs to it.
        """
        held = ""
        for piece in text_pieces(self._stream, self._encoding, name=self.name):
            held += piece
            starts = [match.start() for match in HEADER.finditer(held)]
            if len(starts) > 1:
                yield held[: starts[-1]]
                held = held[starts[-1] :]
            if len(held) > self._limits.file_bytes:
                raise UploadTooLargeError(
                    f"{self.name} has a record of more than {self._limits.file_bytes >> 20} MB, the limit.",
                    "Split it, or raise ESMVIZ_MAX_UPLOAD_MB.",
                )
        yield held


def _content(record: ProteinRecord) -> bytes:
    return repr((record.id, record.sequence)).encode()
