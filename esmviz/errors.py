"""One family of errors. The raiser writes what happened and what to do; page, API and CLI only translate.

Every class says once how each of the three shows it, so that no second list of errors exists.
"""

from __future__ import annotations

from typing import ClassVar, Literal


class EsmvizError(Exception):
    """Something a person can understand and mend.

    Parameters
    ----------
    message : str
        What happened, where, and why. Plain text; shown to people, never rendered as markup.
    hint : str
        The way out.
    """

    exit_code: ClassVar[int] = 2
    http_status: ClassVar[int] = 422
    severity: ClassVar[Literal["error", "warning", "info"]] = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidSequenceError(EsmvizError):
    """A letter, header or file that cannot be read as proteins; names record, line and position."""


class InvalidStructureError(EsmvizError):
    """A PDB or mmCIF file that cannot be read, or holds no protein; names line or chain."""


class InvalidSessionError(EsmvizError):
    """A session file that cannot be read; says where."""


class SequenceTooLongError(EsmvizError):
    """Longer than the model or a setting allows; says which models take it."""

    http_status = 413


class UploadTooLargeError(EsmvizError):
    """Over a limit of Settings; says the limit."""

    http_status = 413


class UnfinishedRunError(EsmvizError):
    """What an earlier run left behind is in the way, or belongs to another run; says both ways on."""

    http_status = 409


class UnknownModelError(EsmvizError):
    """No such model; lists what there is instead."""

    http_status = 404
    severity = "warning"


class OutputNotProvidedError(EsmvizError):
    """The model does not give this output; lists models that do."""

    severity = "warning"


class InvalidSettingError(EsmvizError):
    """An ESMVIZ_* variable that is misspelt or has a value that cannot be read."""

    exit_code = 3
    http_status = 500


class AccessError(EsmvizError):
    """Who asks has not signed in, or may not; says how, or when to come back."""

    http_status = 403


class QuotaError(EsmvizError):
    """More than a visitor may ask of this server; says when to come back."""

    http_status = 429
    severity = "warning"


class ModelUnavailableError(EsmvizError):
    """Weights missing, no network, an extra not installed, not enough memory: says which, and the command."""

    exit_code = 3
    http_status = 503


class ServiceError(ModelUnavailableError):
    """A server that hosts a model is out of reach, refuses, or answers what cannot be read.

    ``status`` is the HTTP status of its refusal, None where there was none.
    """

    http_status = 502

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class ProteinRefusedError(ServiceError):
    """A server does not take one protein; others may go on."""


class CorruptCheckpointError(EsmvizError):
    """A missing or unexpected tensor, or a shape that differs: half-loaded weights never run."""

    exit_code = 3
    http_status = 503


class SnapshotNotFoundError(EsmvizError):
    """Unknown, expired or revoked: a link does not tell which."""

    http_status = 404
    severity = "info"


class NotTheOwnerError(EsmvizError):
    """Somebody else's snapshot can be looked at, not taken back."""

    http_status = 403
    severity = "warning"


class QuotaExceededError(EsmvizError):
    """More than a setting lets visitors keep; names the limit."""

    http_status = 413


class StoreUnavailableError(EsmvizError):
    """What visitors keep cannot be written or read just now: disk full, folder read-only, database gone."""

    exit_code = 3
    http_status = 503


class DamagedDataError(EsmvizError):
    """Something that was stored is not what was written: it is never shown."""

    exit_code = 3
    http_status = 500


class OutOfMemoryError(EsmvizError):
    """One protein alone does not fit."""

    exit_code = 3
    http_status = 413


class ComputationLostError(EsmvizError):
    """The server lost a computation, or could not begin it; nothing is wrong with what was asked."""

    exit_code = 3
    http_status = 503


class CancelledError(EsmvizError):
    """The visitor, or the last visitor who wanted it, left. Not a failure."""

    severity = "info"


class DrawingError(EsmvizError):
    """Figures cannot be drawn here: no browser, or one that fails; says what else gives an image."""

    exit_code = 3
    http_status = 503
