"""What the pages show, without a browser: a picture of a protein or of the set, as the exhibit that its page makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from esmviz import panels
from esmviz.checks import check_map
from esmviz.errors import (
    InvalidSequenceError,
    OutOfMemoryError,
    OutputNotProvidedError,
    ProteinRefusedError,
    SequenceTooLongError,
)
from esmviz.exhibit import Exhibit, Facts
from esmviz.panels import LogitsLook, Look, MapLook, Spread, colouring
from esmviz.panels.caution import beyond_training, no_effects
from esmviz.panels.logits import MASKED, WILD_TYPE
from esmviz.panels.look import ALL_HEADS, CONTACTS, one_head
from esmviz.panels.questions import answer
from esmviz.runs import Run
from esmviz.surroundings import say
from esmviz.types import (
    EmbeddingSet,
    KeepHeads,
    ModelOutput,
    ModelSpec,
    Output,
    ProteinRecord,
    Provenance,
    Request,
)

# Each picture with what it takes of a model, and the page that shows it.
VIEWS: dict[str, tuple[Output, str]] = {
    "similarity": ("hidden_states", "similarity"),
    "heads": ("attentions", "attention"),
    "attention": ("attentions", "attention"),
    "contacts": ("contacts", "attention"),
    "mutations": ("logits", "logits"),
    "clusters": ("hidden_states", "clusters"),
}
OF_THE_SET = ("clusters",)
OF_ONE_PROTEIN = (OutOfMemoryError, ProteinRefusedError, SequenceTooLongError)  # the others go on


class Tour:
    """The pictures of one run.

    Parameters
    ----------
    run : Run
        Of the command line: input, model, precision.
    layer : int
        Of vectors, and of the one head.
    head : int or None
        The one that is shown or marked, counted from 0; the first when none is asked for.
    is_masked : bool
        Whether mutations are scored by masked marginals.
    """

    def __init__(self, run: Run, *, layer: int, head: int | None, is_masked: bool) -> None:
        self.run, self.workbench, self.spec = run, run.workbench, run.spec
        self.layer = _named(layer, self.spec)
        self.head, self.is_masked = head or 0, is_masked
        if head is not None:  # before anything is computed
            self.workbench.checker(run.model, Request(probes=(KeepHeads(self.layer, (head,)),)))
        self.records = run.records(Request(precision=run.precision))

    def usual(self, *, with_attention: bool) -> list[str]:
        """The pictures that this model gives, one head only when asked for; says which it does not."""
        names = [name for name in VIEWS if with_attention or name != "attention"]
        for name in names:
            if (needed := VIEWS[name][0]) not in self.spec.provides:
                say(f"left out: {name}, as {self.run.name} gives no {needed.replace('_', ' ')}.")
        return [name for name in names if VIEWS[name][0] in self.spec.provides]

    def chosen(self, ids: Sequence[str]) -> list[ProteinRecord]:
        """The proteins of these ids, or the first."""
        by_id = {record.id: record for record in self.records}
        for name in ids:
            if name not in by_id:
                known = ", ".join(list(by_id)[:5]) + (", …" if len(by_id) > 5 else "")
                raise InvalidSequenceError(
                    f"There is no protein {name} in {self.run.source.name}.", f"There are {known}."
                )
        if not ids and len(self.records) > 1:
            n = len(self.records)
            say(f"pictures of {self.records[0].id}, the first of {n:,} proteins; --protein takes others.")
        return [by_id[name] for name in dict.fromkeys(ids)] or self.records[:1]

    def exhibits(self, views: Sequence[str], proteins: Sequence[ProteinRecord]) -> list[Exhibit]:
        """Each picture of each protein, then those of the set; says what could not be made, and why.

        Raises
        ------
        EsmvizError
            The first cause where nothing could be made, or under ``strict`` not all.
        """
        made, causes = [], []
        views = [name for name in VIEWS if name in views]
        asked = [(name, record) for record in proteins for name in views if name not in OF_THE_SET]
        asked += [(name, self.records[0]) for name in views if name in OF_THE_SET]
        for name, record in asked:
            try:
                made.append(self.exhibit(name, record))
            except OF_ONE_PROTEIN as error:
                if self.run.strict:
                    raise
                causes.append(error)
                say(f"left out: {name} of {record.id}: {error}")
        if causes and not made:
            raise causes[0]
        return made

    def exhibit(self, name: str, record: ProteinRecord) -> Exhibit:
        """One picture as its page would keep it."""
        created = datetime.now(UTC)
        draws: dict[str, Callable[[ProteinRecord], Spread]] = {
            "similarity": self._similarity,
            "heads": lambda record: self._attention(record, ALL_HEADS),
            "attention": lambda record: self._attention(record, one_head(self.layer, self.head)),
            "contacts": lambda record: self._attention(record, CONTACTS),
            "mutations": self._mutations,
            "clusters": lambda _: self._clusters(),
        }
        spread = draws[name](record)
        own = {"protein": record.id, "layer": self.layer, "head": self.head, "precision": self.run.precision}
        return answer(
            VIEWS[name][1],
            [*self._cautions(name, record), *spread.pieces],
            source=self.run.source.name,
            records=self.records if name in OF_THE_SET else [record],
            spec=self.spec,
            settings={"model": self.spec.name, **own, "widgets": {}},
            created=created,
        )

    def _cautions(self, name: str, record: ProteinRecord) -> list[Facts]:
        """Those of its page."""
        others, window_above = self.workbench.specs().values(), self.workbench.settings.window_above
        long = beyond_training(self.spec, record, window_above) if name not in OF_THE_SET else None
        taste = no_effects(self.spec, others) if name == "mutations" else None
        return [caution for caution in (long, taste) if caution is not None]

    def _similarity(self, record: ProteinRecord) -> Spread:
        check_map(self.workbench.settings, record)
        request = Request(layers=(self.layer,), keep_residues=True, precision=self.run.precision)
        output = self._inspected(record, request)
        whole = slice(0, len(record))
        made = self._made(output, layer=self.layer)
        return panels.similarity((output, output), record, None, made, stretches=(whole, whole))

    def _attention(self, record: ProteinRecord, look: Look) -> Spread:
        output = self._inspected(record, Request(probes=(look.probe,), precision=self.run.precision))
        made = self._made(output, layer=look.layer, head=look.head)
        drawn: dict[str, Any] = {"stretch": slice(0, len(record)), "selected": (self.layer, self.head)}
        return panels.attention(output.probes[look.probe.key], look, record, made, **drawn)

    def _mutations(self, record: ProteinRecord) -> Spread:
        output = self._inspected(record, Request(logits=True, precision=self.run.precision))
        logits = output.logits
        if self.is_masked:
            logits = self.workbench.masked_logits(record, self.spec.name, self.run.precision)
        assert logits is not None
        look = LogitsLook(slice(0, len(record)), scheme=MASKED if self.is_masked else WILD_TYPE)
        return panels.logits(logits, look, record, self._made(output))

    def _clusters(self) -> Spread:
        bench, look, pooling = self.workbench, MapLook.usual(len(self.records)), self.spec.poolings[0]
        options: dict[str, Any] = {"layer": self.layer, "pooling": pooling, "precision": self.run.precision}
        vectors = bench.submit_embed(self.records, self.spec.name, **options).result()
        projection = bench.project(vectors, method=look.method, **look.params)
        clusters = bench.cluster(vectors, method=look.grouping, **look.group_params)
        grouped = panels.Grouped(self.records, vectors, projection, clusters)
        colour = colouring.colours(self.records)[0]
        made = self._made(vectors, layer=self.layer)
        return panels.clusters(grouped, look, self.run.source.name, made, pooling=pooling, colour=colour)

    def _inspected(self, record: ProteinRecord, request: Request) -> ModelOutput:
        return self.workbench.inspect(record, self.spec.name, request)

    def _made(
        self, output: ModelOutput | EmbeddingSet, *, layer: int | None = None, head: int | None = None
    ) -> Provenance:
        windows = output.windows if isinstance(output, ModelOutput) else ()
        return self.workbench.provenance(
            self.spec.name, precision=output.precision, layer=layer, head=head, windows=windows
        )


def _named(layer: int, spec: ModelSpec) -> int:
    """The layer, counted from the last where negative; refused before anything is computed, whatever shows it."""
    layers = spec.layers
    if layer not in layers and not -len(layers) <= layer < 0:
        raise OutputNotProvidedError(
            f"{spec.name} has no layer {layer}.", f"Its layers are {layers[0]} to {layers[-1]}."
        )
    return layers[layer] if layer < 0 else layer
