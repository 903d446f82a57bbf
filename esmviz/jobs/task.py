"""What a worker has before it: a job with its function, in the waiting line of one lane."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from types import GeneratorType
from typing import Any

from esmviz.errors import CancelledError, QuotaError
from esmviz.jobs.job import Context, Grant, Job
from esmviz.labels import duration


class Task:
    """A job with the function that makes its result, run step by step."""

    def __init__(
        self, lane: str, job: Job, function: Callable[[Context], Any], context: Context, grant: Grant
    ) -> None:
        self.lane = lane  # as it was asked for: several may share one
        self.job = job
        self.grant = grant
        self._function = function
        self._context = context
        self._steps: Generator[Any, None, Any] | None = None
        self._worked = 0.0  # seconds, without the turns of others

    def step(self) -> bool:
        """Run to the next ``yield`` or to the end; False once the job is over. Never raises."""
        began = time.monotonic()
        try:
            return self._advance()
        except CancelledError as error:
            self.job._close("cancelled", error=error)
        except BaseException as error:  # noqa: BLE001 - kept in the job; result() raises it
            self.job._close("failed", error=error)
        finally:
            self._worked += time.monotonic() - began
        return False

    def _advance(self) -> bool:
        self.job._open()
        if self._context.cancelled and self._steps is not None:
            self._steps.close()
        self._context.raise_if_cancelled()
        self._check_time()
        if self._steps is None:
            value = self._function(self._context)
            if not isinstance(value, GeneratorType):
                self.job._close("done", value=value)
                return False
            self._steps = value
        try:
            next(self._steps)
        except StopIteration as end:
            self.job._close("done", value=end.value)
            return False
        return True

    def _check_time(self) -> None:
        most = self.job.most_seconds
        if most is not None and self._worked > most:
            if self._steps is not None:
                self._steps.close()
            raise QuotaError(
                f"This was stopped after {duration(most)}, the most that one computation may take on this server.",
                "Ask for less at a time, choose a smaller model, or run esmviz on a machine of your own.",
            )


class Lane:
    """The waiting line of one worker."""

    def __init__(self, lock: threading.RLock) -> None:
        self.tasks: deque[Task] = deque()
        self.at_work: Task | None = None
        self.arrival = threading.Condition(lock)
        self.worker: threading.Thread | None = None
