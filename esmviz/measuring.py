"""How fast a model is on this machine, what memory it takes and how well it knows a set, by its own passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import numpy as np

from esmviz.analysis.logits import pseudo_perplexity
from esmviz.answers import digest
from esmviz.jobs import Context
from esmviz.models.memory import weights_bytes
from esmviz.models.peak import Peak
from esmviz.models.windowed import WindowedBackend
from esmviz.types import AMINO_ACIDS, FloatArray, ModelSpec, Precision, ProteinRecord, Request

MOST_RESIDUES = 12_000  # of a set: a steady speed; minutes for 650 million parameters on two cores
MOST_MASKED = 128  # each is a pass over its whole protein
SEED = 0
SAME_SPEED = 1.05  # two passes of one model may be as far apart
SHORT_SECONDS = 0.2  # a pass as short says more of what else the machine did

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement:
    """What was measured of a model on the first proteins of a set.

    ``subject`` is a digest of their sequences: only measurements of one subject are compared. ``seconds`` are of
    embedding alone (mean pooling, last layer, in ``precision``), after a protein to warm up and without the turns that
    others had in between. ``memory_bytes`` are the weights and the most that embedding took on top; None where the
    system does not tell. ``pseudo_perplexity`` is over ``n_masked`` positions of the same proteins, each masked alone,
    in float32 unless the settings have one precision for everything; None for a model without logits.
    """

    model: str
    revision: str
    device: str
    precision: str
    subject: str
    n_proteins: int
    n_residues: int
    seconds: float
    memory_bytes: int | None
    pseudo_perplexity: float | None
    n_masked: int

    @property
    def residues_per_second(self) -> float:
        return self.n_residues / self.seconds


def can_measure(spec: ModelSpec) -> bool:
    """Whether a model embeds, and on this machine: one on a server would be measured with the way there."""
    return "hidden_states" in spec.provides and "mean" in spec.poolings and not spec.host


def part_to_measure(records: Sequence[ProteinRecord]) -> tuple[ProteinRecord, ...]:
    """The first proteins of a set, up to ``MOST_RESIDUES`` residues and at least one."""
    n = sum(total <= MOST_RESIDUES for total in accumulate(len(record) for record in records))
    return tuple(records[: max(1, n)])


def n_passed(records: Sequence[ProteinRecord], spec: ModelSpec) -> int:
    """How many residues pass through the model: one protein to warm up, all of them, one for each masked position."""
    return _n_embedded(records) + sum(
        len(record) * len(some) for record, some in zip(records, _picked(records, spec), strict=True)
    )


def _n_embedded(records: Sequence[ProteinRecord]) -> int:
    return min(map(len, records)) + sum(map(len, records))


def _picked(records: Sequence[ProteinRecord], spec: ModelSpec) -> list[list[int]]:
    """Positions to mask in each protein."""
    return drawn_positions(records) if "logits" in spec.provides else [[] for _ in records]


def subject(records: Sequence[ProteinRecord]) -> str:
    """What stands for the sequences measured."""
    return digest("measured", *(record.sequence for record in records))


def drawn_positions(records: Sequence[ProteinRecord], most: int = MOST_MASKED) -> list[list[int]]:
    """Positions of standard residues in each protein, drawn without replacement, each as likely as any other.

    Of the same records they are always the same, so that models are asked the same questions.

    Examples
    --------
    >>> drawn_positions([ProteinRecord("a", "MXK"), ProteinRecord("b", "XX")], most=9)
    [[0, 2], []]
    """
    known = [
        (index, position)
        for index, record in enumerate(records)
        for position, letter in enumerate(record.sequence)
        if letter in AMINO_ACIDS
    ]
    drawn = np.random.default_rng(SEED).choice(len(known), size=min(most, len(known)), replace=False)
    picked: list[list[int]] = [[] for _ in records]
    for index, position in (known[which] for which in np.sort(drawn)):
        picked[index].append(position)
    return picked


def comparison(a: Measurement, b: Measurement) -> str:
    """Two measurements of one set in a sentence."""
    fast, slow = sorted((a, b), key=lambda m: m.residues_per_second, reverse=True)
    if fast.seconds < SHORT_SECONDS:
        return f"A pass of less than {SHORT_SECONDS} s is too short to compare speeds: measure a larger set."
    times = fast.residues_per_second / slow.residues_per_second
    if times < SAME_SPEED:
        return f"{a.model} and {b.model} embed about as many residues a second here."
    return f"{fast.model} embeds {times:.1f} times as many residues a second as {slow.model} here."


def measure_steps(
    backend: WindowedBackend,
    records: Sequence[ProteinRecord],
    precision: Precision,
    context: Context,
    *,
    override: Precision = "auto",
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[None, None, Measurement]:
    """Embed the records, then mask some positions; a step is a protein, a window of one, or a batch of positions.

    Parameters
    ----------
    records : sequence of ProteinRecord
        All of them are measured: see ``part_to_measure``.
    override : Precision
        The precision for everything, if there is one: no other weights are then in memory.
    clock : callable
        Seconds, never going back.
    """
    spec, picked = backend.spec, _picked(records, backend.spec)
    total, n_embedded = n_passed(records, spec), _n_embedded(records)

    def report(doing: str, done: int) -> None:
        context.report(done, total, "residues", f"{doing} {spec.name}:")

    embedding = _embedding(backend, records, precision, clock, lambda n: report("Embedding with", n))
    seconds, used, on_top = yield from embedding
    masking = _masking(backend, records, picked, lambda n: report("Masking positions for", n_embedded + n))
    perplexity = yield from masking
    return Measurement(
        model=spec.name,
        revision=backend.revision,
        device=backend.device,
        precision=used,
        subject=subject(records),
        n_proteins=len(records),
        n_residues=sum(map(len, records)),
        seconds=seconds,
        memory_bytes=None if on_top is None else on_top + weights_bytes(spec, used, override),
        pseudo_perplexity=perplexity,
        n_masked=sum(map(len, picked)),
    )


def _embedding(
    backend: WindowedBackend,
    records: Sequence[ProteinRecord],
    precision: Precision,
    clock: Callable[[], float],
    report: Callable[[int], None],
) -> Generator[None, None, tuple[float, str, int | None]]:
    """Seconds, the precision really used, and bytes on top of the weights."""
    request = Request(layers=(backend.spec.layers[-1],), pooling="mean", precision=precision)
    shortest = min(records, key=len)
    for _ in backend.run([shortest], request):  # what is slow or allocated once takes no time
        report(len(shortest))
        yield
    seconds, done, used, peak = 0.0, len(shortest), "", Peak(backend.device)
    for step, took in _timed(backend.steps(records, request), clock):
        seconds, done = seconds + took, done + step.n_residues
        used = used if step.output is None else step.output.precision
        report(done)
        yield
    return seconds, used, peak.bytes


def _masking(
    backend: WindowedBackend,
    records: Sequence[ProteinRecord],
    picked: Sequence[Sequence[int]],
    report: Callable[[int], None],
) -> Generator[None, None, float | None]:
    """Pseudo-perplexity over the positions picked in each record; None without any."""
    sites = [(record, position) for record, some in zip(records, picked, strict=True) for position in some]
    rows: list[FloatArray] = []
    letters, done = "", 0
    for found, logits in backend.run_masked(sites) if sites else ():
        rows.append(logits)
        letters += "".join(sites[index][0].sequence[sites[index][1]] for index in found)
        done += sum(len(sites[index][0]) for index in found)
        report(done)
        yield
    return pseudo_perplexity(np.concatenate(rows), letters) if rows else None


def _timed(steps: Iterator[T], clock: Callable[[], float]) -> Iterator[tuple[T, float]]:
    """Each step with the seconds that it took, not those until it is asked for."""
    while True:
        start = clock()
        try:
            step = next(steps)
        except StopIteration:
            return
        yield step, clock() - start


def in_words(measured: Sequence[Measurement]) -> Iterator[str]:
    """A line for each, and how two compare."""
    for m in measured:
        memory = "unknown" if m.memory_bytes is None else f"{m.memory_bytes / 1e9:.2f} GB"
        perplexity = "none" if m.pseudo_perplexity is None else f"{m.pseudo_perplexity:.2f}"
        yield (
            f"{m.model}: {m.residues_per_second:,.0f} residues/s, memory {memory}, pseudo-perplexity {perplexity} "
            f"({m.n_proteins} proteins, {m.n_residues:,} residues, {m.n_masked} masked; {m.device}, {m.precision})"
        )
    if len(measured) == 2:
        yield comparison(*measured)
