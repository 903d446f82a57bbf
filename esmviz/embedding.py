"""Work of many forward passes, in steps between which others get their turn: embedding, masked marginals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from esmviz.jobs import Context
from esmviz.models.base import Backend, read_only
from esmviz.results import Results
from esmviz.types import (
    AMINO_ACIDS,
    EmbeddingKey,
    EmbeddingSet,
    FloatArray,
    Precision,
    ProteinRecord,
    Request,
)

CHUNK = 1024  # proteins whose vectors are in memory at once while a set is embedded


def masked_steps(
    backend: Backend, record: ProteinRecord, precision: Precision, context: Context
) -> Generator[None, None, FloatArray]:
    """Logits (L, A) of each residue with that residue masked; a step is a batch of positions.

    Partial results have the same shape, NaN where nothing is known yet.
    """
    logits = np.full((len(record), len(AMINO_ACIDS)), np.nan, dtype=np.float32)
    done = 0
    for positions, values in backend.run_masked(record, range(len(record)), precision):
        logits[positions] = values
        done += len(positions)
        context.report(done, len(record), "positions", partial=read_only(logits.copy()))
        yield
    return read_only(logits)


def embed_steps(
    backend: Backend, records: Iterable[ProteinRecord], request: Request, results: Results, context: Context
) -> Generator[EmbeddingSet | None, None, None]:
    """Vectors of a set, in its order; yields None after each protein and a chunk when one is full.

    Parameters
    ----------
    request : Request
        One layer, as a name, and how to pool it.
    results : Results
        Vectors known already are taken from it and new ones are put into it.
    """
    total = sum(map(len, records)) if isinstance(records, Sequence) else 0
    remaining = iter(records)
    done = 0
    while chunk := tuple(islice(remaining, CHUNK)):
        keys = [_key(backend, request, record) for record in chunk]
        residues: Counter[str] = Counter()
        for key, record in zip(keys, chunk, strict=True):
            residues[key] += len(record)
        known = {key: results.get(key) for key in residues}
        missing = {key: record for key, record in zip(keys, chunk, strict=True) if known[key] is None}
        done += sum(residues.values()) - sum(residues[key] for key in missing)
        for key, output in zip(missing, backend.run(list(missing.values()), request), strict=True):
            assert output.pooled is not None
            known[key] = (output.pooled[0], output.precision)
            results.put(key, known[key], output.pooled.nbytes)
            done += residues[key]
            context.report(done, max(done, total))
            yield None
        vectors = read_only(np.stack([known[key][0] for key in keys]))
        yield EmbeddingSet(
            ids=tuple(record.id for record in chunk),
            vectors=vectors,
            model=backend.spec.name,
            revision=backend.revision,
            layer=request.layers[0],
            pooling=str(request.pooling),
            precision=known[keys[0]][1],
        )


def embed_at_once(
    backend: Backend, records: Sequence[ProteinRecord], request: Request, results: Results, context: Context
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
    )


def _key(backend: Backend, request: Request, record: ProteinRecord) -> str:
    return EmbeddingKey(
        model=backend.spec.name,
        revision=backend.revision,
        layer=request.layers[0],
        pooling=str(request.pooling),
        precision=request.precision,
        windowing="none",
        sequence=record.sequence,
    ).digest()
