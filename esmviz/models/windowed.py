"""Any backend, for proteins of any length: what is too long for it runs in windows and comes back as one output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, starmap

import numpy as np

from esmviz.errors import SequenceTooLongError
from esmviz.models.base import Backend, Site, check_request, check_sites, outputs_of, read_only
from esmviz.models.windows import PairMean, ResidueMean, Windowing, most_central, windowing
from esmviz.types import (
    ContactHead,
    FloatArray,
    IntArray,
    KeepHeads,
    ModelOutput,
    ModelSpec,
    OverHeads,
    Precision,
    ProteinRecord,
    Request,
    Rollout,
    Thumbnails,
    Windows,
)

PAIRWISE = (KeepHeads, OverHeads, ContactHead)  # their results are maps (..., L, L)


@dataclass(frozen=True)
class Step:
    """So many residues of the protein with that index further; ``output`` is there once it is complete."""

    index: int
    n_residues: int
    output: ModelOutput | None


class WindowedBackend:
    """A backend that takes proteins of any length.

    Parameters
    ----------
    backend : Backend
    above : int
        Proteins of up to so many residues run in one piece where the model takes them.
    """

    def __init__(self, backend: Backend, above: int) -> None:
        self.backend = backend
        self.spec, self.revision, self.device = backend.spec, backend.revision, backend.device
        self.windowing = windowing(backend.spec, above)

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in order.

        Raises
        ------
        OutputNotProvidedError, SequenceTooLongError
            At once: for what the model does not give, and what cannot be put together from windows.
        """
        return (step.output for step in self.steps(records, request) if step.output is not None)

    def steps(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[Step]:
        """``run`` with a step after each window, so that others get their turn in between."""
        check_request(request, self.spec)
        for record in records:
            check_windows(record, self.windowing.windows(len(record)), request, self.spec)
        return self._steps(records, request)

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield which sites (k,) and the logits (k, A) there, each masked in the window where it is most central."""
        check_sites(sites, replace(self.spec, max_residues=None))
        return self.backend.run_masked(list(starmap(_Homes(self.windowing), sites)), precision)

    def _steps(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[Step]:
        first = 0
        for is_long, group in groupby(records, lambda record: bool(self.windowing.windows(len(record)))):
            some = list(group)
            if is_long:
                steps = self._in_windows(some, request)
            else:
                outputs = zip(some, self.backend.run(some, request), strict=True)
                steps = (Step(index, len(record), output) for index, (record, output) in enumerate(outputs))
            yield from (replace(step, index=first + step.index) for step in steps)
            first += len(some)

    def _in_windows(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[Step]:
        """The windows of all these proteins go to the backend as one list, so that they share its rows."""
        plans = [self.windowing.windows(len(record)) for record in records]
        pieces = [
            _piece(record, *window) for record, plan in zip(records, plans, strict=True) for window in plan
        ]
        outputs = self.backend.run(pieces, _of_a_window(request))
        for number, windows in enumerate(plans):
            stitched, done = _Stitched(windows, request), 0
            for index, (_, stop) in enumerate(windows):
                stitched.add(index, next(outputs))
                is_last = index == len(windows) - 1
                yield Step(number, stop - done, stitched.output() if is_last else None)
                done = stop


def check_windows(
    record: ProteinRecord,
    windows: Windows,
    request: Request,
    spec: ModelSpec,
    others: Mapping[str, ModelSpec] | None = None,
) -> None:
    """Refuse what cannot be put together from windows: `windows` of the protein, () for none.

    Raises
    ------
    SequenceTooLongError
        Names the models of ``others`` that give this of the protein in one piece, or the setting.
    """
    what = _needs_the_whole(request, spec) if windows else ""
    if not what:
        return
    able = [
        name
        for name, other in (others or {}).items()
        if outputs_of(request) <= other.provides and len(record) <= (other.max_residues or len(record))
    ]
    hint = "Take a part of it"
    if spec.max_residues is None or len(record) <= spec.max_residues:
        hint += ", or raise ESMVIZ_WINDOW_ABOVE"
    elif able:
        hint += f", or a model that takes it in one piece: {', '.join(able)}"
    raise SequenceTooLongError(
        f"{record.id} has {len(record)} residues, which {spec.name} reads in windows: {what} needs it in one piece.",
        f"{hint}.",
    )


def _needs_the_whole(request: Request, spec: ModelSpec) -> str:
    """What of a request cannot be put together from windows; empty when all of it can."""
    if request.structure:
        return "a fold"
    if any(isinstance(probe, Thumbnails) for probe in request.probes):
        return "the picture of all heads"
    if any(isinstance(probe, Rollout) for probe in request.probes):
        return "a rollout, whose way leads through the whole protein,"
    if not all(isinstance(probe, PAIRWISE) for probe in request.probes):
        return "a statistic of heads"
    if request.predictions and spec.predictor is not None and spec.predictor.unit == "proteins":
        return "a prediction for the whole protein"
    return ""


class _Stitched:
    """One output in the making, from those of its windows."""

    def __init__(self, windows: Windows, request: Request) -> None:
        self._windows, self._request = windows, request
        self._logits, self._hidden, self._predictions = (ResidueMean(windows) for _ in range(3))
        self._probes = {probe.key: PairMean(windows) for probe in request.probes}
        self._bos: list[FloatArray] = []
        self._precision = ""

    def add(self, index: int, output: ModelOutput) -> None:
        """Take the output of a window."""
        self._precision = output.precision
        if output.logits is not None:
            self._logits.add(index, output.logits)
        if output.predictions is not None:
            self._predictions.add(index, output.predictions)
        if output.hidden_states is not None:
            self._hidden.add(index, output.hidden_states)
        if output.pooled is not None:
            self._bos.append(output.pooled)
        for key, stitched in self._probes.items():
            stitched.add(index, output.probes[key])

    def output(self) -> ModelOutput:
        """All windows together."""
        hidden = self._hidden.result()
        keeps = self._request.keep_residues or self._request.pooling is None
        return ModelOutput(
            logits=_frozen(self._logits.result()),
            hidden_states=_frozen(hidden) if keeps else None,
            pooled=_frozen(self._pooled(hidden)),
            predictions=_frozen(self._predictions.result()),
            probes={key: read_only(stitched.result()) for key, stitched in self._probes.items()},
            precision=self._precision,
            windows=self._windows,
        )

    def _pooled(self, hidden: FloatArray | None) -> FloatArray | None:
        """(n, D): over the residues of the whole protein; of the start tokens, one a window, the plain mean."""
        if self._bos:
            return np.asarray(np.mean(self._bos, axis=0))
        if hidden is None or self._request.pooling is None:
            return None
        is_mean = self._request.pooling == "mean"
        return np.asarray(hidden.mean(axis=1, dtype=np.float64) if is_mean else hidden.max(axis=1))


def _of_a_window(request: Request) -> Request:
    """What to ask of each window: for mean and maximum the residues, which are pooled once they are together."""
    if request.pooling in (None, "bos"):
        return request
    return replace(request, pooling=None, keep_residues=True)


def _frozen(array: FloatArray | None) -> FloatArray | None:
    return None if array is None else read_only(array)


class _Homes:
    """Where each residue of a protein is most central: a window, cut out once, or the whole protein."""

    def __init__(self, windowing: Windowing) -> None:
        self._windowing = windowing
        self._record: ProteinRecord | None = None
        self._pieces: list[tuple[int, ProteinRecord]] = []  # with the residue that each begins at
        self._homes: IntArray = np.zeros(0, dtype=np.int64)

    def __call__(self, record: ProteinRecord, position: int) -> Site:
        if record is not self._record:
            windows = self._windowing.windows(len(record))
            self._record, self._pieces = (
                record,
                [(start, _piece(record, start, stop)) for start, stop in windows],
            )
            self._homes = most_central(windows) if windows else self._homes
        if not self._pieces:
            return record, position
        start, piece = self._pieces[self._homes[position]]
        return piece, position - start


def _piece(record: ProteinRecord, start: int, stop: int) -> ProteinRecord:
    return ProteinRecord(record.id, record.sequence[start:stop])
