"""The one plug point for models, and what every family shares: vocabulary, layer names, checks.

Special tokens stop at this door: inside a model a protein is BOS + residues + EOS, outside it is residues.
No torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from esmviz.errors import (
    CorruptCheckpointError,
    InvalidSequenceError,
    OutputNotProvidedError,
    SequenceTooLongError,
)
from esmviz.models.memory import UNKNOWN
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    FloatArray,
    IntArray,
    KeepHeads,
    ModelOutput,
    ModelSpec,
    Output,
    OverHeads,
    Precision,
    ProteinRecord,
    Request,
    Rollout,
)

# The vocabulary that ESM-2, ESM-1 and ESM C share. Index 31 is named <null_1> in ESM-2 and | in ESM C.
VOCABULARY = ("<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPKQNFYMHWCXBUZO.-", "<null_1>", "<mask>")
BOS, EOS, MASK = 0, 2, 32
AMINO_ACID_TOKENS = tuple(VOCABULARY.index(letter) for letter in AMINO_ACIDS)
WAYS_OUT: dict[Output, str] = {
    "predictions": "They come from the folder of a classifier or a regression of your own: see docs/models.md."
}
N_SPECIAL = 2  # BOS and EOS of each protein

Site = tuple[ProteinRecord, int]  # a residue of a protein, by its index

_TOKEN_OF_BYTE = np.full(256, -1, dtype=np.int64)
for _token in range(4, 29):  # the 20 amino acids and X B U Z O; gaps and dots are no residues
    _TOKEN_OF_BYTE[ord(VOCABULARY[_token])] = _token


@runtime_checkable
class Backend(Protocol):
    """A loaded model: what it is and can do is ``spec``, what it gives comes from ``run``."""

    spec: ModelSpec
    revision: str
    device: str

    def run(self, records: Sequence[ProteinRecord], request: Request) -> Iterator[ModelOutput]:
        """Yield one output per record, in the order of the records, computing one batch at a time."""
        ...

    def run_masked(
        self, sites: Sequence[Site], precision: Precision = "float32"
    ) -> Iterator[tuple[IntArray, FloatArray]]:
        """Yield, batch by batch, which sites (k,) and the logits (k, A) at each when that residue alone is masked.

        A batch may be empty: a step at which nothing is ready yet, and at which the caller may stop.
        """
        ...


@runtime_checkable
class Folder(Backend, Protocol):
    """A backend that provides structures, one protein at a time."""

    def fold(
        self, record: ProteinRecord, report: Callable[[int, int], None] = lambda done, total: None
    ) -> ModelOutput:
        """The structure of one protein; ``report`` is told steps done and in all, and may raise to stop."""
        ...


@dataclass(frozen=True)
class ModelStatus:
    """Whether a model can be used here and now. ``reason`` says, when it cannot, why; else ``""``.

    ``download_bytes`` is about what its missing weights would take to fetch.
    """

    present: bool
    loaded: bool
    needed_bytes: int
    free_bytes: int
    fits: bool
    reason: str = ""
    download_bytes: int = 0

    @property
    def tells_free(self) -> bool:
        """Whether the system says how much memory is free."""
        return self.free_bytes < UNKNOWN


def tokens(record: ProteinRecord) -> NDArray[np.int64]:
    """Token ids of BOS, the residues and EOS.

    Returns
    -------
    ids : ndarray, shape=(L + 2,), dtype=int64
        The residue with index i is at i + 1, for every letter; nothing is ever folded together.

    Raises
    ------
    InvalidSequenceError
        For a letter the models do not know, and for an empty sequence.

    Examples
    --------
    >>> tokens(ProteinRecord("p", "LAGVX"))
    array([ 0,  4,  5,  6,  7, 24,  2])
    """
    if not record.sequence:
        raise InvalidSequenceError(f"{record.id} has no residues.")
    codes = np.frombuffer(record.sequence.encode("latin-1", "replace"), dtype=np.uint8)
    residues = _TOKEN_OF_BYTE[codes]
    if (residues < 0).any():
        index = int(np.argmin(residues))
        raise InvalidSequenceError(
            f"{record.id} has the letter {record.sequence[index]!r} at position {index + 1}.",
            "Models read upper-case amino acids and B Z X U O.",
        )
    return np.concatenate(([BOS], residues, [EOS]))


def resolve_layers(layers: Sequence[int], spec: ModelSpec) -> tuple[int, ...]:
    """Layer names from 0 to ``n_layers``, for indices that may be negative as in Python.

    Raises
    ------
    OutputNotProvidedError
        For a layer that the model does not have.
    """
    n = spec.n_layers + 1
    for layer in layers:
        if not -n <= layer < n:
            raise OutputNotProvidedError(
                f"{spec.name} has no layer {layer}.",
                f"Its layers are 0 (the input embedding) to {spec.n_layers} (the last).",
            )
    return tuple(layer % n for layer in layers)


def outputs_of(request: Request) -> set[Output]:
    """What a model must provide to answer a request."""
    wanted: set[Output] = set()
    if request.logits:
        wanted.add("logits")
    if request.layers:
        wanted.add("hidden_states")
    if request.predictions:
        wanted.add("predictions")
    if request.structure:
        wanted.add("structure")
    for probe in request.probes:
        wanted.add("contacts" if isinstance(probe, ContactHead) else "attentions")
    return wanted


def check_request(request: Request, spec: ModelSpec, others: Mapping[str, ModelSpec] | None = None) -> None:
    """Refuse what the model does not give, before any work.

    Raises
    ------
    OutputNotProvidedError
        For an output, a layer or a head that the model does not have; lists those of ``others`` that give it.
    CorruptCheckpointError
        For a checkpoint that could not be described, and so gives nothing.
    """
    if not spec.provides:
        raise CorruptCheckpointError(spec.note)
    for output in sorted(outputs_of(request) - spec.provides):
        able = [name for name, other in (others or {}).items() if output in other.provides]
        raise OutputNotProvidedError(
            f"{spec.name} does not give {output.replace('_', ' ')}.",
            f"Models that do: {', '.join(able)}." if able else WAYS_OUT.get(output, ""),
        )
    _check_vectors(request, spec)
    for probe in request.probes:
        match probe:
            case KeepHeads(layer=layer, heads=heads):
                _check_blocks(spec, layer, layer)
                _check_heads(spec, heads)
            case OverHeads(first=first, last=last) | Rollout(first=first, last=last):
                _check_blocks(spec, first, last)


def check_length(
    record: ProteinRecord, spec: ModelSpec, others: Mapping[str, ModelSpec] | None = None
) -> None:
    """Refuse a protein that is longer than the model takes.

    Raises
    ------
    SequenceTooLongError
        Names the models of ``others`` that take it.
    """
    if spec.max_residues is None or len(record) <= spec.max_residues:
        return
    able = [
        n
        for n, other in (others or {}).items()
        if other.max_residues is None or len(record) <= other.max_residues
    ]
    raise SequenceTooLongError(
        f"{record.id} has {len(record)} residues; {spec.name} takes at most {spec.max_residues}.",
        f"Models that take it: {', '.join(able)}." if able else "",
    )


def sites(record: ProteinRecord, positions: Iterable[int] | None = None) -> list[Site]:
    """Residues of a protein, all of them when no positions are given."""
    return [(record, position) for position in (range(len(record)) if positions is None else positions)]


def check_sites(sites: Sequence[Site], spec: ModelSpec) -> None:
    """Refuse a protein that is longer than the model takes; a residue that it does not have is a mistake of the caller."""
    for record, position in sites:
        check_length(record, spec)
        if not 0 <= position < len(record):
            raise ValueError(f"{record.id} has no residue with index {position}.")


def check_records(records: Sequence[ProteinRecord], request: Request, spec: ModelSpec) -> None:
    """Refuse what a model does not give, a protein too long for it, and letters that no model knows.

    Raises
    ------
    OutputNotProvidedError, SequenceTooLongError, InvalidSequenceError
    """
    check_request(request, spec)
    for record in records:
        check_length(record, spec)
        tokens(record)


def read_only(array: NDArray[Any]) -> FloatArray:
    """The array as contiguous float32 that nobody can change: it may be shared by a cache."""
    result = np.ascontiguousarray(array, dtype=np.float32)
    result.setflags(write=False)
    return result


def _check_vectors(request: Request, spec: ModelSpec) -> None:
    given = spec.layers
    for layer in resolve_layers(request.layers, spec):
        if layer not in given:
            raise OutputNotProvidedError(
                f"{spec.name} gives no hidden states of layer {layer}.",
                f"It gives those of layers {given[0]} to {given[-1]}.",
            )
    if request.layers and request.pooling and request.pooling not in spec.poolings:
        raise OutputNotProvidedError(
            f"{spec.name} gives no {request.pooling} pooling.", f"It gives {', '.join(spec.poolings)}."
        )


def _check_blocks(spec: ModelSpec, first: int, last: int) -> None:
    if not 1 <= first <= last <= spec.n_layers:
        span = f"layer {first}" if first == last else f"layers {first} to {last}"
        raise OutputNotProvidedError(
            f"{spec.name} has no attention of {span}.", f"Its attention layers are 1 to {spec.n_layers}."
        )


def _check_heads(spec: ModelSpec, heads: Sequence[int]) -> None:
    bad = [head for head in heads if not 0 <= head < spec.n_heads]
    if bad or not heads:
        raise OutputNotProvidedError(
            f"{spec.name} has no head {bad[0] + 1 if bad else 'of that choice'}.",
            f"Its heads are 1 to {spec.n_heads}.",
        )
