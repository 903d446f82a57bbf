"""One run of the command line: a FASTA file in, one file out, a line for each record that could not go with."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from esmviz import __version__
from esmviz.analysis.predictions import probabilities
from esmviz.errors import InvalidSequenceError, OutOfMemoryError, ProteinRefusedError, SequenceTooLongError
from esmviz.labels import windows_label
from esmviz.measuring import Measurement
from esmviz.sequences import read_fasta
from esmviz.surroundings import check_place, peak_memory_mb, say
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    FloatArray,
    KeepHeads,
    ModelOutput,
    Pooling,
    Precision,
    ProteinRecord,
    Request,
    Windows,
)
from esmviz.workbench import Workbench
from esmviz.writers import CsvWriter, H5Writer, NpzWriter, PooledNpzWriter, Writer, prediction_writer

T = TypeVar("T")
Result = tuple[FloatArray, str, Windows]  # what one protein gave, the precision really used, its windows
Compute = Callable[[list[ProteinRecord]], Iterator[Result]]

OF_ONE_PROTEIN = (OutOfMemoryError, ProteinRefusedError)  # errors with which the others go on
EACH_PROTEIN: dict[str, type[Writer]] = {".npz": PooledNpzWriter, ".h5": H5Writer, ".csv": CsvWriter}
EACH_RESIDUE: dict[str, type[Writer]] = {".npz": NpzWriter, ".h5": H5Writer}


@dataclass(frozen=True)
class Rejection:
    """A record that could not go with, and why; ``record`` and ``line`` count from 1."""

    record: int
    line: int
    id: str
    cause: str


class Run:
    """A command with its options.

    Parameters
    ----------
    source, output : Path
        ``-`` is standard input. The output's ending says its format.
    stats : Path, optional
        JSON with speed and counts.
    strict : bool
        One rejected record, and nothing is written.
    """

    def __init__(
        self,
        workbench: Workbench,
        source: Path,
        output: Path,
        model: str,
        precision: Precision = "auto",
        stats: Path | None = None,
        strict: bool = False,
    ) -> None:
        self.workbench, self.model, self.precision = workbench, model, precision
        self.source, self.output, self.stats, self.strict = source, output, stats, strict
        self.spec = workbench.spec(model)
        if self.spec.host:
            say(f"{self.spec.name} is hosted by {self.spec.host}: sequences are sent there.")
        self.name = (
            Path(self.spec.name).name or Path(self.spec.name).resolve().name
        )  # of a path, no more than its folder goes into a file
        self.rejections: list[Rejection] = []
        self.places: dict[str, tuple[int, int]] = {}
        self.seconds = 0.0
        self.n_sequences = self.n_residues = 0
        for path in filter(None, (output, stats)):
            check_place(path)

    def embed(self, layer: int, pooling: Pooling | None) -> None:
        """Vectors of proteins, or with ``pooling`` None of their residues."""
        request = Request(layers=(layer,), pooling=pooling, precision=self.precision)
        records = self._records(request)
        kinds = EACH_RESIDUE if pooling is None else EACH_PROTEIN
        meta = {"layer": layer % (self.spec.n_layers + 1), "pooling": pooling or "none"}
        writer = kinds[self.output.suffix.lower()](self.output, self._meta(meta))
        if pooling is None:
            self._write(writer, records, self._picked(request, _residues))
        else:
            self._write(writer, records, lambda some: self._pooled(some, layer, pooling))

    def logits(self) -> None:
        """Raw logits (L, 20) of each protein."""
        request = Request(logits=True, precision=self.precision)
        records = self._records(request)
        writer = NpzWriter(self.output, self._meta({}), {"amino_acids": np.array(list(AMINO_ACIDS))})
        self._write(writer, records, self._picked(request, _logits))

    def attention(self, layer: int, head: int | None) -> None:
        """Attention of one layer: of one head (1-based), or of all."""
        heads = tuple(range(self.spec.n_heads)) if head is None else (head - 1,)
        probe = KeepHeads(layer, heads)
        request = Request(probes=(probe,), precision=self.precision)
        records = self._records(request)

        def pick(output: ModelOutput) -> FloatArray:
            maps = output.probes[probe.key]
            return maps if head is None else np.asarray(maps[0])

        writer = NpzWriter(self.output, self._meta({"layer": layer, "head": head}))
        self._write(writer, records, self._picked(request, pick))

    def contacts(self) -> None:
        """Contact probabilities (L, L) of each protein."""
        probe = ContactHead()
        request = Request(probes=(probe,), precision=self.precision)
        records = self._records(request)
        writer = NpzWriter(self.output, self._meta({}))
        self._write(writer, records, self._picked(request, lambda output: output.probes[probe.key]))

    def predict(self) -> None:
        """Probabilities, or the numbers of a regression, of each protein or each residue."""
        request = Request(predictions=True, precision=self.precision)
        records = self._records(request)
        predictor = self.spec.predictor
        assert predictor is not None
        meta = self._meta({"problem": predictor.problem, "of_each": predictor.unit})
        writer = prediction_writer(self.output, meta, predictor, records)

        def pick(output: ModelOutput) -> FloatArray:
            assert output.predictions is not None
            return probabilities(output.predictions, predictor.problem)

        self._write(writer, records, self._picked(request, pick))

    def measure(self, models: Sequence[str]) -> list[Measurement]:
        """Speed, memory and pseudo-perplexity of models on the records, one model after the other; writes no file."""
        records = self._records(Request(layers=(-1,), pooling="mean", precision=self.precision))
        return [self.workbench.measure(records, model, self.precision) for model in models]

    def _records(self, request: Request) -> list[ProteinRecord]:
        """The records that can go with; loads the model, so that loading is not counted as inference."""
        limits, check = self.workbench.limits, self.workbench.checker(self.model, request)
        if str(self.source) == "-":
            content = sys.stdin.buffer.read(limits.file_bytes + 1)
        else:
            with self.source.open("rb") as stream:
                content = stream.read(limits.file_bytes + 1)
        found = read_fasta(content, limits=limits, name=self.source.name)
        good, records = iter(found.records), []
        for report in found.reports:
            if report.status == "rejected":
                self._reject(Rejection(report.number, report.line, report.id, " ".join(report.notes)))
                continue
            record = next(good)
            self.places[record.id] = (report.number, report.line)
            try:
                check(record)
            except SequenceTooLongError as error:
                self._reject(Rejection(report.number, report.line, record.id, str(error)))
            else:
                records.append(record)
        if not records or (self.strict and self.rejections):
            rejected = f"{len(self.rejections)} of {len(found.reports)} records rejected"
            raise InvalidSequenceError(f"{rejected}; nothing was written.", "See the lines above.")
        self._tell_mended(found.reports)
        self.workbench.backend(self.model)
        return records

    def _pooled(self, records: list[ProteinRecord], layer: int, pooling: Pooling) -> Iterator[Result]:
        chunks = self.workbench.embed(
            records, self.model, layer=layer, pooling=pooling, precision=self.precision
        )
        for chunk in chunks:
            for vector, windows in zip(chunk.vectors, chunk.windows, strict=True):
                yield vector, chunk.precision, windows

    def _picked(self, request: Request, pick: Callable[[ModelOutput], FloatArray]) -> Compute:
        def compute(records: list[ProteinRecord]) -> Iterator[Result]:
            for output in self.workbench.inspect_each(records, self.model, request):
                yield pick(output), output.precision, output.windows

        return compute

    def _write(self, writer: Writer, records: list[ProteinRecord], compute: Compute) -> None:
        with writer:
            for record, (array, precision, windows) in self._results(records, compute):
                writer.meta["precision"] = precision
                writer.add(record.id, array, windows)
                self._tell_windows(record, windows)
                self.n_sequences += 1
                self.n_residues += len(record)
        self._write_stats(writer.meta["precision"])

    def _results(
        self, records: list[ProteinRecord], compute: Compute
    ) -> Iterator[tuple[ProteinRecord, Result]]:
        """In batches; once one protein cannot be computed, one by one and without those that cannot."""
        n_done = 0
        try:
            for result in self._timed(compute(records)):
                n_done += 1
                yield records[n_done - 1], result
            return
        except OF_ONE_PROTEIN as error:
            if self.strict:
                raise
            cause = error
        remaining, n_before = records[n_done:], len(self.rejections)
        for record in remaining:
            try:
                [result] = self._timed(compute([record]))
            except OF_ONE_PROTEIN as error:
                self._reject(Rejection(*self.places[record.id], record.id, str(error)))
            else:
                yield record, result
        if len(self.rejections) - n_before == len(records):
            raise cause

    def _timed(self, results: Iterable[T]) -> Iterator[T]:
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

    def _meta(self, meta: dict[str, Any]) -> dict[str, Any]:
        revision = self.workbench.provenance(self.model).revision
        return {
            "model": self.name,
            "revision": revision,
            **meta,
            "precision": "",
            "esmviz": __version__,
        }

    def _reject(self, rejection: Rejection) -> None:
        self.rejections.append(rejection)
        say(f"rejected: record {rejection.record} ({rejection.id}), line {rejection.line}: {rejection.cause}")

    def _tell_mended(self, reports: Iterable[Any]) -> None:
        mended = [report for report in reports if report.status == "mended"]
        if mended:
            first = mended[0]
            say(f"mended: {len(mended)}, the first is record {first.number} ({first.id}): {first.notes[0]}")

    def _tell_windows(self, record: ProteinRecord, windows: Windows) -> None:
        if windows:
            number, _ = self.places[record.id]
            say(f"windows: record {number} ({record.id}) was read in {windows_label(windows)}")

    def _write_stats(self, precision: str) -> None:
        if self.stats is None:
            return
        numbers = {
            "sequences": self.n_sequences,
            "residues": self.n_residues,
            "seconds": round(self.seconds, 4),
            "residues_per_second": round(self.n_residues / max(self.seconds, 1e-9), 1),
            "peak_memory_mb": round(peak_memory_mb(), 1),
            "model": self.name,
            "device": self.workbench.backend(self.model).device,
            "precision": precision,
            "rejected": [asdict(rejection) for rejection in self.rejections],
        }
        self.stats.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def _residues(output: ModelOutput) -> FloatArray:
    assert output.hidden_states is not None
    return np.asarray(output.hidden_states[0])


def _logits(output: ModelOutput) -> FloatArray:
    assert output.logits is not None
    return output.logits
