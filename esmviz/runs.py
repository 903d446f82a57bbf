"""One run of the command line: a FASTA file in, one file out, a line for each record that could not go with."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice, repeat
from pathlib import Path
from typing import IO, Any

import numpy as np

from esmviz import __version__
from esmviz.analysis.predictions import probabilities
from esmviz.embedding import CHUNK
from esmviz.errors import OutOfMemoryError, ProteinRefusedError
from esmviz.measuring import Measurement
from esmviz.part import Part
from esmviz.protein_file import Placed, ProteinFile
from esmviz.run_report import Rejection, RunReport
from esmviz.surroundings import check_place, naming, say
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
)
from esmviz.workbench import Workbench
from esmviz.writers import H5Writer, NpzWriter, Writer, prediction_writer, vector_writer

Pick = Callable[[ModelOutput], FloatArray]
Begin = Callable[
    [Path, dict[str, Any], int, int], Writer
]  # a file, what it says of itself, proteins, longest id

OF_ONE_PROTEIN = (OutOfMemoryError, ProteinRefusedError)  # errors with which the others go on


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
    resume : bool
        Go on where an earlier run with the same options ended.
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
        resume: bool = False,
    ) -> None:
        self.workbench, self.model, self.precision = workbench, model, precision
        self.source, self.output, self.stats, self.strict, self.resume = source, output, stats, strict, resume
        self.spec = workbench.spec(model)
        if self.spec.host:
            say(f"{self.spec.name} is hosted by {self.spec.host}: sequences are sent there.")
        self.name = (
            Path(self.spec.name).name or Path(self.spec.name).resolve().name
        )  # of a path, no more than its folder goes into a file
        self.report = RunReport()
        self.is_masked = False
        self.refusal: Exception | None = None  # the first of OF_ONE_PROTEIN
        for path in filter(None, (output, stats)):
            check_place(path)

    def embed(self, layer: int, pooling: Pooling | None) -> None:
        """Vectors of proteins, or with ``pooling`` None of their residues."""
        request = Request(layers=(layer,), pooling=pooling, precision=self.precision)
        meta = {"layer": layer % (self.spec.n_layers + 1), "pooling": pooling or "none"}
        if pooling is not None:
            self._write("vectors", request, _pooled, vector_writer, meta)
        else:
            self._write("residues", request, _residues, _by_id(self.output), meta)

    def logits(self, is_masked: bool = False) -> None:
        """Raw logits (L, 20) of each protein; ``is_masked``: each row with its residue masked."""
        request = Request(logits=True, precision=self.precision)
        begin = _by_id(self.output, {"amino_acids": np.array(list(AMINO_ACIDS))})
        self.is_masked = is_masked
        self._write(
            "masked logits" if is_masked else "logits", request, _logits, begin, {"masked": is_masked}
        )

    def attention(self, layer: int, head: int | None) -> None:
        """Attention of one layer: of one head (1-based), or of all."""
        heads = tuple(range(self.spec.n_heads)) if head is None else (head - 1,)
        probe = KeepHeads(layer, heads)
        request = Request(probes=(probe,), precision=self.precision)

        def pick(output: ModelOutput) -> FloatArray:
            maps = output.probes[probe.key]
            return maps if head is None else np.asarray(maps[0])

        self._write("attention", request, pick, _by_id(self.output), {"layer": layer, "head": head})

    def contacts(self) -> None:
        """Contact probabilities (L, L) of each protein."""
        probe = ContactHead()
        request = Request(probes=(probe,), precision=self.precision)
        self._write("contacts", request, lambda output: output.probes[probe.key], _by_id(self.output), {})

    def predict(self) -> None:
        """Probabilities, or the numbers of a regression, of each protein or each residue."""
        request = Request(predictions=True, precision=self.precision)
        self.workbench.checker(self.model, request)
        predictor = self.spec.predictor
        assert predictor is not None

        def pick(output: ModelOutput) -> FloatArray:
            assert output.predictions is not None
            return probabilities(output.predictions, predictor.problem)

        meta = {"problem": predictor.problem, "of_each": predictor.unit}
        self._write("predictions", request, pick, partial(prediction_writer, predictor=predictor), meta)

    def measure(self, models: Sequence[str]) -> list[Measurement]:
        """Speed, memory and pseudo-perplexity of models on the records, one model after the other; writes no file."""
        records = self.records(Request(layers=(-1,), pooling="mean", precision=self.precision))
        return [self.workbench.measure(records, model, self.precision) for model in models]

    def records(self, request: Request) -> list[ProteinRecord]:
        """All that the model can read in this way, at once."""
        with self._stream() as stream:
            return [placed.record for placed in self._proteins(stream, request)]

    def _write(self, what: str, request: Request, pick: Pick, begin: Begin, meta: dict[str, Any]) -> None:
        """Compute what ``pick`` takes of each output into ``OUT.part``, then make one file of it."""
        with self._stream() as stream:
            proteins = self._proteins(stream, request)
            self.workbench.backend(self.model)  # loading is no inference, and the revision is known then
            meta = self._meta(meta)
            with Part(self.output, self._identity(what, meta, proteins), resume=self.resume) as part:
                self._take_over(part, proteins)
                try:
                    self._fill(part, proteins, request, pick)
                    self._finish(part, proteins, begin, meta)
                except BaseException:
                    _tell_kept(part, proteins)
                    raise
        if self.stats is not None:
            device = self.workbench.backend(self.model).device
            self.report.write(self.stats, model=self.name, device=device, precision=part.precision)

    def _proteins(self, stream: IO[bytes], request: Request) -> ProteinFile:
        """Those that can go with."""
        check = self.workbench.checker(self.model, request)
        proteins = ProteinFile(stream, limits=self.workbench.limits, check=check, name=self.source.name)
        self.report.open(proteins, strict=self.strict)
        return proteins

    def _stream(self) -> IO[bytes]:
        if str(self.source) != "-":
            return self.source.open("rb")
        spool = tempfile.TemporaryFile()  # noqa: SIM115  read more than once, hence a copy
        shutil.copyfileobj(sys.stdin.buffer, spool)
        return spool

    def _take_over(self, part: Part, proteins: ProteinFile) -> None:
        self.report.n_resumed = part.n_kept
        if part.n_kept:
            say(f"resumed: {part.n_kept:,} of {proteins.n_good:,} proteins were finished before.")

    def _fill(self, part: Part, proteins: ProteinFile, request: Request, pick: Pick) -> None:
        """Compute what is missing. Chunks are those of the file, so that a run that is taken up again makes the same
        batches.
        """
        remaining = iter(proteins)
        while chunk := list(islice(remaining, CHUNK)):
            firsts: dict[str, Placed] = {}
            for placed in chunk:
                firsts.setdefault(placed.record.sequence, placed)
            missing = [placed for placed in firsts.values() if placed.number not in part]
            missing.sort(key=lambda placed: len(placed.record))  # neighbours of equal length attend as one
            for placed, output in self._outputs(missing, request):
                part.add(placed.number, placed.record.id, pick(output), output.precision, output.windows)
                self.report.count(placed, output.windows)
            for placed in chunk:
                if placed.number not in part:
                    self._copy(part, placed, firsts[placed.record.sequence])
        if not len(part) and self.refusal is not None:
            raise self.refusal

    def _copy(self, part: Part, placed: Placed, twin: Placed) -> None:
        """The row of a protein whose sequence is that of another."""
        if twin.number in part:
            self.report.count(placed, part.copy(placed.number, placed.record.id, twin.number))
        elif placed is not twin:
            self._reject(placed, f"Its sequence is that of record {twin.number}.")

    def _outputs(self, some: list[Placed], request: Request) -> Iterator[tuple[Placed, ModelOutput]]:
        """In batches; once one protein cannot be computed, one by one and without those that cannot."""

        def compute(some: list[Placed]) -> Iterator[ModelOutput]:
            records = [placed.record for placed in some]
            return self.report.timed(self._run(records, request))

        n_done = 0
        try:
            for output in compute(some):
                n_done += 1
                yield some[n_done - 1], output
            return
        except OF_ONE_PROTEIN as error:
            if self.strict:
                raise
            self.refusal = self.refusal or error
        for placed in some[n_done:]:
            try:
                [output] = compute([placed])
            except OF_ONE_PROTEIN as error:
                self._reject(placed, str(error))
            else:
                yield placed, output

    def _run(self, records: list[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        if self.is_masked:
            return self.workbench.masked_each(records, self.model, self.precision)
        return self.workbench.inspect_each(records, self.model, request)

    def _finish(self, part: Part, proteins: ProteinFile, begin: Begin, meta: dict[str, Any]) -> None:
        """The rows as one file, in the order of their records."""
        meta = meta | {"precision": part.precision}
        with naming(part.whole), begin(part.whole, meta, len(part), part.longest_id) as writer:
            letters = (placed.record.sequence for placed in proteins if placed.number in part)
            for row, sequence in zip(
                part.rows(), letters if writer.names_residues else repeat(""), strict=False
            ):
                writer.add(row.id, row.array, row.windows, sequence)
        part.finish()

    def _meta(self, meta: dict[str, Any]) -> dict[str, Any]:
        revision = self.workbench.provenance(self.model).revision
        return {"model": self.name, "revision": revision, **meta, "precision": "", "esmviz": __version__}

    def _identity(self, what: str, meta: dict[str, Any], proteins: ProteinFile) -> dict[str, Any]:
        """All that could change a row."""
        asked = self.workbench.settings.precision if self.precision == "auto" else self.precision
        windowing = str(self.workbench.backend(self.model).windowing)
        content = {"results": what, "proteins": proteins.digest[:16], "windowing": windowing}
        return meta | {"precision": asked} | content

    def _reject(self, placed: Placed, cause: str) -> None:
        self.report.reject(Rejection(placed.number, placed.line, placed.record.id, cause))


def _tell_kept(part: Part, proteins: ProteinFile) -> None:
    if len(part):
        kept = f"{len(part):,} of {proteins.n_good:,} proteins are in {part.folder}"
        say(f"kept: {kept}; the same command with --resume goes on from there.")


def _by_id(output: Path, arrays: dict[str, Any] | None = None) -> Begin:
    """A file with one array for each id, and those ``arrays`` in an npz."""
    if output.suffix.lower() == ".h5":
        return lambda path, meta, n_rows, longest_id: H5Writer(path, meta)
    return lambda path, meta, n_rows, longest_id: NpzWriter(path, meta, arrays)


def _pooled(output: ModelOutput) -> FloatArray:
    assert output.pooled is not None
    return np.asarray(output.pooled[0])


def _residues(output: ModelOutput) -> FloatArray:
    assert output.hidden_states is not None
    return np.asarray(output.hidden_states[0])


def _logits(output: ModelOutput) -> FloatArray:
    assert output.logits is not None
    return output.logits
