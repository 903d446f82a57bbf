"""Several models as one: the mean of what its members expect. It holds no weights; its members come from a cache."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from esmviz.models.base import Backend, ModelStatus, Site, check_length, check_request, check_sites, read_only
from esmviz.models.batching import PACK_TOKENS, packs
from esmviz.types import (
    AMINO_ACIDS,
    FloatArray,
    IntArray,
    ModelOutput,
    ModelSpec,
    Precision,
    ProteinRecord,
    Request,
)

# Rows that a member computes before the next one replaces it in memory: loading 2.6 GB takes as long as a row or two.
ROWS_OF_A_TURN = 16


class Members(Protocol):
    """Where the members come from; a ModelCache."""

    def backend(self, name: str) -> Backend:
        """A loaded model."""
        ...

    def status(self, name: str) -> ModelStatus:
        """Of the ensemble: whether all its members are loaded."""
        ...


class EnsembleBackend:
    """Logits of an ensemble: log-softmax of the mean of its members' log-probabilities of the 20 amino acids.

    A mutation's score is then the mean of the members' scores, as ESM-1v's ensemble is defined: Meier et al. 2021,
    10.1101/2021.07.09.450648; their ``examples/variant-prediction/predict.py`` scores each member by the difference of
    two log-probabilities, and ProteinGym's ``compute_fitness.py`` takes the mean of the five scores.

    Members take turns and nothing of one is kept while the next computes but its log-probabilities. Where all are
    loaded a turn is one row of tokens; where they make room for each other in the cache it is ``ROWS_OF_A_TURN``
    rows, and every other turn goes backwards, the first too, so that the member used last is used again.

    Parameters
    ----------
    spec : ModelSpec
        With ``members``.
    revisions : sequence of str
        Of each member; the ensemble's own is the SHA-256 of all.
    models : Members
    device : str
    max_tokens : int, optional
        Tokens of one row; by default what suits the device.
    """

    def __init__(
        self,
        spec: ModelSpec,
        revisions: Sequence[str],
        models: Members,
        *,
        device: str = "cpu",
        max_tokens: int | None = None,
    ) -> None:
        self.revision = hashlib.sha256("\n".join(revisions).encode()).hexdigest()
        self.spec, self.device = replace(spec, revision=self.revision), device
        self._models = models
        self._max_tokens = max_tokens or PACK_TOKENS[device.partition(":")[0]]

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in order.

        Raises
        ------
        OutputNotProvidedError, SequenceTooLongError
            At once, before anything is computed.
        """
        check_request(request, self.spec)
        for record in records:
            check_length(record, self.spec)
        return self._run(records, request)

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield which sites (k,) and the logits (k, A) at each when that residue alone is masked; k is 0 after a batch
        of any member but the last.
        """
        check_request(Request(logits=True), self.spec)
        check_sites(sites, self.spec)
        return self._run_masked(sites, precision)

    def _run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        lengths = [len(record) + 2 for record in records]
        asked = Request(logits=True, precision=request.precision)
        start, forwards = 0, False
        while start < len(records):
            n = len(next(packs(lengths[start:], self._turn())))
            some = records[start : start + n]
            sums = [np.zeros((len(record), len(AMINO_ACIDS))) for record in some]
            for name in self._order(forwards):
                for index, output in enumerate(self._models.backend(name).run(some, asked)):
                    sums[index] += _log_softmax(output.logits)
                    if name == self._last(forwards):
                        logits = self._mean(sums[index]) if request.logits else None
                        yield replace(output, logits=logits)
            start, forwards = start + n, not forwards

    def _run_masked(
        self, sites: Sequence[Site], precision: Precision
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        nothing = np.zeros(0, dtype=np.int64), read_only(np.zeros((0, len(AMINO_ACIDS))))
        lengths = [len(record) + 2 for record, _ in sites]
        start, forwards = 0, False
        while start < len(sites):
            some = sites[start : start + len(next(packs(lengths[start:], self._turn())))]
            sums = np.zeros((len(some), len(AMINO_ACIDS)))
            for name in self._order(forwards):
                done = 0
                for found, logits in self._models.backend(name).run_masked(some, precision):
                    rows = slice(done, done + len(found))
                    sums[rows] += _log_softmax(logits)
                    done = rows.stop
                    yield (found + start, self._mean(sums[rows])) if name == self._last(forwards) else nothing
            start, forwards = start + len(some), not forwards

    def _turn(self) -> int:
        """Tokens that a member computes before the next one's turn."""
        is_loaded = self._models.status(self.spec.name).loaded
        return self._max_tokens * (1 if is_loaded else ROWS_OF_A_TURN)

    def _order(self, forwards: bool) -> Sequence[str]:
        return self.spec.members if forwards else self.spec.members[::-1]

    def _last(self, forwards: bool) -> str:
        return self._order(forwards)[-1]

    def _mean(self, sums: NDArray[np.float64]) -> FloatArray:
        return read_only(_log_softmax(sums / len(self.spec.members)))


def _log_softmax(logits: NDArray[np.floating] | None) -> NDArray[np.float64]:
    """Natural logarithm of the probabilities along the last axis.

    >>> np.exp(_log_softmax(np.array([0.0, 0.0, 1000.0])))
    array([0., 0., 1.])
    """
    assert logits is not None
    shifted = logits - logits.max(-1, keepdims=True).astype(np.float64)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))
