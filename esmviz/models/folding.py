"""The engine of models that fold: one protein at a time, what it needs compared with what is free, progress by block."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from esmviz.models import memory
from esmviz.models.base import Site, check_length, check_request, tokens
from esmviz.models.batching import halving
from esmviz.models.fold_memory import check_fold
from esmviz.types import (
    FloatArray,
    IntArray,
    ModelOutput,
    ModelSpec,
    Precision,
    ProteinRecord,
    Request,
    Structure,
)

Report = Callable[[int, int], None]  # blocks done, blocks in all; may raise CancelledError


class Network(Protocol):
    """One family's network."""

    def blocks(self) -> list[tuple[nn.Module, int]]:
        """The modules that take the time, each with the number of its calls in one fold."""
        ...

    def fold(self, sequence: str) -> Structure:
        """The fold of one protein; unknown letters are read as X."""
        ...


class FoldingBackend:
    """A loaded network that folds. Threads may share it; folds run one after the other.

    Parameters
    ----------
    network : Network
        On its device.
    precision : str
        What the language model inside runs in. The rest is always float32.
    """

    def __init__(
        self,
        spec: ModelSpec,
        revision: str,
        network: Network,
        *,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        self.spec, self.revision, self.device = spec, revision, device
        self._network, self._precision = network, precision
        self._lock = threading.Lock()

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in order.

        Raises
        ------
        OutputNotProvidedError, SequenceTooLongError, InvalidSequenceError
            At once, before anything is computed.
        OutOfMemoryError
            When a protein needs more memory than is free.
        """
        check_request(request, self.spec)
        for record in records:
            check_length(record, self.spec)
            tokens(record)
        if not request.structure:
            return iter([ModelOutput(precision=self._precision) for _ in records])
        return (self.fold(record) for record in records)

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Refused: a model that folds gives no logits."""
        check_request(Request(logits=True), self.spec)
        raise AssertionError("a folding model that provides logits")

    def fold(self, record: ProteinRecord, report: Report = lambda done, total: None) -> ModelOutput:
        """The structure of one protein; ``report`` is called after each block and may raise to stop."""
        check_length(record, self.spec)
        tokens(record)
        with self._lock:
            check_fold(record, self.spec, memory.free_bytes(self.device))
            with counted(self._network.blocks(), report):
                [structure] = halving(
                    [record],
                    lambda one: [self._network.fold(one[0].sequence)],
                    lambda one: f"{one.id} ({len(one)} residues)",
                )
        return ModelOutput(structure=structure, precision=self._precision)


@contextmanager
def counted(blocks: list[tuple[nn.Module, int]], report: Report) -> Iterator[None]:
    """Report after every call of the modules while the body runs."""
    total, done = sum(times for _, times in blocks), 0

    def called(*_: Any) -> None:
        nonlocal done
        done += 1
        report(min(done, total), total)

    hooks = [module.register_forward_hook(called) for module, _ in blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def as_array(tensor: torch.Tensor) -> FloatArray:
    """A read-only float32 array on the CPU."""
    from esmviz.models.base import read_only

    return read_only(tensor.detach().float().cpu().numpy())
