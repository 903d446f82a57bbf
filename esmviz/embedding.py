"""Work of many forward passes, in steps between which others get their turn: embedding, masked marginals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from esmviz.folding import fold
from esmviz.jobs import Context
from esmviz.models.base import read_only, sites
from esmviz.models.windowed import WindowedBackend
from esmviz.results import Results
from esmviz.types import (
    AMINO_ACIDS,
    EmbeddingKey,
    EmbeddingSet,
    FloatArray,
    IntArray,
    ModelOutput,
    Precision,
    ProteinRecord,
    Request,
)

CHUNK = 1024  # proteins whose vectors are in memory at once while a set is embedded
MASKED_CHUNK = 64  # proteins whose positions share rows: enough to fill these, few enough to hold


def inspect_steps(
    backend: WindowedBackend, record: ProteinRecord, request: Request, context: Context
) -> Generator[None, None, ModelOutput]:
    """What one forward pass over one protein gives; of a long one a step is a window."""
    if request.structure:
        return fold(backend, record, context)
    done = 0
    for step in backend.steps([record], request):
        done += step.n_residues
        context.report(done, len(record))
        if step.output is not None:
            return step.output
        yield
    raise AssertionError("the last step brings the output")


def masked_steps(
    backend: WindowedBackend, record: ProteinRecord, precision: Precision, context: Context
) -> Generator[None, None, FloatArray]:
    """Logits (L, A) of each residue with that residue masked; a step is a batch of positions.

    Partial results have the same shape, NaN where nothing is known yet.
    """
    logits = np.full((len(record), len(AMINO_ACIDS)), np.nan, dtype=np.float32)
    done = 0
    for positions, values in backend.run_masked(sites(record), precision):
        logits[positions] = values
        done += len(positions)
        context.report(done, len(record), "positions", partial=read_only(logits.copy()))
        yield
    return read_only(logits)


def masked_each(
    backend: WindowedBackend, records: Iterable[ProteinRecord], precision: Precision
) -> Iterator[ModelOutput]:
    """What ``masked_steps`` gives, for proteins in their order; their positions share rows."""
    remaining = iter(records)
    while chunk := list(islice(remaining, MASKED_CHUNK)):
        rows = _rows(backend.run_masked([site for record in chunk for site in sites(record)], precision))
        for record in chunk:
            logits = read_only(np.stack(list(islice(rows, len(record)))))
            windows = backend.windowing.windows(len(record))
            yield ModelOutput(logits=logits, precision=precision, windows=windows)


def _rows(batches: Iterable[tuple[IntArray, FloatArray]]) -> Iterator[FloatArray]:
    """The logits (A,) of one site after the other, which come in their order."""
    return (row for _, logits in batches for row in logits)


def embed_steps(
    backend: WindowedBackend,
    records: Iterable[ProteinRecord],
    request: Request,
    results: Results,
    context: Context,
) -> Generator[EmbeddingSet | None, None, None]:
    """Vectors of a set, in its order; yields None after each protein or window of one, and a chunk when one
    is full.

    Parameters
    ----------
    request : Request
        One layer, as a name, and how to pool it; or predictions of proteins, which are the vectors then.
    results : Results
        Vectors known already are taken from it and new ones are put into it.
    """
    total = sum(map(len, records)) if isinstance(records, Sequence) else 0
    remaining = iter(records)
    done = 0
    while chunk := tuple(islice(remaining, CHUNK)):
        keys = [_key(backend, request, record) for record in chunk]
        copies = Counter(keys)
        known = {key: results.get(key) for key in copies}
        missing = {key: record for key, record in zip(keys, chunk, strict=True) if known[key] is None}
        missing = dict(sorted(missing.items(), key=lambda item: len(item[1])))  # equal lengths attend as one
        order = list(missing)
        done += sum(len(record) for key, record in zip(keys, chunk, strict=True) if key not in missing)
        for step in backend.steps(list(missing.values()), request):
            key = order[step.index]
            if step.output is not None:
                known[key] = (_vector(step.output), step.output.precision)
                results.put(key, known[key], known[key][0].nbytes)
            done += step.n_residues * copies[key]
            context.report(done, max(done, total))
            yield None
        vectors = read_only(np.stack([known[key][0] for key in keys]))
        yield EmbeddingSet(
            ids=tuple(record.id for record in chunk),
            vectors=vectors,
            model=backend.spec.name,
            revision=backend.revision,
            layer=_layer(backend, request),
            pooling=_pooling(request),
            precision=known[keys[0]][1],
            windows=tuple(backend.windowing.windows(len(record)) for record in chunk),
        )


def embed_at_once(
    backend: WindowedBackend,
    records: Sequence[ProteinRecord],
    request: Request,
    results: Results,
    context: Context,
) -> Generator[None, None, EmbeddingSet]:
    """``embed_steps`` of at least one protein, returning all chunks as one set."""
    chunks = []
    for chunk in embed_steps(backend, records, request, results, context):
        if chunk is not None:
            chunks.append(chunk)
        yield
    return replace(
        chunks[0],
        ids=tuple(name for chunk in chunks for name in chunk.ids),
        vectors=read_only(np.concatenate([chunk.vectors for chunk in chunks])),
        windows=tuple(windows for chunk in chunks for windows in chunk.windows),
    )


def _vector(output: ModelOutput) -> FloatArray:
    vector = output.predictions if output.pooled is None else output.pooled[0]
    assert vector is not None
    assert vector.ndim == 1
    return vector


def _layer(backend: WindowedBackend, request: Request) -> int:
    """Predictions are made of the last one."""
    return backend.spec.n_layers if request.predictions else request.layers[0]


def _pooling(request: Request) -> str:
    return "predictions" if request.predictions else str(request.pooling)


def _key(backend: WindowedBackend, request: Request, record: ProteinRecord) -> str:
    return EmbeddingKey(
        model=backend.spec.name,
        revision=backend.revision,
        layer=_layer(backend, request),
        pooling=_pooling(request),
        precision=request.precision,
        windowing=str(backend.windowing),
        sequence=record.sequence,
    ).digest()
