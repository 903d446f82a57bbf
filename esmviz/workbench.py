"""Each use case once. Pages and the command line are two ways to call it."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from esmviz import maps
from esmviz.answers import PROJECTION, Case, digest
from esmviz.embedding import (
    CHUNK,
    embed_at_once,
    embed_steps,
    inspect_steps,
    masked_each,
    masked_steps,
)
from esmviz.errors import InvalidSequenceError
from esmviz.jobs import Context, Job
from esmviz.library import Library
from esmviz.models.base import check_request, resolve_layers
from esmviz.models.fold_memory import check_fold
from esmviz.types import (
    EmbeddingSet,
    FloatArray,
    IntArray,
    ModelOutput,
    Pooling,
    Precision,
    Projection,
    ProteinRecord,
    Request,
)

LOGITS = Request(logits=True)


class Workbench(Library):
    """The models of one process, and every use of them; see ``Library`` for its parameters."""

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

    def masked_each(
        self, records: Iterable[ProteinRecord], model: str, precision: Precision = "auto"
    ) -> Iterator[ModelOutput]:
        """``masked_logits`` of each protein, in their order; computed in rows that they share and not cached."""
        request, backend = self._normal(model, replace(LOGITS, precision=precision)), self.backend(model)
        asked = self.settings.precision if self.settings.precision != "auto" else request.precision
        yield from masked_each(backend, records, "float32" if asked == "auto" else asked)

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

        Equal sequences that are near each other are computed once: the latest vectors are remembered, apart from the
        results of pages, which a stream of any length would push out. Progress is reported in residues.
        """
        request = self._vector_request(model, layer, pooling, precision)
        steps = embed_steps(self.backend(model), records, request, self.streamed, context or Context())
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

    def submit_predict(
        self, records: Sequence[ProteinRecord], model: str, precision: Precision, *, visitor: str, slot: str
    ) -> Job:
        """Raw predictions for proteins as a job whose result is one EmbeddingSet."""
        request = self._normal(model, Request(predictions=True, precision=precision))
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

        def compute(context: Context) -> Projection:
            context.report(0, 0, note=f"Laying out a map of {len(embeddings.ids):,} proteins.")
            return maps.project(embeddings, method, params)

        case = Case(PROJECTION, key, compute)
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

        def compute(context: Context) -> Generator[None, None, IntArray]:
            context.report(0, 0, note=f"Looking for groups among {len(embeddings.ids):,} proteins.")
            return maps.cluster_steps(embeddings, method, params)

        case = Case(PROJECTION, key, compute)
        return self._answers.submit(case, visitor, slot)

    def _inspection(self, record: ProteinRecord, model: str, request: Request) -> Case:
        def compute(context: Context) -> Generator[None, None, ModelOutput]:
            return inspect_steps(self.backend(model), record, normal, context)

        self.check(record, model, request)
        normal = self._normal(model, request)
        case = Case(model, digest("inspect", model, normal, record.sequence), compute, len(record))
        if request.structure and not self._answers.knows(case):  # one under way has taken its memory already
            check_fold(record, self.spec(model), self.status(model).free_bytes)
        return case

    def _scan(self, record: ProteinRecord, model: str, precision: Precision) -> Case:
        def compute(context: Context) -> Generator[None, None, FloatArray]:
            return masked_steps(self.backend(model), record, precision, context)

        self.check(record, model, LOGITS)
        precision = self._precision(precision)
        n_residues = len(record) ** 2  # a pass for each of them
        return Case(model, digest("masked", model, precision, record.sequence), compute, n_residues)

    def _embedding(self, records: tuple[ProteinRecord, ...], model: str, request: Request) -> Case:
        def compute(context: Context) -> Generator[None, None, EmbeddingSet]:
            return embed_at_once(self.backend(model), records, request, self.results, context)

        if not records:
            raise InvalidSequenceError("There is no protein.", "Upload some first.")
        check = self.checker(model, request)
        for record in records:
            check(record)
        content = [(record.id, record.sequence) for record in records]
        return Case(model, digest("embed", model, request, content), compute, sum(map(len, records)))

    def _normal(self, model: str, request: Request) -> Request:
        """The request with names for layers and the precision of the settings: equal ones become equal."""
        layers = resolve_layers(request.layers, self.spec(model))
        return replace(request, layers=layers, precision=self._precision(request.precision))

    def _vector_request(self, model: str, layer: int, pooling: Pooling, precision: Precision) -> Request:
        request = Request(layers=(layer,), pooling=pooling, precision=precision)
        check_request(request, self.spec(model), self.specs())
        return self._normal(model, request)
