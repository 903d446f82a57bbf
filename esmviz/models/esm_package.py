"""The ``esm`` package: not among the requirements, since it names a transformers that would exclude ours."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from esmviz.errors import ModelUnavailableError

COMMAND = "make install (or, after requirements.txt: pip install --no-deps -r requirements-esm.txt)"


def is_installed() -> bool:
    """Whether the package is here. fair-esm is a module ``esm`` too, so the distribution is asked for."""
    try:
        version("esm")
    except PackageNotFoundError:
        return False
    return True


def unavailable(model: str, reason: str = "which is not installed") -> ModelUnavailableError:
    """The error of a model that needs the package, with the command that adds it."""
    return ModelUnavailableError(f"{model} needs the esm package, {reason}.", f"Command: {COMMAND}.")
