"""A real backend without weights: small, deterministic, and any two proteins differ. For tests."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from esmviz.errors import EsmvizError, UnknownModelError
from esmviz.models.base import (
    Backend,
    ModelStatus,
    Site,
    check_length,
    check_request,
    check_sites,
    read_only,
    resolve_layers,
    tokens,
)
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    FloatArray,
    HeadStatistic,
    IntArray,
    KeepHeads,
    ModelOutput,
    ModelSpec,
    OverHeads,
    Pooling,
    Precision,
    Probe,
    ProteinRecord,
    Request,
    Rollout,
    Thumbnails,
)

SPEC = ModelSpec(
    name="fake",
    family="fake",
    repo_id="",
    revision=None,
    n_layers=2,
    n_heads=2,
    d_model=8,
    n_parameters=0,
    max_residues=None,
    licence="MIT",
    provides=frozenset({"logits", "hidden_states", "attentions", "contacts"}),
    title="fake",
    note="No model at all: numbers made from hashes.",
    predicts_effects=False,
)


class FakeBackend:
    """A backend whose numbers are hashes of the sequence.

    Parameters
    ----------
    spec : ModelSpec
    seconds_per_record : float
        Sleep before each record or masked batch.
    fail_on : Mapping of str to Exception, optional
        Errors to raise in place of an output, by record id.
    before_each : callable, optional
        Called with each record before it is computed: a test's gate.

    Attributes
    ----------
    n_calls, n_records : int
        How often ``run`` or ``run_masked`` was begun, and how many outputs were computed.
    """

    def __init__(
        self,
        spec: ModelSpec = SPEC,
        *,
        seconds_per_record: float = 0.0,
        fail_on: Mapping[str, Exception] | None = None,
        before_each: Callable[[ProteinRecord], None] = lambda record: None,
    ) -> None:
        self.spec = spec
        self.revision = hashlib.sha256(spec.name.encode()).hexdigest()
        self.device = "cpu"
        self.n_calls = 0
        self.n_records = 0
        self._seconds_per_record = seconds_per_record
        self._fail_on = dict(fail_on or {})
        self._before_each = before_each

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in their order."""
        self.n_calls += 1
        check_request(request, self.spec)
        for record in records:
            check_length(record, self.spec)
        return self._run(records, request)

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield up to four sites at a time, and the logits there without that residue."""
        self.n_calls += 1
        check_request(Request(logits=True), self.spec)
        check_sites(sites, self.spec)
        return self._run_masked(sites)

    def _run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        for record in records:
            self._enter(record)
            yield self._output(record, request)

    def _run_masked(self, sites: Sequence[Site]) -> Iterator[tuple[IntArray, FloatArray]]:
        for first in range(0, len(sites), 4):
            some = sites[first : first + 4]
            self._enter(some[0][0])
            rows = [self._logits(r.sequence[:i] + "?" + r.sequence[i + 1 :])[i] for r, i in some]
            yield np.arange(first, first + len(some)), read_only(np.stack(rows))

    def _enter(self, record: ProteinRecord) -> None:
        self._before_each(record)
        time.sleep(self._seconds_per_record)
        if record.id in self._fail_on:
            raise self._fail_on[record.id]
        tokens(record)
        self.n_records += 1

    def _output(self, record: ProteinRecord, request: Request) -> ModelOutput:
        layers = resolve_layers(request.layers, self.spec)
        states = [self._states(record.sequence, layer) for layer in layers]
        keep = bool(layers) and (request.keep_residues or request.pooling is None)
        return ModelOutput(
            logits=read_only(self._logits(record.sequence)) if request.logits else None,
            hidden_states=read_only(np.stack([x[1:-1] for x in states])) if keep else None,
            pooled=read_only(np.stack([_pool(x, request.pooling) for x in states]))
            if layers and request.pooling
            else None,
            probes={probe.key: read_only(self._probe(record.sequence, probe)) for probe in request.probes},
            predictions=read_only(self._predictions(record.sequence)) if request.predictions else None,
            precision="float32" if request.precision == "auto" else request.precision,
        )

    def _states(self, sequence: str, layer: int) -> FloatArray:
        """(L + 2, D): one row per letter, the ends included, with a shade of the protein from layer 1 on."""
        rows = np.stack(
            [self._noise("letter", layer, letter, self.spec.d_model) for letter in f"<{sequence}>"]
        )
        shade = self._noise("protein", layer, sequence, self.spec.d_model)
        return rows + np.float32(0.1 * layer) * shade

    def _logits(self, sequence: str) -> FloatArray:
        """(L, A)"""
        rows = [self._noise("logits", 0, letter, len(AMINO_ACIDS)) for letter in sequence]
        return np.stack(rows) + self._noise("logits", 1, sequence, len(sequence), 1)

    def _predictions(self, sequence: str) -> FloatArray:
        """(K,) of the protein, or (L, K) of its residues, each after its letter."""
        assert self.spec.predictor is not None
        n_classes = len(self.spec.predictor.classes)
        if self.spec.predictor.unit == "proteins":
            return self._noise("prediction", 0, sequence, n_classes)
        return np.stack([self._noise("prediction", 0, letter, n_classes) for letter in sequence])

    def _attention(self, sequence: str, layer: int) -> FloatArray:
        """(H, L, L): rows sum to less than 1, as the ends take their share."""
        return np.asarray(self._weights(sequence, layer)[:, 1:-1, 1:-1])

    def _weights(self, sequence: str, layer: int) -> FloatArray:
        """(H, L + 2, L + 2): rows sum to 1."""
        size = len(sequence) + 2
        weights = np.exp(self._noise("attention", layer, sequence, self.spec.n_heads, size, size))
        return np.asarray(weights / weights.sum(-1, keepdims=True))

    def _probe(self, sequence: str, probe: Probe) -> FloatArray:
        match probe:
            case KeepHeads(layer=layer, heads=heads):
                return self._attention(sequence, layer)[list(heads)]
            case OverHeads(first=first, last=last, how=how):
                maps = np.concatenate([self._attention(sequence, n) for n in range(first, last + 1)])
                return np.asarray(maps.mean(0) if how == "mean" else maps.max(0))
            case ContactHead():
                strength = self._noise("contacts", 0, sequence, len(sequence), len(sequence))
                return np.asarray(1 / (1 + np.exp(-(strength + strength.T))))
            case Rollout(first=first, last=last):
                flow = np.eye(len(sequence) + 2, dtype=np.float32)
                for n in range(first, last + 1):
                    flow = (self._weights(sequence, n).mean(0) @ flow + flow) / 2
                return np.asarray(flow[1:-1, 1:-1])
            case HeadStatistic(name=name):
                return np.abs(self._noise(name, 0, sequence, self.spec.n_layers, self.spec.n_heads))
            case Thumbnails(size=size):
                return self._thumbnails(sequence, min(len(sequence), size))

    def _thumbnails(self, sequence: str, n_blocks: int) -> FloatArray:
        edges = np.arange(n_blocks + 1) * len(sequence) // n_blocks
        share = np.zeros((n_blocks, len(sequence)), dtype=np.float32)
        for block in range(n_blocks):
            share[block, edges[block] : edges[block + 1]] = 1 / (edges[block + 1] - edges[block])
        maps = np.stack([self._attention(sequence, n + 1) for n in range(self.spec.n_layers)])
        return np.asarray(share @ maps @ share.T)

    def _noise(self, what: str, layer: int, text: str, *shape: int) -> FloatArray:
        seed = hashlib.sha256(f"{self.spec.name}|{what}|{layer}|{text}".encode()).digest()
        generator = np.random.default_rng(int.from_bytes(seed[:16], "big"))
        noise: FloatArray = generator.standard_normal(shape, dtype=np.float32)
        return noise


def _pool(states: FloatArray, how: Pooling | None) -> FloatArray:
    if how == "bos":
        return np.asarray(states[0])
    return np.asarray(states[1:-1].mean(0) if how == "mean" else states[1:-1].max(0))


class FakeModels:
    """Stands in for ModelCache: every backend given is present and loaded."""

    device = "cpu"

    def __init__(self, *backends: Backend) -> None:
        self.backends: dict[str, Backend] = {b.spec.name: b for b in backends or (FakeBackend(),)}
        self.downloaded: list[str] = []

    def specs(self) -> dict[str, ModelSpec]:
        return {name: backend.spec for name, backend in self.backends.items()}

    def spec(self, name: str) -> ModelSpec:
        return self.backend(name).spec

    def backend(self, name: str) -> Backend:
        """The backend of that name; as with the real cache, an unknown one is an error."""
        if name not in self.backends:
            raise UnknownModelError(f"There is no model {name!r}.", f"There are {', '.join(self.backends)}.")
        return self.backends[name]

    def status(self, name: str) -> ModelStatus:
        self.backend(name)
        return ModelStatus(present=True, loaded=True, needed_bytes=0, free_bytes=1 << 30, fits=True)

    def drop_idle(self) -> bool:
        return False

    def download(
        self, name: str, progress: Callable[[int, int], None], cancel: Callable[[], bool] = lambda: False
    ) -> None:
        self.backend(name)
        if cancel():
            raise EsmvizError("Stopped.")
        progress(1, 1)
        self.downloaded.append(name)
