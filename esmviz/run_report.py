"""What a run says on stderr, and its figures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from esmviz.errors import InvalidSequenceError
from esmviz.labels import windows_label
from esmviz.protein_file import Placed, ProteinFile
from esmviz.surroundings import peak_memory_mb, say
from esmviz.types import Windows

T = TypeVar("T")


@dataclass(frozen=True)
class Rejection:
    """A record that could not go with, and why; ``record`` and ``line`` count from 1."""

    record: int
    line: int
    id: str
    cause: str


class RunReport:
    """Counts what a run computes, and tells what a person should know of the records.

    Attributes
    ----------
    n_sequences, n_residues : int
        Of the proteins of this run; those of an earlier run that it goes on with are ``n_resumed``.
    seconds : float
        Of inference.
    """

    def __init__(self) -> None:
        self.rejections: list[Rejection] = []
        self.seconds = 0.0
        self.n_sequences = self.n_residues = self.n_resumed = 0

    def open(self, proteins: ProteinFile, *, strict: bool) -> None:
        """Say which records cannot go with and which were mended.

        Raises
        ------
        InvalidSequenceError
            When none can, or under ``strict`` not all.
        """
        for report in proteins.rejected:
            self.reject(Rejection(report.number, report.line, report.id, " ".join(report.notes)))
        if not proteins.n_good or (strict and self.rejections):
            rejected = f"{len(self.rejections)} of {proteins.n_records} records rejected"
            raise InvalidSequenceError(f"{rejected}; nothing was written.", "See the lines above.")
        if proteins.first_mended:
            number, name, note = proteins.first_mended
            say(f"mended: {proteins.n_mended}, the first is record {number} ({name}): {note}")

    def reject(self, rejection: Rejection) -> None:
        """Name a record that is left out."""
        self.rejections.append(rejection)
        say(f"rejected: record {rejection.record} ({rejection.id}), line {rejection.line}: {rejection.cause}")

    def count(self, placed: Placed, windows: Windows) -> None:
        """One protein is done, in these windows."""
        self.n_sequences += 1
        self.n_residues += len(placed.record)
        if windows:
            say(f"windows: record {placed.number} ({placed.record.id}) was read in {windows_label(windows)}")

    def timed(self, results: Iterable[T]) -> Iterator[T]:
        """The same, while the time until each comes is added up."""
        remaining = iter(results)
        while True:
            start = time.perf_counter()
            try:
                result = next(remaining)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - start
            yield result

    def write(self, path: Path, **facts: Any) -> None:
        """Figures as JSON, among them the ``facts`` given."""
        numbers = {
            "sequences": self.n_sequences,
            "residues": self.n_residues,
            "seconds": round(self.seconds, 4),
            "residues_per_second": round(self.n_residues / max(self.seconds, 1e-9), 1),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            **facts,
            "resumed": self.n_resumed,
            "rejected": [asdict(rejection) for rejection in self.rejections],
        }
        path.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
