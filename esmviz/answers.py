"""How a use case gets its answer: from the results, from the queue, or here and now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from esmviz.jobs import Context, Job, Queue
from esmviz.models.windowed import WindowedBackend
from esmviz.relief import Spare
from esmviz.results import Results
from esmviz.types import EmbeddingSet, ModelOutput, Projection

if TYPE_CHECKING:
    from esmviz.models.cache import ModelCache
    from esmviz.models.hosted import HostedModels
    from esmviz.settings import Settings

PROJECTION = "projection"  # UMAP in several threads can abort the process: maps have one lane of their own


@dataclass(frozen=True)
class Case:
    """A use case with its arguments.

    ``lane`` is the model, or ``PROJECTION``; ``key`` holds all that could change the answer but the model's
    revision; ``compute`` gives the answer, or a generator that returns it at its end; ``n_residues`` are about how many
    pass through the model for it.
    """

    lane: str
    key: str
    compute: Callable[[Context], Any]
    n_residues: int = 0


class Answers:
    """Computes each case once while its answer is remembered; ``window_above`` as in the settings.

    ``relieve`` is called before each computation, to make room where memory is short.
    """

    def __init__(
        self,
        models: ModelCache,
        queue: Queue,
        results: Results,
        window_above: int,
        relieve: Callable[[], object] = lambda: None,
    ) -> None:
        self._models = models
        self._window_above = window_above
        self._queue = queue
        self._results = results
        self._relieve = relieve
        self._revisions: dict[str, str] = {}

    def backend(self, model: str) -> WindowedBackend:
        """The loaded model, for proteins of any length; loads it on first use."""
        backend = WindowedBackend(self._models.backend(model), self._window_above)
        self._revisions[model] = backend.revision
        return backend

    def revision(self, model: str) -> str:
        """Of the model as it was last loaded; ``""`` before that."""
        return self._revisions.get(model, "")

    def now(self, case: Case, context: Context | None) -> Any:
        """The answer, computed in this thread where it is not known."""
        steps = self._steps(case, context or Context())
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def knows(self, case: Case) -> bool:
        """Whether the answer is there, or under way."""
        known = self._results.get(self._result_key(case), is_counted=False)
        return known is not None or self._queue.has(case.lane, case.key)

    def submit(self, case: Case, visitor: str, slot: str) -> Job:
        """A job for the answer, done already where it is known."""
        known = self._results.get(self._result_key(case))
        if known is not None:
            return self._queue.finished(case.key, known, visitor=visitor, slot=slot)
        return self._queue.submit(
            case.lane,
            case.key,
            lambda context: self._steps(case, context),
            visitor=visitor,
            slot=slot,
            n_residues=case.n_residues,
        )

    def _steps(self, case: Case, context: Context) -> Generator[None, None, Any]:
        if case.lane != PROJECTION:
            self.backend(case.lane)  # its revision is part of the key
        value = self._results.get(self._result_key(case), is_counted=False)
        if value is None:
            context.raise_if_cancelled()
            self._relieve()
            value = case.compute(context)
            if isinstance(value, GeneratorType):
                value = yield from value
            self._results.put(self._result_key(case), value, _n_bytes(value))
        return value

    def _result_key(self, case: Case) -> str:
        return f"{self.revision(case.lane)}/{case.key}"


def model_cache(
    settings: Settings, allow_paths: bool, spare: Spare, is_busy: Callable[[str], bool]
) -> ModelCache:
    """The models that the settings name."""
    from esmviz.models.cache import ModelCache

    return ModelCache(
        hosted=_hosted_models(settings),
        models_dir=settings.models_dir,
        device=settings.device,
        precision=settings.precision,
        offline=settings.offline,
        memory_fraction=settings.model_memory_fraction,
        allow_paths=allow_paths,
        spare=spare,
        is_busy=is_busy,
    )


def _hosted_models(settings: Settings) -> HostedModels:
    """The models on servers that the settings name."""
    from esmviz.models.hosted import HostedModels, Server

    def server(url: str | None, token: str | None) -> Server | None:
        return None if url is None else Server(url, token, settings.service_timeout_seconds)

    names = settings.biolm_models
    return HostedModels(
        biolm=server(settings.biolm_url, settings.biolm_token),
        biolm_models=None if names is None else [name.strip() for name in names.split(",") if name.strip()],
        biohub=server(settings.biohub_url, settings.biohub_token),
        offline=settings.offline,
    )


def digest(*parts: object) -> str:
    """A key that holds all of the content and shows none of it.

    >>> digest("inspect", "MKV") == digest("inspect", "MKV"), digest("a", "b") == digest("ab")
    (True, False)
    """
    sha256 = hashlib.sha256()
    for part in parts:
        sha256.update(part if isinstance(part, bytes) else repr(part).encode())
        sha256.update(b"\x1f")
    return sha256.hexdigest()


def _n_bytes(value: Any) -> int:
    match value:
        case ModelOutput():
            return value.n_bytes
        case EmbeddingSet():
            return value.vectors.nbytes
        case Projection():
            return value.coords.nbytes
    return int(value.nbytes)
