"""ModelCache: which models there are, whether they are here and fit, and the loaded ones. No torch until one loads."""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from esmviz.errors import ModelUnavailableError, UnknownModelError
from esmviz.models import esm_package, hub, memory
from esmviz.models.base import Backend, ModelStatus
from esmviz.models.catalog import CATALOG
from esmviz.models.folders import FOLDING, describe
from esmviz.models.hosted import HostedModels
from esmviz.models.local import LocalCheckpoints
from esmviz.models.room import NOTHING, Room, Spare
from esmviz.models.weights import is_checkpoint, revision
from esmviz.types import ModelSpec, Precision

NEEDS_ESM_PACKAGE = {"esm3"}  # families

log = logging.getLogger("esmviz")

COMMIT = re.compile(r"[0-9a-f]{40}")  # the name of a snapshot in the hub's cache


class ModelCache:
    """Models by name: the catalogue, hosted ones, the checkpoints in ``models_dir``, and paths where allowed.

    Parameters
    ----------
    models_dir : Path, optional
        A sub-folder or file named like a model of the catalogue holds that model's weights; any other is a model of
        its own.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    precision : Precision
        Used for every request, unless ``auto``.
    offline : bool
        Never ask the hub.
    memory_fraction : float
        Share of the free memory that one model may take.
    allow_paths : bool
        Whether a name may be the path of a checkpoint. Never for visitors of a web page.
    hosted : HostedModels, optional
        Models that run on other servers.
    spare : Spare, optional
        What goes before any model does where memory is short.
    is_busy : callable
        Whether something is being computed by a model of that name: then letting go of it would free nothing.
    """

    def __init__(
        self,
        *,
        models_dir: Path | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        offline: bool = False,
        memory_fraction: float = 0.8,
        allow_paths: bool = False,
        hosted: HostedModels | None = None,
        spare: Spare | None = None,
        is_busy: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self._spare, self._is_busy = NOTHING if spare is None else spare, is_busy
        self._hosted = HostedModels() if hosted is None else hosted
        self._local = LocalCheckpoints(models_dir, allow_paths)
        self._asked_device, self._precision = device, precision
        self._offline, self._fraction, self._allow_paths = offline, memory_fraction, allow_paths
        self._room = Room(lambda: memory.free_bytes(self.device), memory_fraction)
        self._loaded: OrderedDict[str, Backend] = OrderedDict()  # least recently used first
        self._ensembles: dict[str, Backend] = {}  # without weights of their own: nothing to let go
        self._lock = threading.Lock()  # of the mappings; never held while a model loads
        self._locks: dict[str, threading.Lock] = {}

    def specs(self) -> dict[str, ModelSpec]:
        """All models by name. A folder that cannot be read is there too; its note says why."""
        known = {**{n: self._local.as_found(s) for n, s in CATALOG.items()}, **self._hosted.specs()}
        return {**known, **{n: s for n, s in self._local.specs().items() if n not in known}}

    def spec(self, name: str) -> ModelSpec:
        """The spec of a model.

        Raises
        ------
        UnknownModelError
            Lists the models there are.
        """
        if (known := (CATALOG | self._hosted.specs()).get(name)) is not None:
            return self._local.as_found(known)
        if (found := self._local.spec(name)) is not None:
            return found
        names = ", ".join(self.specs())
        where = " or the path of a checkpoint" if self._allow_paths else ""
        raise UnknownModelError(f"There is no model {name!r}.", f"There are {names}{where}.")

    def status(self, name: str) -> ModelStatus:
        """Whether a model can be used here and now."""
        if name in self._hosted:
            return self._hosted.status(name)
        spec = self.spec(name)
        parts, missing = self._parts(spec), self._missing(spec)
        with self._lock:
            loaded = [part.name in self._loaded for part in parts]
        reason = self._trouble(spec, missing)
        needed, free = max(map(self._needed, parts)), memory.free_bytes(self.device)
        fits = bool(spec.provides) and (any(loaded) or needed <= free * self._fraction)
        if not fits and not reason:
            reason = f"Needs {memory.gibibytes(needed)}, free are {memory.gibibytes(free)}."
        to_fetch = sum(part.n_parameters * 4 for part in missing)
        return ModelStatus(not missing, all(loaded), needed, free, fits, reason, to_fetch)

    def backend(self, name: str) -> Backend:
        """The loaded model; loads it on first use. Others wait only for the same model.

        Raises
        ------
        UnknownModelError, ModelUnavailableError, CorruptCheckpointError, ServiceError
        """
        if name in self._hosted:
            return self._hosted.backend(name)
        spec = self.spec(name)
        if spec.members:
            return self._ensemble(spec)
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            with self._lock:
                if name in self._loaded:
                    self._loaded.move_to_end(name)
                    return self._loaded[name]
            return self._load(name, spec)

    def download(
        self, name: str, progress: Callable[[int, int], None], cancel: Callable[[], bool] = lambda: False
    ) -> None:
        """Fetch from the hub what is missing of a model, or of an ensemble's members, reporting bytes so far and in all.

        Raises
        ------
        ModelUnavailableError, CorruptCheckpointError, CancelledError
        """
        spec = self.spec(name)
        if name in self._hosted:
            raise ModelUnavailableError(f"{name} runs at {spec.host}: there is nothing to download.")
        missing = self._missing(spec)
        if not missing:
            return
        if self._offline or not all(part.repo_id for part in missing):
            reason = ", and esmviz is offline (ESMVIZ_OFFLINE)" if self._offline else ""
            raise hub.unavailable(spec, reason, missing)
        hub.download(missing, progress, cancel)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``. Asking imports torch where the setting is ``auto``."""
        return memory.pick_device(self._asked_device)

    def _ensemble(self, spec: ModelSpec) -> Backend:
        """An ensemble, once every member has loaded: a broken one is found before any output. One needs to fit."""
        with self._lock:
            known = self._ensembles.get(spec.name)
        if known is None:
            from esmviz.models.ensemble import EnsembleBackend

            if missing := self._missing(spec):
                raise hub.unavailable(spec, "", missing)
            revisions = [self.backend(member).revision for member in spec.members]
            known = EnsembleBackend(spec, revisions, self, device=self.device)
            with self._lock:
                self._ensembles[spec.name] = known
        return known

    def _load(self, name: str, spec: ModelSpec) -> Backend:
        own = self._local.path_of(name)
        if own is not None and not spec.provides:  # its description failed: describe it again for the error
            describe(own, name)
        if spec.family in NEEDS_ESM_PACKAGE and not esm_package.is_installed():
            raise esm_package.unavailable(spec.name)  # before gigabytes are fetched
        folder = self._weights(name, spec)
        if folder is None:
            raise hub.unavailable(spec, "")
        with self._room_for(spec):
            backend = self._built(folder, spec)
            with self._lock:
                self._loaded[name] = backend
        return backend

    def _built(self, folder: Path, spec: ModelSpec) -> Backend:
        from esmviz.models.checkpoints import load
        from esmviz.models.transformer import TransformerBackend

        is_snapshot = folder.parent.name == "snapshots" and COMMIT.fullmatch(folder.name) is not None
        known = folder.name if is_snapshot else revision(folder)
        device = self.device
        if spec.family in FOLDING:
            from esmviz.models.fold_checkpoints import folding_backend

            return folding_backend(folder, replace(spec, revision=known), known, device, self._precision)
        network = load(folder, spec, device)
        if network.contact_regression() is None:
            spec = replace(spec, provides=spec.provides - {"contacts"})
        spec = replace(spec, revision=known)
        return TransformerBackend(
            spec, known, network, device=device, override=self._precision, room=self._room
        )

    @contextmanager
    def _room_for(self, spec: ModelSpec) -> Iterator[None]:
        """Memory for a model while it is being built; the least recently used let go for it."""
        needed = self._needed(spec)
        with self._room.claim(needed, lambda: self._let_one_go(needed)) as fits:
            if not fits:
                free = self._room.free()
                raise ModelUnavailableError(
                    f"{spec.name} needs {memory.gibibytes(needed)} of memory, free are {memory.gibibytes(free)}"
                    f" (of which one model may take {self._fraction:.0%}).",
                    self._smaller(needed, free),
                )
            yield

    def drop_idle(self) -> bool:
        """Let go of the model used least recently of those that nothing is computed by; False when there is none."""
        idle = self._idle()
        with self._lock:
            name = next((name for name in idle if name in self._loaded), None)
            if name is None:
                return False
            del self._loaded[name]
        log.warning("memory is short: %s was dropped", name)
        memory.collect()
        return True

    def _idle(self) -> list[str]:
        with self._lock:
            names = list(self._loaded)
        return [name for name in names if not self._is_busy(name)]

    def _let_one_go(self, needed: int) -> bool:
        """Make room: results first, then an idle model; nothing goes for a model that would not fit without them all."""
        idle, free = self._idle(), self._room.free()
        with self._lock:
            held = sum(self._needed(self._loaded[name].spec) for name in idle if name in self._loaded)
        if needed > (free + held + self._spare.n_bytes) * self._fraction:
            return False
        return bool(self._spare.shed(int(needed / self._fraction) - free)) or self.drop_idle()

    def _needed(self, spec: ModelSpec) -> int:
        return memory.needed_bytes(spec, self._precision)

    def _smaller(self, needed: int, free: int) -> str:
        offered = (spec for spec in self.specs().values() if spec.provides)
        fitting = [spec for spec in offered if not spec.members and not spec.host]
        fitting = [spec for spec in fitting if self._needed(spec) <= min(free * self._fraction, needed - 1)]
        if not fitting:
            return "Free some memory; no model fits."
        return f"The largest that fits is {max(fitting, key=lambda spec: spec.n_parameters).name}."

    def _parts(self, spec: ModelSpec) -> tuple[ModelSpec, ...]:
        """The checkpoints that a model consists of: its members, or itself."""
        return tuple(map(self.spec, spec.members)) or (spec,)

    def _missing(self, spec: ModelSpec) -> list[ModelSpec]:
        """Of these, those whose weights are not on this machine."""
        return [part for part in self._parts(spec) if self._weights(part.name, part) is None]

    def _weights(self, name: str, spec: ModelSpec) -> Path | None:
        """Folder of a model's weights on this machine."""
        folder = self._local.path_of(name)
        if folder is None and spec.repo_id:
            folder = hub.local_folder(spec)
        return folder if folder is not None and is_checkpoint(folder) else None

    def _trouble(self, spec: ModelSpec, missing: list[ModelSpec]) -> str:
        if not spec.provides:
            return spec.note
        troubles = []
        if missing and spec.members:
            troubles.append(f"Not on this machine: {', '.join(part.name for part in missing)}.")
        elif missing:
            is_elsewhere = bool(spec.repo_id)
            troubles.append(
                "Not on this machine." if is_elsewhere else "Its weights are missing from this installation."
            )
        if spec.family in NEEDS_ESM_PACKAGE and not esm_package.is_installed():
            troubles.append(str(esm_package.unavailable(spec.name)))
        return " ".join(troubles)
