"""The engine: proteins packed end to end through one network, each answered as if it had run alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esmviz.errors import ModelUnavailableError, OutputNotProvidedError
from esmviz.models import memory
from esmviz.models.attention import Pack, filled_up
from esmviz.models.base import MASK, Site, check_length, check_request, check_sites, read_only, tokens
from esmviz.models.batching import PACK_TOKENS, first_alone, halving, packs
from esmviz.models.crew import crew
from esmviz.models.kept import Kept
from esmviz.models.network import Network, amino_acid_logits, predictions
from esmviz.models.precision import DTYPES, asked, effective
from esmviz.models.probes import Accumulator, accumulator
from esmviz.models.room import Room
from esmviz.types import (
    FloatArray,
    IntArray,
    ModelOutput,
    ModelSpec,
    Precision,
    ProteinRecord,
    Request,
)

R = TypeVar("R")
DAMAGED = "Its weights may be damaged: copy them again."
BEYOND = {
    "float16": "Use float32 or bfloat16 (ESMVIZ_PRECISION).",
    "float32": DAMAGED,
    "bfloat16": DAMAGED,
}


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
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield, batch by batch, which sites (k,) and the logits (k, A) at each when that residue alone is masked.

        Sites of one protein or of several share rows.
        """
        request = Request(logits=True, precision=precision)
        check_request(request, self.spec)
        check_sites(sites, self.spec)
        return self._run_masked(sites, request)

    def _run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        network, precision = self._network(request)

        def compute(row: range) -> list[ModelOutput]:
            return halving(
                records[row.start : row.stop],
                lambda some: self._forward(network, some, request, precision),
                _described,
            )

        for outputs in self._in_waves(records, self._rows(records), request, compute):
            yield from outputs

    def _run_masked(self, sites: Sequence[Site], request: Request) -> Iterator[tuple[IntArray, FloatArray]]:
        network, _ = self._network(request)
        records = [record for record, _ in sites]

        def compute(row: range) -> tuple[range, list[NDArray[np.float32]]]:
            return row, halving(
                sites[row.start : row.stop],
                lambda some: self._forward_masked(network, some),
                lambda site: _described(site[0]),
            )

        rows = first_alone(self._rows(records[1:])) if sites else ()
        for row, logits in self._in_waves(records, rows, request, compute):
            yield np.arange(row.start, row.stop), read_only(np.stack(logits))

    def _rows(self, records: Sequence[ProteinRecord]) -> Iterator[range]:
        return packs([len(record) + 2 for record in records], self._max_tokens)

    def _in_waves(
        self,
        records: Sequence[ProteinRecord],
        rows: Iterable[range],
        request: Request,
        compute: Callable[[range], R],
    ) -> Iterator[R]:
        """What ``compute`` gives of each row, in order. On a processor rows run side by side, as many as it has cores,
        where their memory is free.
        """
        team = crew() if self.device == "cpu" else None
        waiting = iter(rows)
        while wave := list(islice(waiting, team.size if team else 1)):
            together = [records[index] for row in wave for index in row]
            if team is None or len(wave) == 1 or not self._fits(together, request):
                yield from map(compute, wave)
            else:
                yield from (done.result() for done in team.together([partial(compute, row) for row in wave]))

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

    def _fits(self, records: Sequence[ProteinRecord], request: Request) -> bool:
        return memory.run_bytes(self.spec, records, request) <= memory.free_bytes(self.device)

    def _check_memory(self, records: Sequence[ProteinRecord], request: Request) -> None:
        """Linux promises memory that it does not have and ends the process later; a GPU says so at once."""
        if self.device == "cpu" and not self._fits(records, request):
            needed, free = memory.run_bytes(self.spec, records, request), memory.free_bytes(self.device)
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
        kept = Kept(request, self.spec, pack)
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
        self, network: Network, ids: NDArray[np.int64], pack: Pack, kept: Kept | None, last_block: int
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
        if not x.isfinite().all():
            name = str(x.dtype).removeprefix("torch.")
            raise OutputNotProvidedError(f"{self.spec.name} leaves the range of {name} here.", BEYOND[name])
        return x

    @torch.inference_mode()
    def _forward_masked(self, network: Network, sites: Sequence[Site]) -> list[NDArray[np.float32]]:
        """Logits (A,) at each site, from a copy of its protein in which it alone is masked."""
        self._check_memory([record for record, _ in sites], Request(logits=True))
        copies = [tokens(record) for record, _ in sites]
        for copy, (_, position) in zip(copies, sites, strict=True):
            copy[position + 1] = MASK
        pack = Pack(tuple(map(len, copies)))
        x = self._forward_to(network, np.concatenate(copies), pack, None, network.n_layers)
        at = [start + position + 1 for (start, _), (_, position) in zip(pack.bounds, sites, strict=True)]
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


def _described(record: ProteinRecord) -> str:
    return f"{record.id} ({len(record)} residues)"


def _last_block(network: Network, request: Request, kept: Kept, pack: Pack) -> int:
    """Blocks beyond the last one that somebody asked for are not run."""
    if request.logits or request.predictions:
        return network.n_layers
    probed = (max(probe.layers) for probes in pack.probes for probe in probes)
    return max(*kept.layers, *probed, 0, 0)
