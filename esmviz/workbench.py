"""Each use case once. Pages and the command line are two ways to call it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from esmviz import maps
from esmviz.answers import PROJECTION, Answers, Case, digest, model_cache
from esmviz.checks import checker
from esmviz.embedding import CHUNK, embed_at_once, embed_steps, inspect_steps, masked_steps
from esmviz.errors import InvalidSequenceError
from esmviz.jobs import Context, Job, Queue
from esmviz.models.base import ModelStatus, check_request, resolve_layers
from esmviz.models.windowed import WindowedBackend
from esmviz.results import Results
from esmviz.settings import Settings
from esmviz.types import (
    EmbeddingSet,
    FloatArray,
    IntArray,
    ModelOutput,
    ModelSpec,
    Pooling,
    Precision,
    Projection,
    ProteinRecord,
    Provenance,
    Request,
    Windows,
)
from esmviz.uploads import Limits

if TYPE_CHECKING:
    from esmviz.models.cache import ModelCache

WARM_UP_PAUSE_SECONDS = 10  # compiling UMAP slows everything else for as long; the first figures come first
LOGITS = Request(logits=True)


class Workbench:
    """Settings, models, queue and results of one process.

    Parameters
    ----------
    settings : Settings
    allow_paths : bool
        Take a folder's path for a model's name: for the command line, never for the web.
    models : ModelCache, optional
        By default the catalogue and the models that the settings name.
    queue : Queue, optional
    """

    def __init__(
        self,
        settings: Settings,
        *,
        allow_paths: bool = False,
        models: ModelCache | None = None,
        queue: Queue | None = None,
    ) -> None:
        self.settings = settings
        self.models = model_cache(settings, allow_paths) if models is None else models
        self.queue = Queue(settings.heartbeat_seconds) if queue is None else queue
        self.results = Results(settings.cache_mb << 20)
        self._answers = Answers(self.models, self.queue, self.results, settings.window_above)

    @property
    def limits(self) -> Limits:
        """What one upload may bring."""
        s = self.settings
        return Limits(s.max_upload_mb << 20, s.max_records, s.max_residues, s.max_length)

    def specs(self) -> dict[str, ModelSpec]:
        """All models that can be chosen, by name."""
        return self.models.specs()

    def spec(self, model: str) -> ModelSpec:
        """One model's facts; UnknownModelError lists what there is."""
        return self.models.spec(model)

    def status(self, model: str) -> ModelStatus:
        """Whether the model is on this machine and would fit in memory."""
        return self.models.status(model)

    def backend(self, model: str) -> WindowedBackend:
        """The loaded model, for proteins of any length; loads it on first use."""
        return self._answers.backend(model)

    def check(self, record: ProteinRecord, model: str, request: Request) -> None:
        """Refuse what cannot be computed, before any work; see ``checker``."""
        self.checker(model, request)(record)

    def checker(self, model: str, request: Request) -> Callable[[ProteinRecord], None]:
        """What refuses the records of a set, one by one; what the model cannot give is refused at once."""
        return checker(self.spec(model), self.specs(), request, self.settings, self.status)

    def provenance(
        self,
        model: str,
        *,
        precision: str = "float32",
        layer: int | None = None,
        head: int | None = None,
        windows: Windows = (),
    ) -> Provenance:
        """Where a picture or a file comes from. The revision of a local model is known once it is loaded."""
        revision = self._answers.revision(model) or self.spec(model).revision or ""
        return Provenance(model, revision, precision, layer, head, windows)

    def inspect(
        self, record: ProteinRecord, model: str, request: Request, context: Context | None = None
    ) -> ModelOutput:
        """What one forward pass over one protein gives, cached by content; refuses what ``check`` does."""
        output: ModelOutput = self._answers.now(self._inspection(record, model, request), context)
        return output

    def inspect_each(
        self, records: Iterable[ProteinRecord], model: str, request: Request
    ) -> Iterator[ModelOutput]:
        """What a forward pass gives for each protein, in their order; computed in batches and not cached."""
        request, backend = self._normal(model, request), self.backend(model)
        remaining = iter(records)
        while chunk := list(islice(remaining, CHUNK)):
            yield from backend.run(chunk, request)

    def masked_logits(
        self,
        record: ProteinRecord,
        model: str,
        precision: Precision = "float32",
        context: Context | None = None,
    ) -> FloatArray:
        """Logits (L, A) of each residue with that residue masked: L forward passes.

        Reports partial results of the same shape, NaN where nothing is known yet.
        """
        logits: FloatArray = self._answers.now(self._scan(record, model, precision), context)
        return logits

    def embed(
        self,
        records: Iterable[ProteinRecord],
        model: str,
        *,
        layer: int = -1,
        pooling: Pooling = "mean",
        precision: Precision = "auto",
        context: Context | None = None,
    ) -> Iterator[EmbeddingSet]:
        """One vector for each protein, streamed in chunks in their order, so that memory stays flat.

        Each sequence is computed once; vectors are cached by content. Progress is reported in residues.
        """
        request = self._vector_request(model, layer, pooling, precision)
        steps = embed_steps(self.backend(model), records, request, self.results, context or Context())
        return (chunk for chunk in steps if chunk is not None)

    def project(self, embeddings: EmbeddingSet, *, method: str = "umap", **params: Any) -> Projection:
        """The set on a map: ``umap`` or ``pca``. Through the queue, one at a time in the process."""
        projection: Projection = self.submit_project(embeddings, method=method, **params).result()
        return projection

    def cluster(self, embeddings: EmbeddingSet, *, method: str = "hdbscan", **params: Any) -> IntArray:
        """Cluster of each protein, -1 for noise: ``hdbscan`` or ``kmeans``."""
        clusters: IntArray = self.submit_cluster(embeddings, method=method, **params).result()
        return clusters

    # The same for pages: a Job at once, done already when the result is cached.

    def submit_inspect(
        self, record: ProteinRecord, model: str, request: Request, *, visitor: str = "", slot: str = ""
    ) -> Job:
        """``inspect`` as a job; what ``check`` refuses is raised here, at once."""
        return self._answers.submit(self._inspection(record, model, request), visitor, slot)

    def submit_masked(
        self,
        record: ProteinRecord,
        model: str,
        precision: Precision = "float32",
        *,
        visitor: str = "",
        slot: str = "",
    ) -> Job:
        """``masked_logits`` as a job; its ``partial`` is (L, A) too."""
        return self._answers.submit(self._scan(record, model, precision), visitor, slot)

    def submit_embed(
        self,
        records: Sequence[ProteinRecord],
        model: str,
        *,
        layer: int = -1,
        pooling: Pooling = "mean",
        precision: Precision = "auto",
        visitor: str = "",
        slot: str = "",
    ) -> Job:
        """``embed`` as a job whose result is one EmbeddingSet."""
        request = self._vector_request(model, layer, pooling, precision)
        return self._answers.submit(self._embedding(tuple(records), model, request), visitor, slot)

    def submit_project(
        self,
        embeddings: EmbeddingSet,
        *,
        method: str = "umap",
        visitor: str = "",
        slot: str = "",
        **params: Any,
    ) -> Job:
        """``project`` as a job."""
        key = digest(PROJECTION, method, sorted(params.items()), embeddings.ids, embeddings.vectors.tobytes())
        case = Case(PROJECTION, key, lambda context: maps.project(embeddings, method, params))
        return self._answers.submit(case, visitor, slot)

    def submit_cluster(
        self,
        embeddings: EmbeddingSet,
        *,
        method: str = "hdbscan",
        visitor: str = "",
        slot: str = "",
        **params: Any,
    ) -> Job:
        """``cluster`` as a job."""
        key = digest("cluster", method, sorted(params.items()), embeddings.vectors.tobytes())
        case = Case(PROJECTION, key, lambda context: maps.cluster(embeddings, method, params))
        return self._answers.submit(case, visitor, slot)

    def submit_download(self, model: str, *, visitor: str = "", slot: str = "") -> Job:
        """Bring a model's files to this machine; progress in bytes."""
        self.spec(model)

        def function(context: Context) -> None:
            self.models.download(
                model, lambda done, total: context.report(done, total, "bytes"), lambda: context.cancelled
            )

        return self.queue.submit("download", model, function, visitor=visitor, slot=slot)

    def warm_up(self) -> None:
        """Load the default model, then compile UMAP, behind the scenes. What fails shows at first use."""

        def load(context: Context) -> None:
            self.backend(model)
            gc.collect()
            gc.freeze()  # what was imported stays: no later collection need walk its million objects
            compiling.start()

        compile_umap = (PROJECTION, "compile", lambda context: maps.warm_up())
        compiling = threading.Timer(WARM_UP_PAUSE_SECONDS, self.queue.submit, compile_umap)
        model, compiling.daemon = self.settings.default_model, True
        self.queue.submit(model, "load", load)

    def _inspection(self, record: ProteinRecord, model: str, request: Request) -> Case:
        def compute(context: Context) -> Generator[None, None, ModelOutput]:
            return inspect_steps(self.backend(model), record, normal, context)

        self.check(record, model, request)
        normal = self._normal(model, request)
        return Case(model, digest("inspect", model, normal, record.sequence), compute)

    def _scan(self, record: ProteinRecord, model: str, precision: Precision) -> Case:
        def compute(context: Context) -> Generator[None, None, FloatArray]:
            return masked_steps(self.backend(model), record, precision, context)

        self.check(record, model, LOGITS)
        precision = self._precision(precision)
        return Case(model, digest("masked", model, precision, record.sequence), compute)

    def _embedding(self, records: tuple[ProteinRecord, ...], model: str, request: Request) -> Case:
        def compute(context: Context) -> Generator[None, None, EmbeddingSet]:
            return embed_at_once(self.backend(model), records, request, self.results, context)

        if not records:
            raise InvalidSequenceError("There is no protein to embed.", "Upload some first.")
        check = self.checker(model, request)
        for record in records:
            check(record)
        content = [(record.id, record.sequence) for record in records]
        return Case(model, digest("embed", model, request, content), compute)

    def _normal(self, model: str, request: Request) -> Request:
        """The request with names for layers and the precision of the settings: equal ones become equal."""
        layers = resolve_layers(request.layers, self.spec(model))
        return replace(request, layers=layers, precision=self._precision(request.precision))

    def _vector_request(self, model: str, layer: int, pooling: Pooling, precision: Precision) -> Request:
        request = Request(layers=(layer,), pooling=pooling, precision=precision)
        check_request(request, self.spec(model), self.specs())
        return self._normal(model, request)

    def _precision(self, precision: Precision) -> Precision:
        return self.settings.precision if precision == "auto" else precision
