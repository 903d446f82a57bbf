"""Models behind the BioLM wire format: BioLM's own server, or another esmviz."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from esmviz.errors import ServiceError
from esmviz.models.base import Site, check_records, check_sites, read_only, resolve_layers
from esmviz.models.courier import Courier, parsed
from esmviz.models.hosted import PRECISION, Server
from esmviz.models.replies import ABOUT_PROTEINS, blaming, by_amino_acid, naming, numbers
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    FloatArray,
    IntArray,
    ModelOutput,
    ModelSpec,
    Precision,
    ProteinRecord,
    Request,
)

MOST_ITEMS = 8  # a request, where the server's schema does not say
SPLIT = ABOUT_PROTEINS | {500}  # refusals of a batch that one of its proteins can be the cause of
MOST_NUMBERS = 4_000_000  # that one reply may hold: some 80 MB of JSON


class BiolmBackend:
    """One model of a server.

    Parameters
    ----------
    spec : ModelSpec
    slug : str
        Its name in the server's addresses.
    server : Server
    courier : Courier, optional

    Raises
    ------
    ServiceError
        The server is out of reach, refuses, or has a model of another shape under that name.
    """

    def __init__(self, spec: ModelSpec, slug: str, server: Server, courier: Courier | None = None) -> None:
        self.spec, self.revision, self.device = spec, str(spec.revision), "hosted"
        self._courier = Courier(server, "Token") if courier is None else courier
        self._base, self._slug = server.url.rstrip("/"), slug
        with naming(spec.name):
            self._first_layer = self._layer_offset()
            self.most_items = self._limit()

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in their order, one request at a time."""
        check_records(records, request, self.spec)
        return self._run(records, request)

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield which sites and the logits there without that residue, one request at a time."""
        check_records([record for record, _ in sites], Request(logits=True), self.spec)
        check_sites(sites, self.spec)
        return self._run_masked(sites)

    def _run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        for batch in self._batches([self._size(len(record), request) for record in records]):
            yield from self._outputs(records[batch.start : batch.stop], request)

    def _outputs(self, batch: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Of a batch; where the server refuses it, of its proteins one by one, so that only the culprit fails."""
        items = [{"sequence": record.sequence} for record in batch]
        try:
            results = self._ask("encode", items, self._parameters(request))
        except ServiceError as error:
            if len(batch) > 1 and error.status in SPLIT:
                for record in batch:
                    yield from self._outputs([record], request)
                return
            with blaming(batch[0]) if len(batch) == 1 else naming(f"{batch[0].id} to {batch[-1].id}"):
                raise
        for record, result in zip(batch, results, strict=True):
            with naming(record.id):
                output = self._output(record, request, result)
            yield output

    def _run_masked(self, sites: Sequence[Site]) -> Iterator[tuple[IntArray, FloatArray]]:
        for batch in self._batches([len(record) * len(AMINO_ACIDS) for record, _ in sites]):
            some = sites[batch.start : batch.stop]
            first, last = some[0][0].id, some[-1][0].id
            with naming(first if first == last else f"{first} to {last}"):
                results = self._ask("predict", [{"sequence": _masked(*site)} for site in some])
                logits = [
                    _logits(result, len(record))[position]
                    for (record, position), result in zip(some, results, strict=True)
                ]
            yield np.arange(batch.start, batch.stop), read_only(np.stack(logits))

    def _batches(self, sizes: Sequence[int]) -> Iterator[range]:
        """As many as the server takes and one reply should hold, at least one; ``sizes`` are numbers in the reply."""
        start, held = 0, 0
        for index, size in enumerate(sizes):
            if index > start and (index - start == self.most_items or held + size > MOST_NUMBERS):
                yield range(start, index)
                start, held = index, 0
            held += size
        if sizes:
            yield range(start, len(sizes))

    def _size(self, n: int, request: Request) -> int:
        """Numbers in the reply for a protein of so many residues."""
        rows = n if _needs_residues(request) else 1
        vectors = len(request.layers) * rows * self.spec.d_model
        return vectors + n * len(AMINO_ACIDS) * request.logits + n * n * len(request.probes)

    def _parameters(self, request: Request) -> dict[str, Any]:
        include = ["logits"] * request.logits + ["contacts"] * bool(request.probes)
        if not request.layers:
            return {"include": include}
        include += ["per_token"] * _needs_residues(request)
        include += [how for how in ("mean", "bos") if how == request.pooling]
        layers = dict.fromkeys(resolve_layers(request.layers, self.spec))
        return {"repr_layers": [layer - self._first_layer for layer in layers], "include": include}

    def _output(self, record: ProteinRecord, request: Request, result: dict[str, Any]) -> ModelOutput:
        if "error" in result:
            raise self._courier.refusal(result)
        n = len(record)
        states, pooled = self._vectors(n, request, result) if request.layers else (None, None)
        contacts = numbers(result.get("contacts"), (n, n), "contacts") if request.probes else None
        return ModelOutput(
            logits=read_only(_logits(result, n)) if request.logits else None,
            hidden_states=None if states is None else read_only(states),
            pooled=None if pooled is None else read_only(pooled),
            probes={} if contacts is None else {ContactHead().key: read_only(contacts)},
            precision=PRECISION,
        )

    def _vectors(
        self, n: int, request: Request, result: dict[str, Any]
    ) -> tuple[FloatArray | None, FloatArray | None]:
        """Hidden states (n, L, D) and pooled vectors (n, D) that a request asks for."""
        how, width = request.pooling, self.spec.d_model
        states = pooled = None
        if _needs_residues(request):
            found = result.get("residue_embeddings", result.get("per_token_embeddings"))
            states = self._by_layer(found, "embeddings", (n, width), request)
        if how in ("mean", "bos"):
            found = result.get("embeddings" if how == "mean" else "bos_embeddings")
            pooled = self._by_layer(found, "embedding", (width,), request)
        elif states is not None and how == "max":
            pooled = np.asarray(states.max(axis=1))
        return states if request.keep_residues or how is None else None, pooled

    def _by_layer(self, rows: Any, key: str, shape: tuple[int, ...], request: Request) -> FloatArray:
        """Arrays of the layers asked for, in that order; the server has an order of its own."""
        found = {
            row.get("layer"): row.get(key)
            for row in (rows if isinstance(rows, list) else [])
            if isinstance(row, dict) and isinstance(row.get("layer"), int)
        }
        wanted = [layer - self._first_layer for layer in resolve_layers(request.layers, self.spec)]
        return np.stack(
            [numbers(found.get(layer), shape, f"embeddings of layer {layer}") for layer in wanted]
        )

    def _ask(
        self, action: str, items: list[dict[str, str]], parameters: dict[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """One result per item, in their order."""
        body = {"items": items} | ({"params": parameters} if parameters else {})
        host = self._courier.server.host
        data = parsed(self._courier.post(f"{self._base}/{self._slug}/{action}/", json=body), host)
        results = data.get("results")
        if not isinstance(results, list):
            raise self._courier.refusal(data)
        if len(results) != len(items) or not all(isinstance(result, dict) for result in results):
            raise ServiceError(f"{host} sent {len(results)} results for {len(items)} proteins.")
        return results

    def _layer_offset(self) -> int:
        """What our name of a layer has over the server's, seen in its answer for one alanine: 0, or 1 where it
        counts the outputs of blocks. Its width is compared as well, before any protein is sent.
        """
        parameters = {"repr_layers": [-1], "include": ["mean"]}
        [result] = self._ask("encode", [{"sequence": "A"}], parameters)
        match result.get("embeddings"):
            case [{"layer": int(last), "embedding": vector}]:
                numbers(vector, (self.spec.d_model,), "embeddings")
                counts_blocks = self.spec.layers[0] > 0 and self.spec.layers[-1] < self.spec.n_layers
                if last == self.spec.n_layers or (counts_blocks and last == self.spec.n_layers - 1):
                    return self.spec.n_layers - last
                raise ServiceError(
                    f"the server's last layer is {last}, not {self.spec.n_layers}: another model."
                )
        raise ServiceError("the server's reply has no embeddings.")

    def _limit(self) -> int:
        """Items that one request may have."""
        try:
            response = self._courier.get(f"{self._base}/schema/{self._slug}/encode/")
            schema = parsed(response, self._courier.server.host)
        except ServiceError:  # a courtesy that not every server has
            return MOST_ITEMS
        match schema:
            case {"properties": {"items": {"maxItems": int(limit)}}} if limit > 0:
                return limit
        return MOST_ITEMS


def _masked(record: ProteinRecord, position: int) -> str:
    return f"{record.sequence[:position]}<mask>{record.sequence[position + 1 :]}"


def _needs_residues(request: Request) -> bool:
    """Whether hidden states of every residue have to come; means and BOS come as they are."""
    return bool(request.layers) and (request.keep_residues or request.pooling in (None, "max"))


def _logits(result: dict[str, Any], n: int) -> FloatArray:
    """Logits (L, A) of a result."""
    logits = numbers(result.get("logits"), (n, None), "logits")
    letters = result.get("vocab_tokens")
    return by_amino_acid(logits, letters if isinstance(letters, list) else [])
