"""Work that outlives a page run: shared by all who want it, dropped when nobody does.

A lane is a model's name, or ``projection``: inside a lane one thing runs at a time. A job may be a generator
function; then the lane takes turns between its jobs at every ``yield``, so that one protein never waits for a
thousand.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

from esmviz.errors import ComputationLostError
from esmviz.jobs.job import Clock, Context, Grant, Job, stopped
from esmviz.jobs.task import Lane, Task

Watch = Callable[[str, Job], None]
Admit = Callable[["Queue", str, int], Grant]
log = logging.getLogger("esmviz.jobs")


class Queue:
    """Lanes of jobs and the visitors who want them.

    Parameters
    ----------
    heartbeat_seconds : float
        A visitor silent for longer, whose page is not known to be open, wants nothing any more.
    max_lanes : int
        Bound on worker threads; lane names beyond it share the lanes there are.
    clock : callable
        Seconds, never going back.
    watch : callable, optional
        Told of every job that is over, with the lane that was asked for.
    admit : callable, optional
        Asked before a visitor's new job with its residues: raises a refusal, or grants it. It hears
        which share of a job was not done, once that is cancelled.
    """

    def __init__(
        self,
        heartbeat_seconds: float = 30.0,
        *,
        max_lanes: int = 16,
        clock: Clock = time.monotonic,
        watch: Watch = lambda lane, job: None,
        admit: Admit = lambda queue, visitor, n_residues: Grant(),
    ) -> None:
        self._heartbeat_seconds = heartbeat_seconds
        self._max_lanes = max_lanes
        self._clock = clock
        self._watch = watch
        self._admit = admit
        self._lock = threading.RLock()
        self._lanes: dict[str, Lane] = {}
        self._jobs: dict[tuple[str, Hashable], Job] = {}
        self._wants: dict[tuple[str, str], Job] = {}
        self._seen: dict[str, float] = {}
        self._is_open: dict[str, Callable[[], bool]] = {}
        self._anonymous = itertools.count()

    def submit(
        self,
        lane: str,
        key: Hashable,
        function: Callable[[Context], Any],
        *,
        visitor: str = "",
        slot: str = "",
        n_residues: int = 0,
    ) -> Job:
        """Ask for ``function(context)``, or join those who asked for it already.

        Parameters
        ----------
        lane : str
            Only one job of a lane runs at a time.
        key : Hashable
            All that could change the result; equal keys of a lane share one job.
        function : callable
            Takes a Context and returns the result, or is a generator function that yields between batches.
        visitor : str
            Who wants it. A visitor must submit or send a heartbeat often enough; ``""`` never expires.
        slot : str
            What it is for. A visitor who wants another key in the same slot stops wanting the earlier one.
        n_residues : int
            About how many pass through the model for it.

        Returns
        -------
        job : Job
            The same job as before for an equal key, while it waits, runs, or is done and wanted. After a
            failure that ``result()`` has told, and after a cancel, the computation starts anew.
        """
        with self._lock:
            job = self._jobs.get((lane, key))
            if job is None or (job.status == "failed" and job._error_shown):
                grant = self._admit(self, visitor, n_residues) if visitor else Grant()
                job = Job(key, self._clock, grant.most_seconds)
                self._line_up(Task(lane, job, function, Context(job, self._drop_silent), grant))
                self._jobs[lane, key] = job
            self._want(visitor, slot, job)
            self._drop_silent()
        return job

    def has(self, lane: str, key: Hashable) -> bool:
        """Whether such a job waits, runs, or is done and wanted."""
        with self._lock:
            job = self._jobs.get((lane, key))
            return job is not None and job.status != "failed"

    def finished(self, key: Hashable, value: Any, *, visitor: str = "", slot: str = "") -> Job:
        """A job for a result that was there already; it takes the slot like any other."""
        if visitor:
            with self._lock:
                self._seen[visitor] = self._clock()
                self._unwant((visitor, slot))
        return Job.finished(key, value)

    def heartbeat(self, visitor: str, is_open: Callable[[], bool] | None = None) -> None:
        """The visitor's page is still open, and for as long as ``is_open`` says so: a hidden tab's timers rest."""
        with self._lock:
            if visitor in self._seen:
                self._seen[visitor] = self._clock()
                if is_open is not None:
                    self._is_open[visitor] = is_open
            self._drop_silent()
            self._revive()

    def release(self, visitor: str, slot: str | None = None) -> None:
        """The visitor stops wanting what is in the slot, or anything (``None``); the last one out cancels."""
        with self._lock:
            for want in [w for w in self._wants if w[0] == visitor and slot in (None, w[1])]:
                self._unwant(want)

    def n_under_way(self, visitors: str = "") -> int:
        """How many jobs wait or run that a visitor whose name begins so wants."""
        with self._lock:
            jobs = {
                id(job)
                for (who, _), job in self._wants.items()
                if who.startswith(visitors) and not job.is_over
            }
            return len(jobs)

    def n_waiting(self) -> int:
        """How many wait for a job, be it the same one."""
        with self._lock:
            return sum(not job.is_over for job in self._wants.values())

    def counts(self) -> Counter[tuple[str, str]]:
        """How many jobs there are in each lane and status."""
        with self._lock:
            return Counter((lane, job.status) for (lane, _), job in self._jobs.items())

    def __len__(self) -> int:
        """Number of jobs that wait, run, or are kept for someone who wants them."""
        with self._lock:
            return len(self._jobs)

    def _want(self, visitor: str, slot: str, job: Job) -> None:
        if visitor:
            self._seen[visitor] = self._clock()
        else:
            slot = str(next(self._anonymous))
        if self._wants.get((visitor, slot)) is not job:
            self._unwant((visitor, slot))
            self._wants[visitor, slot] = job

    def _unwant(self, want: tuple[str, str]) -> None:
        job = self._wants.pop(want, None)
        if job is None or any(other is job for other in self._wants.values()):
            return
        job._stop.set()
        self._jobs = {name: other for name, other in self._jobs.items() if other is not job}
        for lane in self._lanes.values():
            for task in [task for task in lane.tasks if task.job is job and job.status == "waiting"]:
                lane.tasks.remove(task)
                job._close("cancelled", error=stopped())
                self._over(task)

    def _drop_silent(self) -> None:
        with self._lock:
            oldest = self._clock() - self._heartbeat_seconds
            for visitor in [v for v, seen in self._seen.items() if seen < oldest]:
                is_open = self._is_open.get(visitor)
                if is_open is None or not self.n_under_way(visitor):
                    self._is_open.pop(visitor, None)
                    del self._seen[visitor]
                    self.release(visitor)
                    continue
                self._seen[visitor] = self._clock()
                # A page that is being loaded anew has time to come back: absence counts from when it is noticed.
                if not is_open():
                    del self._is_open[visitor]

    def _line_up(self, task: Task) -> None:
        name = task.lane
        if name not in self._lanes and len(self._lanes) >= self._max_lanes:
            name = sorted(self._lanes)[zlib.crc32(name.encode()) % len(self._lanes)]
        lane = self._lanes.setdefault(name, Lane(self._lock))
        if lane.worker is None or not lane.worker.is_alive():
            self._employ(lane, name)
        lane.tasks.append(task)
        lane.arrival.notify()

    def _revive(self) -> None:
        """Give a lane whose worker died another one."""
        for name, lane in self._lanes.items():
            if lane.worker is not None and not lane.worker.is_alive():
                self._give_up(lane)
                self._employ(lane, name)

    def _employ(self, lane: Lane, name: str) -> None:
        worker = threading.Thread(target=self._work, args=(lane,), name=f"esmviz-{name}", daemon=True)
        try:
            worker.start()
        except RuntimeError as error:  # the system gives no more threads
            raise ComputationLostError(
                "The server could not begin another computation.", "Try again in a minute."
            ) from error
        lane.worker = worker

    def _work(self, lane: Lane) -> None:
        while True:
            try:
                self._work_on(lane)
            except BaseException as error:  # noqa: BLE001 - the lane goes on; the message can quote a sequence
                log.error("a worker lost a job by %s", type(error).__name__)
                self._give_up(lane)

    def _work_on(self, lane: Lane) -> None:
        with self._lock:
            while not lane.tasks:
                lane.arrival.wait()
            task = lane.at_work = lane.tasks.popleft()
        goes_on = task.step()
        if not goes_on:
            self._over(task)
            self._settle(task.job)
        with self._lock:
            lane.at_work = None
            lane.tasks.extend([task] * goes_on)

    def _over(self, task: Task) -> None:
        self._watch(task.lane, task.job)
        if task.job.status == "cancelled":
            task.grant.give_back(1 - task.job.progress.fraction)

    def _give_up(self, lane: Lane) -> None:
        """The job at work ends with an error that says so; those that wait are as they were."""
        with self._lock:
            task, lane.at_work = lane.at_work, None
            if task is not None and not task.job.is_over:
                lost = ComputationLostError("The computation was lost on the server.", "Start it again.")
                task.job._close("failed", error=lost)

    def _settle(self, job: Job) -> None:
        """Forget callers without a heartbeat; visitors keep a job that is over until they go."""
        with self._lock:
            for want in [w for w, wanted in self._wants.items() if not w[0] and wanted is job]:
                self._unwant(want)
