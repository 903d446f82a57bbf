"""The engine: proteins packed end to end through one network, each answered as if it had run alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esmviz.errors import ModelUnavailableError, OutputNotProvidedError
from esmviz.models import memory
from esmviz.models.attention import Pack, filled_up
from esmviz.models.base import MASK, check_length, check_request, read_only, resolve_layers, tokens
from esmviz.models.batching import PACK_TOKENS, first_alone, halving, packs
from esmviz.models.network import Network, amino_acid_logits, predictions
from esmviz.models.precision import DTYPES, asked, effective
from esmviz.models.probes import Accumulator, accumulator
from esmviz.models.room import Room
from esmviz.types import (
    FloatArray,
    IntArray,
    ModelOutput,
    ModelSpec,
    Pooling,
    Precision,
    ProteinRecord,
    Request,
)


class TransformerBackend:
    """A loaded network and what it is. Threads may share it: calls have nothing in common but the weights.

    Parameters
    ----------
    network : Network
        In float32, on its device.
    override : Precision
        Used instead of what a request says, unless it is ``auto``. Weights of another precision than this are not
        kept.
    room : Room, optional
        Where memory for a copy in another precision comes from; by default there is enough.
    max_tokens : int, optional
        Tokens of one row; by default what suits the device.
    """

    def __init__(
        self,
        spec: ModelSpec,
        revision: str,
        network: Network,
        *,
        device: str = "cpu",
        override: Precision = "auto",
        room: Room | None = None,
        max_tokens: int | None = None,
    ) -> None:
        self.spec, self.revision, self.device = spec, revision, device
        self._override, self._room = override, room or Room(lambda: memory.UNKNOWN, 1.0)
        self._networks: dict[str, Network | None] = {
            "float32": network
        }  # None: there was no room for the copy
        if override in ("bfloat16", "float16"):
            self._networks = {override: network.to(DTYPES[override])}
        self._max_tokens = max_tokens or PACK_TOKENS[device.partition(":")[0]]
        self._lock = threading.Lock()

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in order; one row of proteins is computed at a time.

        Raises
        ------
        OutputNotProvidedError, SequenceTooLongError, InvalidSequenceError
            At once, before anything is computed.
        OutOfMemoryError
            When one protein alone does not fit.
        """
        check_request(request, self.spec)
        for record in records:
            check_length(record, self.spec)
        return self._run(records, request)

    def run_masked(
        self, record: ProteinRecord, positions: Sequence[int], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield positions (k,) and the logits (k, A) at each when that residue alone is masked."""
        check_request(Request(logits=True), self.spec)
        check_length(record, self.spec)
        for position in positions:
            if not 0 <= position < len(record):
                raise ValueError(f"{record.id} has no residue with index {position}.")
        return self._run_masked(record, positions, Request(logits=True, precision=precision))

    def _run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        network, precision = self._network(request)
        for rows in packs([len(record) + 2 for record in records], self._max_tokens):
            yield from halving(
                records[rows.start : rows.stop],
                lambda some: self._forward(network, some, request, precision),
                lambda record: f"{record.id} ({len(record)} residues)",
            )

    def _run_masked(
        self, record: ProteinRecord, positions: Sequence[int], request: Request
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        network, _ = self._network(request)
        step = max(1, self._max_tokens // (len(record) + 2))
        for batch in first_alone(len(positions), step):
            some = np.asarray(positions[batch.start : batch.stop], dtype=np.int64)
            rows = halving(
                some,  # type: ignore[arg-type]  # an array is sliced and measured like a sequence
                lambda part: self._forward_masked(network, record, np.asarray(part)),
                lambda position: f"{record.id} ({len(record)} residues)",
            )
            yield some, read_only(np.stack(rows))

    def _network(self, request: Request) -> tuple[Network, str]:
        """The network and the precision of a request. Where ``auto`` finds no room for a copy it is float32, for as
        long as the model is loaded: vectors of a set are of one precision.
        """
        precision = effective(request, self._override, self.device)
        with self._lock:
            if precision not in self._networks:
                self._networks[precision] = self._copy(precision)
            network = self._networks[precision]
            if network is None and asked(request, self._override) == "auto":
                network, precision = self._networks["float32"], "float32"
        if network is None:
            needed, free = memory.half_bytes(self.spec), self._room.free()
            raise ModelUnavailableError(
                f"A copy of {self.spec.name} in {precision} needs {memory.gibibytes(needed)} of memory beside the "
                f"float32 one, free are {memory.gibibytes(free)}.",
                f"Use float32, or start with ESMVIZ_PRECISION={precision}: then no float32 copy is kept.",
            )
        return network, precision

    def _copy(self, precision: str) -> Network | None:
        """The network in another precision, or None without the memory for it."""
        original = self._networks["float32"]
        assert original is not None
        with self._room.claim(memory.half_bytes(self.spec)) as fits:
            copy = original.to(DTYPES[precision]) if fits else None
        return copy

    def _check_memory(self, records: Sequence[ProteinRecord], request: Request) -> None:
        """Linux promises memory that it does not have and ends the process later; a GPU says so at once."""
        if self.device == "cpu":
            needed, free = memory.run_bytes(self.spec, records, request), memory.free_bytes(self.device)
            if needed > free:
                raise MemoryError(f"about {memory.gibibytes(needed)} needed, {memory.gibibytes(free)} free")

    @torch.inference_mode()
    def _forward(
        self, network: Network, records: Sequence[ProteinRecord], request: Request, precision: str
    ) -> list[ModelOutput]:
        self._check_memory(records, request)
        pack = Pack(
            tuple(len(record) + 2 for record in records),
            tuple(self._probes(network, record, request) for record in records),
        )
        kept = _Kept(request, self.spec, pack)
        ids = np.concatenate([tokens(record) for record in records])
        last = self._forward_to(network, ids, pack, kept, _last_block(network, request, kept, pack))
        logits = amino_acid_logits(network, last).cpu().numpy() if request.logits else None
        predicted = self._predicted(network, last, pack) if request.predictions else None
        return [
            ModelOutput(
                logits=None if logits is None else read_only(logits[start + 1 : stop - 1].copy()),
                hidden_states=kept.hidden(index),
                pooled=kept.pooled(index),
                probes={
                    probe.key: read_only(gathered.result().cpu().numpy())
                    for probe, gathered in zip(request.probes, pack.probes[index], strict=True)
                },
                precision=precision,
                predictions=None if predicted is None else predicted[index],
            )
            for index, (start, stop) in enumerate(pack.bounds)
        ]

    def _predicted(self, network: Network, last: Tensor, pack: Pack) -> list[FloatArray]:
        """(K,) or (L, K) of each protein, from the states (tokens, D) after the last block."""
        assert self.spec.predictor is not None
        found = predictions(network, last, pack, self.spec.predictor.unit)
        return [read_only(each.cpu().numpy()) for each in found]

    def _forward_to(
        self, network: Network, ids: NDArray[np.int64], pack: Pack, kept: _Kept | None, last_block: int
    ) -> Tensor:
        """Run the blocks up to one, keeping the layers asked for on the way."""
        positions = np.concatenate([np.arange(length) for length in pack.lengths])
        row = torch.from_numpy(ids).to(self.device), torch.from_numpy(positions).to(self.device)
        x = network.embed(*row, pack)
        x, places, pack = filled_up(x, row[1], pack)
        rotation = network.rotation(places)
        for layer in range(last_block + 1):
            if layer > 0:
                x = network.block(layer, x, rotation, pack)
            if layer == network.n_layers:
                x = network.final_norm(x)
            if kept is not None:
                kept.take(layer, x[: len(ids)])
        x = x[: len(ids)]
        if x.dtype == torch.float16 and not x.isfinite().all():
            raise OutputNotProvidedError(
                f"{self.spec.name} leaves the range of float16 here.",
                "Use float32 or bfloat16 (ESMVIZ_PRECISION).",
            )
        return x

    @torch.inference_mode()
    def _forward_masked(
        self, network: Network, record: ProteinRecord, positions: NDArray[np.int64]
    ) -> list[NDArray[np.float32]]:
        """Logits (A,) at each of k positions, from k copies of a protein of which each has one residue masked."""
        self._check_memory([record] * len(positions), Request(logits=True))
        ids = tokens(record)
        copies = np.tile(ids, (len(positions), 1))
        copies[np.arange(len(positions)), positions + 1] = MASK
        pack = Pack((len(ids),) * len(positions))
        x = self._forward_to(network, copies.ravel(), pack, None, network.n_layers)
        at = torch.from_numpy(np.arange(len(positions)) * len(ids) + positions + 1).to(self.device)
        return list(amino_acid_logits(network, x[at]).cpu().numpy())

    def _probes(self, network: Network, record: ProteinRecord, request: Request) -> list[Accumulator]:
        return [
            accumulator(
                probe,
                n_layers=self.spec.n_layers,
                n_heads=self.spec.n_heads,
                n_residues=len(record),
                regression=network.contact_regression(),
            )
            for probe in request.probes
        ]


def _last_block(network: Network, request: Request, kept: _Kept, pack: Pack) -> int:
    """Blocks beyond the last one that somebody asked for are not run."""
    if request.logits or request.predictions:
        return network.n_layers
    probed = (max(probe.layers) for probes in pack.probes for probe in probes)
    return max(*kept.layers, *probed, 0, 0)


class _Kept:
    """Hidden states that a request keeps, gathered while the network runs: pooled, whole, or both."""

    def __init__(self, request: Request, spec: ModelSpec, pack: Pack) -> None:
        self.layers = resolve_layers(request.layers, spec)
        self._pooling = request.pooling
        self._keeps_residues = request.keep_residues or request.pooling is None
        self._bounds = pack.bounds
        self._pooled: dict[int, NDArray[np.float32]] = {}
        self._hidden: dict[int, NDArray[np.float32]] = {}

    def take(self, layer: int, x: Tensor) -> None:
        """Keep what is wanted of the states (tokens, D) after a layer."""
        if layer not in self.layers:
            return
        if self._pooling is not None:
            rows = [_pool(x[start:stop], self._pooling) for start, stop in self._bounds]
            self._pooled[layer] = torch.stack(rows).cpu().numpy()
        if self._keeps_residues:
            self._hidden[layer] = x.float().cpu().numpy()

    def pooled(self, index: int) -> FloatArray | None:
        """Vectors (n, D) of one protein."""
        if not self._pooled:
            return None
        return read_only(np.stack([self._pooled[layer][index] for layer in self.layers]))

    def hidden(self, index: int) -> FloatArray | None:
        """States (n, L, D) of one protein's residues."""
        if not self._hidden:
            return None
        start, stop = self._bounds[index]
        return read_only(np.stack([self._hidden[layer][start + 1 : stop - 1] for layer in self.layers]))


def _pool(x: Tensor, how: Pooling) -> Tensor:
    """Vector (D,) of one protein from the states (L + 2, D) of its tokens."""
    if how == "bos":
        return x[0].float()
    residues = x[1:-1].float()
    return residues.mean(0) if how == "mean" else residues.amax(0)
