"""The models of a process: which there are, whether they run here, getting them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from esmviz.answers import Answers, digest, model_cache
from esmviz.checks import checker
from esmviz.errors import InvalidSequenceError, ModelUnavailableError, OutputNotProvidedError
from esmviz.jobs import Context, Job, Queue
from esmviz.measuring import Measurement, can_measure, measure_steps, n_passed, part_to_measure, subject
from esmviz.models import memory
from esmviz.models.base import ModelStatus
from esmviz.models.windowed import WindowedBackend
from esmviz.relief import Relief, Spare
from esmviz.results import Results
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from esmviz.types import ModelSpec, Precision, ProteinRecord, Provenance, Request, Windows
from esmviz.uploads import Limits
from esmviz.warming import warm_up

if TYPE_CHECKING:
    from esmviz.models.cache import ModelCache

STREAMED_BYTES = 16 << 20  # of vectors remembered while sets of any length stream through


class Library:
    """Settings, models, queue and results of one process.

    Parameters
    ----------
    settings : Settings
    allow_paths : bool
        Take a folder's path for a model's name: for the command line, never for the web.
    models : ModelCache, optional
        By default the catalogue and the models that the settings name.
    queue : Queue, optional
    """

    def __init__(
        self,
        settings: Settings,
        *,
        allow_paths: bool = False,
        models: ModelCache | None = None,
        queue: Queue | None = None,
    ) -> None:
        self.settings = settings
        self.results = Results(settings.cache_mb << 20)
        self.streamed = Results(STREAMED_BYTES)
        self.spare = Spare([self.results, self.streamed])
        self.queue = Queue(settings.heartbeat_seconds) if queue is None else queue
        self.models = (
            model_cache(settings, allow_paths, self.spare, self._is_busy) if models is None else models
        )
        reserve = settings.memory_reserve_mb << 20
        self._relief = Relief(lambda: memory.free_bytes("cpu"), reserve, self.spare, self._drop_idle)
        self._answers = Answers(self.models, self.queue, self.results, settings.window_above, self._relief)

    @property
    def limits(self) -> Limits:
        """What one upload may bring."""
        s = self.settings
        return Limits(s.max_upload_mb << 20, s.max_records, s.max_residues, s.max_length)

    def has_room(self, n_bytes: int) -> bool:
        """Whether so much can be taken in: the reserve stays free then, once results and idle models are gone."""
        return self._relief(n_bytes)

    @cached_property
    def sharing(self) -> Sharing:
        """The snapshots of this server."""
        return Sharing(self.settings)

    def specs(self) -> dict[str, ModelSpec]:
        """All models that can be chosen, by name."""
        return self.models.specs()

    def spec(self, model: str) -> ModelSpec:
        """One model's facts; UnknownModelError lists what there is."""
        return self.models.spec(model)

    def status(self, model: str) -> ModelStatus:
        """Whether the model is on this machine and would fit in memory."""
        return self.models.status(model)

    def backend(self, model: str) -> WindowedBackend:
        """The loaded model, for proteins of any length; loads it on first use."""
        return self._answers.backend(model)

    def check(self, record: ProteinRecord, model: str, request: Request) -> None:
        """Refuse what cannot be computed, before any work; see ``checker``."""
        self.checker(model, request)(record)

    def checker(self, model: str, request: Request) -> Callable[[ProteinRecord], None]:
        """What refuses the records of a set, one by one; what the model cannot give is refused at once."""
        return checker(self.spec(model), self.specs(), request, self.settings)

    def provenance(
        self,
        model: str,
        *,
        precision: str = "float32",
        layer: int | None = None,
        head: int | None = None,
        windows: Windows = (),
    ) -> Provenance:
        """Where a picture or a file comes from. The revision of a local model is known once it is loaded."""
        revision = self._answers.revision(model) or self.spec(model).revision or ""
        return Provenance(model, revision, precision, layer, head, windows)

    def submit_download(self, model: str, *, visitor: str = "", slot: str = "") -> Job:
        """Bring a model's files to this machine; progress in bytes. Where the settings forbid it, an error says so."""
        self.spec(model)
        if not self.settings.allow_downloads:
            raise ModelUnavailableError(
                f"{model} is not downloaded: ESMVIZ_ALLOW_DOWNLOADS is 0 on this server.",
                "Whoever runs it can fetch the model.",
            )

        def function(context: Context) -> None:
            self.models.download(
                model, lambda done, total: context.report(done, total, "bytes"), lambda: context.cancelled
            )

        return self.queue.submit("download", model, function, visitor=visitor, slot=slot)

    def measure(
        self, records: Sequence[ProteinRecord], model: str, precision: Precision = "auto"
    ) -> Measurement:
        """Speed of embedding, memory and pseudo-perplexity of a model on the first proteins of a set, measured anew.

        Raises
        ------
        OutputNotProvidedError
            For a model that gives no hidden states, or runs on another server.
        """
        measurement: Measurement = self.submit_measure(records, model, precision).result()
        return measurement

    def submit_measure(
        self,
        records: Sequence[ProteinRecord],
        model: str,
        precision: Precision = "auto",
        *,
        visitor: str = "",
        slot: str = "",
    ) -> Job:
        """``measure`` as a job; what it refuses is raised here, at once."""
        spec = self.spec(model)
        if not can_measure(spec):
            able = [name for name, spec in self.specs().items() if can_measure(spec)]
            raise OutputNotProvidedError(
                f"{model} does not embed proteins on this machine.", f"Models that do: {', '.join(able)}."
            )
        if not records:
            raise InvalidSequenceError("There is no protein.", "Upload some first.")
        part, precision = part_to_measure(records), self._precision(precision)

        def function(context: Context) -> Generator[None, None, Measurement]:
            override = self.settings.precision
            return measure_steps(self.backend(model), part, precision, context, override=override)

        key = digest("measure", model, precision, subject(part))
        n_residues = n_passed(part, spec)
        return self.queue.submit(model, key, function, visitor=visitor, slot=slot, n_residues=n_residues)

    def warm_up(self) -> None:
        """Load the default model and what it computes with, then compile UMAP, behind the scenes."""
        warm_up(self.settings.default_model, self._load_whole, self.queue)

    def _load_whole(self, model: str) -> None:
        self.backend(model)
        if self.models.device == "cpu":
            from esmviz.models import half_attention

            half_attention.warm_up()

    def _drop_idle(self) -> bool:
        """Let go of a model; on a GPU that would not help the memory of the machine."""
        return self.models.device == "cpu" and self.models.drop_idle()

    def _is_busy(self, model: str) -> bool:
        """Whether a computation runs in a model, alone or as a member of an ensemble."""
        running = [lane for lane, status in self.queue.counts() if status == "running"]
        specs = (self.specs().get(lane) for lane in running)
        return model in running or any(model in spec.members for spec in specs if spec is not None)

    def _precision(self, precision: Precision) -> Precision:
        return self.settings.precision if precision == "auto" else precision
