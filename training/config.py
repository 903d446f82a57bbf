"""The settings of config.toml, and those that a command line overrides."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Settings by part and name; an override is `part.key=value`, its value JSON.

    KeyError names a setting that config.toml does not have: a misspelt one would change nothing.
    """
    settings = tomllib.loads(path.read_text())
    for override in overrides:
        key, _, value = override.partition("=")
        part, _, name = key.partition(".")
        if name not in settings[part] and (part, name) not in OPTIONAL:
            raise KeyError(f"config.toml has no setting {key}")
        settings[part][name] = json.loads(value)
    return settings


OPTIONAL = {("training", "n_steps"), ("training", "bf16")}
