"""Checkpoints that somebody put on this machine: by name in a folder of models, and by path where that is allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from esmviz.errors import CorruptCheckpointError
from esmviz.models.catalog import CATALOG, MINI_FOLDER
from esmviz.models.folders import describe
from esmviz.models.native import is_native
from esmviz.types import ModelSpec


class LocalCheckpoints:
    """Sub-folders and files of ``models_dir`` by name; ``allow_paths`` as in ``ModelCache``."""

    def __init__(self, models_dir: Path | None, allow_paths: bool) -> None:
        self._models_dir, self._allow_paths = models_dir, allow_paths

    def specs(self) -> dict[str, ModelSpec]:
        """What is in the folder. A checkpoint that cannot be read is there too; its note says why."""
        return {name: _described(path, name) for name, path in self._paths().items()}

    def spec(self, name: str) -> ModelSpec | None:
        """The spec of a checkpoint; None where there is none of that name."""
        path = self.path_of(name)
        return None if path is None else _described(path, name)

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


def _described(path: Path, name: str) -> ModelSpec:
    try:
        return describe(path, name)
    except CorruptCheckpointError as error:
        return ModelSpec(
            name, "unknown", "", None, 0, 0, 0, 0, None, "", frozenset(), title=name, note=str(error)
        )
