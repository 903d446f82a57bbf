"""Every knob of esmviz, read once from ESMVIZ_* variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args

from esmviz.errors import InvalidSettingError
from esmviz.types import Precision

PREFIX = "ESMVIZ_"


@dataclass(frozen=True)
class Settings:
    """Knobs with their defaults; ``Settings.from_env()`` reads e.g. ``ESMVIZ_MAX_RECORDS``.

    Attributes
    ----------
    models_dir : Path or None
        Folder whose sub-folders are checkpoints offered beside the catalogue.
    default_model : str
        Model a first visit opens with.
    device : str
        ``auto`` (a CUDA GPU where there is one), ``cpu`` or ``cuda``.
    precision : str
        ``auto``, or one precision for everything.
    offline : bool
        Never ask the hub for anything.
    max_upload_mb, max_records, max_residues, max_length : int
        Limits of one upload: megabytes after decompression, records, residues in all, residues of one protein.
    max_map_residues : int
        Longest protein whose residue x residue maps are computed; a map of 4096 residues takes 64 MiB.
    window_above : int
        Longest protein that runs in one piece, where the model takes it; longer ones run in windows.
    cache_mb : int
        Bound of the results kept in memory.
    model_memory_fraction : float
        Share of the free memory that one model may take.
    heartbeat_seconds : float
        A job that no page asks for during this time is dropped.
    warm_up : bool
        Import torch and umap and load the default model in the background at start.
    """

    models_dir: Path | None = None
    default_model: str = "mini"
    device: str = "auto"
    precision: Precision = "auto"
    offline: bool = False
    max_upload_mb: int = 50
    max_records: int = 10_000
    max_residues: int = 5_000_000
    max_length: int = 40_000
    max_map_residues: int = 4096
    window_above: int = 4096
    cache_mb: int = 512
    model_memory_fraction: float = 0.8
    heartbeat_seconds: float = 10.0
    warm_up: bool = True

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise InvalidSettingError(
                f"ESMVIZ_PRECISION is {self.precision!r}.", f"One of {', '.join(get_args(Precision))}."
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0:
                raise InvalidSettingError(f"{PREFIX}{field.name.upper()} is {value}.", "It must be above 0.")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read the settings.

        Raises
        ------
        InvalidSettingError
            For an ``ESMVIZ_*`` name that is no setting, or a value that cannot be read.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + field.name.upper(): field for field in fields(cls)}
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        for name in given.keys() - known.keys():
            raise InvalidSettingError(
                f"{name} is no setting of esmviz.", f"There are {', '.join(sorted(known))}."
            )
        values = {known[name].name: _parse(name, text, str(known[name].type)) for name, text in given.items()}
        return cls(**values)


def _parse(name: str, text: str, kind: str) -> Any:
    try:
        match kind:
            case "bool":
                return {"1": True, "true": True, "0": False, "false": False}[text.strip().lower()]
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "Path | None":
                return Path(text).expanduser() if text.strip() else None
    except (KeyError, ValueError):
        raise InvalidSettingError(
            f"{name} is {text!r}, which is no {kind}.", "Correct it or unset it."
        ) from None
    return text.strip()
