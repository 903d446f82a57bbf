"""One computation and what is seen of it from outside (Job) and from inside (Context)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Literal

from esmviz.errors import CancelledError

Status = Literal["waiting", "running", "done", "failed", "cancelled"]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Progress:
    """How far a job is: ``done`` of ``total`` in ``unit``, what it does now, seconds since it began."""

    done: int = 0
    total: int = 0
    unit: str = ""
    note: str = ""
    seconds: float = 0.0

    @property
    def fraction(self) -> float:
        """From 0 to 1; 0 while the total is unknown.

        >>> Progress(done=3, total=12).fraction
        0.25
        """
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class Grant:
    """What a new job may have: the seconds that it may work, if any, and who is told which share of it was not done."""

    most_seconds: float | None = None
    give_back: Callable[[float], object] = lambda share: None


class Job:
    """One computation, shared by all who asked for the same.

    Attributes
    ----------
    key : Hashable
        Equal keys in one lane share a job.
    status : {'waiting', 'running', 'done', 'failed', 'cancelled'}
    most_seconds : float or None
        How long it may work.
    partial : Any
        The latest intermediate result that the function reported, or None.
    """

    def __init__(
        self, key: Hashable, clock: Clock = time.monotonic, most_seconds: float | None = None
    ) -> None:
        self.key = key
        self.most_seconds = most_seconds
        self.status: Status = "waiting"
        self.partial: Any = None
        self._clock = clock
        self._asked = clock()
        self._progress = Progress()
        self._started: float | None = None
        self._ended: float | None = None
        self._over = threading.Event()
        self._stop = threading.Event()
        self._value: Any = None
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._error_shown = False

    @classmethod
    def finished(cls, key: Hashable, value: Any) -> Job:
        """A job whose result was there already."""
        job = cls(key)
        job._close("done", value=value)
        return job

    def __repr__(self) -> str:  # never the key: it may hold a visitor's sequence
        return f"<Job {self.status} {self._progress.done}/{self._progress.total}>"

    @property
    def is_over(self) -> bool:
        """True once it is done, failed or cancelled."""
        return self._over.is_set()

    @property
    def progress(self) -> Progress:
        if self._started is None:
            return self._progress
        end = self._clock() if self._ended is None else self._ended
        return replace(self._progress, seconds=end - self._started)

    @property
    def waited(self) -> float:
        """Seconds until it began, or ended without having begun."""
        ends = (self._started, self._ended, self._clock())
        return next(end for end in ends if end is not None) - self._asked

    @property
    def error_name(self) -> str:
        """Class of what it failed with, ``""`` where it did not fail."""
        return type(self._error).__name__ if self.status == "failed" else ""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is over, at most ``timeout`` seconds; False when it is not over by then."""
        return self._over.wait(timeout)

    def result(self) -> Any:
        """Wait for the value; raises what the job raised, or CancelledError."""
        self._over.wait()
        if self._error is not None:
            self._error_shown = True
            raise self._error.with_traceback(self._traceback)  # or the trace would grow with every reader
        return self._value

    def _open(self) -> None:
        if self._started is None:
            self.status, self._started = "running", self._clock()

    def _close(self, status: Status, *, value: Any = None, error: BaseException | None = None) -> None:
        self._value, self._error, self._ended = value, error, self._clock()
        self._traceback = error.__traceback__ if error else None
        self.status = status
        self._over.set()


class Context:
    """What a job's function sees of its job. ``Context()`` alone serves a caller without a queue.

    Parameters
    ----------
    job : Job, optional
    look_around : callable, optional
        Called before each look at the cancel flag; the queue drops silent visitors in it.
    """

    def __init__(self, job: Job | None = None, look_around: Callable[[], None] = lambda: None) -> None:
        self._job = job or Job("")
        self._look_around = look_around

    @property
    def cancelled(self) -> bool:
        self._look_around()
        return self._job._stop.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise CancelledError once nobody wants the result any more. Call it between batches."""
        if self.cancelled:
            raise stopped()

    def report(
        self, done: int, total: int, unit: str = "residues", note: str = "", partial: Any = None
    ) -> None:
        """Tell how far it is, then ``raise_if_cancelled``; ``partial`` is an intermediate result to show."""
        self._job._progress = Progress(done, total, unit, note)
        if partial is not None:
            self._job.partial = partial
        self.raise_if_cancelled()


def stopped() -> CancelledError:
    """What the job of a visitor who left ends with."""
    return CancelledError("The computation was stopped.", "Start it again to get its result.")
