"""Checkpoints that somebody put on this machine: by name in a folder of models, and by path where that is allowed."""

from __future__ import annotations

from dataclasses import replace
from glob import escape
from pathlib import Path

from esmviz.errors import CorruptCheckpointError
from esmviz.models.catalog import CATALOG, MINI_FOLDER
from esmviz.models.folders import describe
from esmviz.models.native import is_native
from esmviz.models.weights import ESM3_FILES
from esmviz.types import ModelSpec

Stamp = tuple[tuple[str, int, int, int, int], ...]


class LocalCheckpoints:
    """Sub-folders and files of ``models_dir`` by name; ``allow_paths`` as in ``ModelCache``."""

    def __init__(self, models_dir: Path | None, allow_paths: bool) -> None:
        self._models_dir, self._allow_paths = models_dir, allow_paths
        self._known: dict[Path, tuple[Stamp | None, ModelSpec]] = {}

    def specs(self) -> dict[str, ModelSpec]:
        """What is in the folder. A checkpoint that cannot be read is there too; its note says why."""
        return {name: self._described(path, name) for name, path in self._paths().items()}

    def spec(self, name: str) -> ModelSpec | None:
        """The spec of a checkpoint; None where there is none of that name."""
        path = self.path_of(name)
        return None if path is None else self._described(path, name)

    def path_of(self, name: str) -> Path | None:
        """Folder or file of a checkpoint."""
        if name == "mini":
            return MINI_FOLDER
        if (path := self._paths().get(name)) is not None:
            return path
        if self._allow_paths and name not in CATALOG and Path(name).exists():
            return Path(name)
        return None

    def as_found(self, spec: ModelSpec) -> ModelSpec:
        """A model of the catalogue, without contacts where the files in its place have no regression."""
        found = self.spec(spec.name)
        if found is None or not found.provides or "contacts" in found.provides:
            return spec
        return replace(spec, provides=spec.provides - {"contacts"})

    def _described(self, path: Path, name: str) -> ModelSpec:
        """Pages ask for every model at every run of their scripts: what did not change is not read again."""
        stamp = _stamp(path)
        known = self._known.get(path)
        if known is not None and stamp is not None and (stamp, name) == (known[0], known[1].name):
            return known[1]
        spec = _described(path, name)
        if spec.provides:  # what failed may have failed for a moment
            self._known[path] = stamp, spec
        return spec

    def _paths(self) -> dict[str, Path]:
        if self._models_dir is None or not self._models_dir.is_dir():
            return {}
        found: dict[str, Path] = {}
        for path in sorted(self._models_dir.iterdir(), key=lambda path: (path.is_file(), path)):
            if path.name.startswith("."):  # .git, .cache: of other programs
                continue
            if path.is_dir():
                found[path.name] = path
            elif is_native(path):  # under its whole name where another has the short one
                found[path.name if path.stem in found else path.stem] = path
        return found


def _stamp(path: Path) -> Stamp | None:
    """What changes when a file of a checkpoint is put there, taken away or written; None where they cannot be looked at."""
    try:
        beside = path.parent.glob(f"{escape(path.stem)}*")  # a contact regression is a file of its own
        nested = (path / name for name in ESM3_FILES if (path / name).is_file())
        paths = sorted({*path.iterdir(), *nested} if path.is_dir() else beside)
        found = [(str(each), each.stat()) for each in paths]
    except OSError:  # a link that leads nowhere, a file that goes this moment: its reader says so
        return None
    return tuple(
        (name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found
    )


def _described(path: Path, name: str) -> ModelSpec:
    try:
        return describe(path, name)
    except CorruptCheckpointError as error:
        return ModelSpec(
            name, "unknown", "", None, 0, 0, 0, 0, None, "", frozenset(), title=name, note=str(error)
        )
