"""One protein folded by a model: it tells how far it is, and what it takes."""

from __future__ import annotations

from esmviz.jobs import Context
from esmviz.models import fold_memory
from esmviz.models.base import Folder
from esmviz.models.windowed import WindowedBackend
from esmviz.types import ModelOutput, ModelSpec, ProteinRecord


def fold(backend: WindowedBackend, record: ProteinRecord, context: Context) -> ModelOutput:
    """The structure of a protein. It reports its blocks and stops at the next one when it is cancelled."""
    folder = backend.backend
    if not isinstance(folder, Folder):
        raise TypeError(f"{backend.spec.name} provides structures and cannot fold")
    return folder.fold(record, lambda done, total: context.report(done, total, "blocks", "Folding:"))


def fold_bytes(record: ProteinRecord, spec: ModelSpec) -> int:
    """Memory that folding a protein takes beside the model, in bytes."""
    return fold_memory.fold_bytes(spec, len(record))
