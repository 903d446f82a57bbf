"""The queue, with real threads; time passes only where a test moves its clock."""

import threading

import pytest

from esmviz.errors import CancelledError, ComputationLostError, UnknownModelError
from esmviz.jobs import Context, Job, Queue

WAIT = 20  # seconds until a hanging test gives up; nothing is asserted on it


class HandClock:
    """Time that stands still until it is moved."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Gate:
    """A job's function that runs only as far as the test lets it, one step at a time."""

    def __init__(self, steps=1, result="result"):
        self.calls = 0
        self.steps = steps
        self.outcome = result
        self.entered = threading.Semaphore(0)
        self.allowed = threading.Semaphore(0)

    def __call__(self, context):
        self.calls += 1
        for done in range(self.steps):
            self.entered.release()
            assert self.allowed.acquire(timeout=WAIT)
            context.report(done + 1, self.steps, partial=f"after {done + 1}")
        return self.outcome

    def let(self, steps=1):
        for _ in range(steps):
            self.allowed.release()

    def wait_until_inside(self):
        assert self.entered.acquire(timeout=WAIT)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def queue(clock):
    return Queue(heartbeat_seconds=10, clock=clock)


def finish(job):
    assert job.wait(WAIT)
    return job.result()


def test_result_and_status(queue):
    job = queue.submit("lane", "key", lambda context: 42)
    assert finish(job) == 42
    assert job.status == "done"
    assert job.is_over


def test_fifty_visitors_cost_one_computation(queue):
    gate = Gate()
    barrier = threading.Barrier(50)
    jobs = []

    def visit(number):
        barrier.wait(WAIT)
        jobs.append(queue.submit("lane", "same", gate, visitor=f"v{number}", slot="page"))

    threads = [threading.Thread(target=visit, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    gate.let()
    assert [finish(job) for job in jobs] == ["result"] * 50
    assert len(set(map(id, jobs))) == 1
    assert gate.calls == 1


def test_who_waits_is_counted_though_the_job_is_one(queue):
    gate = Gate()
    jobs = [queue.submit("lane", "key", gate, visitor=f"visitor {n}", slot="page") for n in range(5)]
    gate.wait_until_inside()
    assert (queue.n_waiting(), queue.n_under_way()) == (5, 1)
    queue.release("visitor 0")
    assert queue.n_waiting() == 4
    gate.let()
    finish(jobs[1])
    assert queue.n_waiting() == 0


def test_one_lane_runs_one_job_at_a_time_in_order(queue):
    first, second = Gate(), Gate()
    a = queue.submit("lane", "a", first)
    b = queue.submit("lane", "b", second)
    first.wait_until_inside()
    assert (a.status, b.status, second.calls) == ("running", "waiting", 0)
    first.let()
    second.wait_until_inside()
    assert (a.status, b.status) == ("done", "running")
    second.let()
    finish(b)


def test_lanes_run_side_by_side(queue):
    first, second = Gate(), Gate()
    a = queue.submit("one", "key", first)
    b = queue.submit("two", "key", second)
    first.wait_until_inside()
    second.wait_until_inside()
    first.let()
    second.let()
    assert finish(a) == finish(b) == "result"
    assert first.calls == second.calls == 1


def test_a_short_job_waits_one_step_of_a_long_one(queue):
    order = []
    gate = Gate(steps=3)

    def long(context):
        for step in range(3):
            gate.entered.release()
            assert gate.allowed.acquire(timeout=WAIT)
            order.append(f"long {step}")
            yield
        return "long"

    long_job = queue.submit("lane", "long", long)
    gate.wait_until_inside()
    short_job = queue.submit("lane", "short", lambda context: order.append("short"))
    gate.let(3)
    finish(short_job)
    assert finish(long_job) == "long"
    assert order == ["long 0", "short", "long 1", "long 2"]


def test_silent_visitor_stops_a_running_job_at_its_next_report(queue, clock):
    gate = Gate(steps=3)
    job = queue.submit("lane", "key", gate, visitor="ann", slot="page")
    gate.wait_until_inside()
    clock.now += 9
    queue.heartbeat("ann")
    clock.now += 9
    gate.let()
    gate.wait_until_inside()
    assert job.status == "running"
    assert job.partial == "after 1"
    clock.now += 11
    gate.let()
    with pytest.raises(CancelledError):
        finish(job)
    assert job.status == "cancelled"
    assert len(queue) == 0


def test_one_of_two_visitors_leaving_stops_nothing(queue, clock):
    gate = Gate()
    job = queue.submit("lane", "key", gate, visitor="ann")
    queue.submit("lane", "key", gate, visitor="bob")
    gate.wait_until_inside()
    queue.release("ann")
    gate.let()
    assert finish(job) == "result"


def test_last_one_out_takes_a_waiting_job_along(queue):
    first, second = Gate(), Gate()
    a = queue.submit("lane", "a", first)
    first.wait_until_inside()
    b = queue.submit("lane", "b", second, visitor="ann", slot="x")
    queue.submit("lane", "b", second, visitor="bob", slot="y")
    queue.release("ann", "x")
    assert b.status == "waiting"
    queue.release("bob")
    assert b.status == "cancelled"
    first.let()
    finish(a)
    with pytest.raises(CancelledError):
        b.result()
    assert second.calls == 0


def test_another_key_in_the_same_slot_replaces_the_earlier_wish(queue):
    blocker, old, new = Gate(), Gate(), Gate(result="new")
    queue.submit("lane", "blocker", blocker)
    blocker.wait_until_inside()
    earlier = queue.submit("lane", "old", old, visitor="ann", slot="page")
    aside = queue.submit("lane", "aside", lambda context: "aside", visitor="ann", slot="other")
    later = queue.submit("lane", "new", new, visitor="ann", slot="page")
    assert (earlier.status, aside.status, later.status) == ("cancelled", "waiting", "waiting")
    blocker.let()
    new.let()
    assert finish(later) == "new"
    assert finish(aside) == "aside"
    assert old.calls == 0


def test_a_ready_result_replaces_the_earlier_wish_too(queue):
    gate = Gate()
    queue.submit("lane", "blocker", gate)
    gate.wait_until_inside()
    earlier = queue.submit("lane", "old", Gate(), visitor="ann", slot="page")
    ready = queue.finished("new", 7, visitor="ann", slot="page")
    gate.let()
    assert ready.result() == 7
    assert earlier.status == "cancelled"


def test_caller_without_a_name_never_expires(queue, clock):
    gate = Gate()
    job = queue.submit("lane", "key", gate)
    gate.wait_until_inside()
    clock.now += 1e6
    queue.submit("other", "x", lambda context: None, visitor="ann")
    gate.let()
    assert finish(job) == "result"


def test_done_jobs_are_forgotten_once_nobody_wants_them(queue, clock):
    wanted = queue.submit("lane", "a", lambda context: [1], visitor="ann")
    finish(wanted)
    finish(queue.submit("lane", "b", lambda context: 2))
    finish(queue.submit("lane", "c", lambda context: 3))
    assert queue.submit("lane", "a", lambda context: [1], visitor="ann") is wanted
    clock.now += 11
    queue.heartbeat("bob")
    again = queue.submit("lane", "a", lambda context: [1], visitor="ann")
    assert again is not wanted
    assert finish(again) == [1]


def test_failure_is_kept_until_told_and_then_starts_anew(queue):
    outcomes = iter([UnknownModelError("no such model"), None])

    def function(context):
        error = next(outcomes)
        if error:
            raise error
        return "fine"

    job = queue.submit("lane", "key", function, visitor="ann", slot="page")
    assert job.wait(WAIT)
    assert job.status == "failed"
    assert queue.submit("lane", "key", function, visitor="ann", slot="page") is job
    with pytest.raises(UnknownModelError, match="no such model"):
        job.result()
    again = queue.submit("lane", "key", function, visitor="ann", slot="page")
    assert finish(again) == "fine"


def test_cancelled_work_starts_anew(queue):
    gate, fresh = Gate(), Gate(result="fresh")
    job = queue.submit("lane", "key", gate, visitor="ann")
    gate.wait_until_inside()
    queue.release("ann")
    again = queue.submit("lane", "key", fresh, visitor="ann")
    gate.let()
    fresh.let()
    assert finish(again) == "fresh"
    assert job.wait(WAIT)
    assert job.status == "cancelled"


def test_cancelled_generator_is_closed_within_one_step(queue):
    gate = Gate()
    trace = []

    def long(context):
        try:
            while True:
                gate.entered.release()
                assert gate.allowed.acquire(timeout=WAIT)
                trace.append("batch")
                yield
        finally:
            trace.append("closed")

    job = queue.submit("lane", "key", long, visitor="ann")
    gate.wait_until_inside()
    queue.release("ann")
    gate.let()
    assert job.wait(WAIT)
    assert trace == ["batch", "closed"]
    assert job.status == "cancelled"


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), MemoryError(), GeneratorExit()])
def test_lane_survives_whatever_a_job_raises(queue, error):
    def function(context):
        raise error

    job = queue.submit("lane", "bad", function)
    assert job.wait(WAIT)
    assert job.status == "failed"
    assert finish(queue.submit("lane", "good", lambda context: "alive")) == "alive"


def test_lane_survives_a_generator_whose_clean_up_fails(queue):
    def stubborn(context):
        try:
            context.report(1, 2)
            started.set()
            yield
        finally:
            raise OSError("clean-up failed")

    started = threading.Event()
    blocker = Gate()
    job = queue.submit("lane", "bad", stubborn, visitor="ann")
    assert started.wait(WAIT)
    queue.submit("lane", "blocker", blocker)
    blocker.let()
    queue.release("ann")
    assert job.wait(WAIT)
    assert finish(queue.submit("lane", "good", lambda context: "alive")) == "alive"


def test_progress_and_seconds(queue, clock):
    gate = Gate(steps=2)
    job = queue.submit("lane", "key", gate)
    gate.wait_until_inside()
    clock.now += 3
    gate.let()
    gate.wait_until_inside()
    progress = job.progress
    assert (progress.done, progress.total, progress.unit, progress.seconds) == (1, 2, "residues", 3.0)
    assert progress.fraction == 0.5
    gate.let()
    finish(job)
    clock.now += 100
    assert job.progress.seconds == 3.0


def test_lane_count_is_bounded(clock):
    queue = Queue(max_lanes=2, clock=clock)
    names = set()
    jobs = [
        queue.submit(f"lane {n}", "key", lambda context: names.add(threading.current_thread().name))
        for n in range(20)
    ]
    for job in jobs:
        finish(job)
    assert len(names) == 2


def test_reader_of_a_failed_job_does_not_lengthen_its_trace(queue):
    job = queue.submit("lane", "key", lambda context: 1 / 0)
    depths = []
    for _ in range(3):
        with pytest.raises(ZeroDivisionError) as caught:
            finish(job)
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


def test_context_without_a_queue_reports_to_nobody():
    context = Context()
    context.report(1, 2)
    assert not context.cancelled


def test_text_of_a_job_tells_no_key():
    assert "SECRET" not in repr(Job("SECRET"))


def test_many_visitors_coming_and_going_leave_nothing(queue, clock):
    def visit(number):
        for turn in range(20):
            job = queue.submit("lane", turn % 5, lambda context: "x", visitor=f"v{number}", slot="page")
            queue.heartbeat(f"v{number}")
            if number % 2:
                queue.release(f"v{number}")
            job.wait(WAIT)
            results.append(job.status)

    results = []
    threads = [threading.Thread(target=visit, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(results) == 320
    assert set(results) <= {"done", "cancelled"}
    clock.now += 11
    queue.heartbeat("somebody else")
    assert len(queue) == 0


def test_whoever_watches_is_told_of_every_job_that_is_over(clock):
    seen = []
    queue = Queue(heartbeat_seconds=10, clock=clock, watch=lambda lane, job: seen.append((lane, job.status)))
    gate = Gate()
    running = queue.submit("lane", "running", gate, visitor="ann", slot="a")
    gate.wait_until_inside()
    queue.submit("lane", "waiting", Gate(), visitor="bob", slot="b")
    clock.now += 3
    assert queue.counts() == {("lane", "running"): 1, ("lane", "waiting"): 1}
    queue.release("bob")
    gate.let()
    finish(running)
    failed = queue.submit("other", "failed", lambda context: 1 / 0)
    assert failed.wait(WAIT)
    finish(queue.submit("other", "after", lambda context: None))
    assert sorted(seen[:3]) == [("lane", "cancelled"), ("lane", "done"), ("other", "failed")]
    assert failed.error_name == "ZeroDivisionError"


def test_time_of_waiting_and_of_running_are_told_apart(queue, clock):
    first, second = Gate(), Gate()
    queue.submit("lane", "first", first)
    first.wait_until_inside()
    job = queue.submit("lane", "second", second)
    clock.now += 5
    assert job.waited == 5
    first.let()
    second.wait_until_inside()
    clock.now += 7
    second.let()
    finish(job)
    clock.now += 100
    assert (job.waited, job.progress.seconds) == (5, 7)


def test_a_worker_that_loses_a_job_goes_on_with_the_next(queue, monkeypatch):
    """Whatever goes wrong around a job, its visitors are told and those who wait get theirs."""
    from esmviz.jobs import queue as module

    step, gate = module.Task.step, Gate()

    def failing(task):
        if task.job.key == "lost":
            gate(Context())
            raise MemoryError
        return step(task)

    monkeypatch.setattr(module.Task, "step", failing)
    lost = queue.submit("lane", "lost", lambda context: None, visitor="ann", slot="a")
    gate.wait_until_inside()
    waiting = queue.submit("lane", "next", lambda context: "fine", visitor="bob", slot="b")
    gate.let()
    assert finish(waiting) == "fine"
    with pytest.raises(ComputationLostError, match="lost on the server"):
        lost.result()
    monkeypatch.undo()
    assert finish(queue.submit("lane", "lost", lambda context: "again", visitor="ann", slot="a")) == "again"


def test_a_heartbeat_replaces_a_worker_that_died(queue, monkeypatch):
    """The very thread is gone, with a job in its hands and another one waiting."""
    from esmviz.jobs import queue as module

    gate = Gate()

    def dying(lane):
        with queue._lock:
            while not lane.tasks:
                lane.arrival.wait()
            lane.at_work = lane.tasks.popleft()
        gate(Context())  # and the thread ends

    with monkeypatch.context() as patch:
        patch.setattr(module.Queue, "_work", lambda queue, lane: dying(lane))
        lost = queue.submit("lane", "lost", lambda context: None, visitor="ann", slot="a")
        gate.wait_until_inside()
        waiting = queue.submit("lane", "next", lambda context: "fine", visitor="bob", slot="b")
        gate.let()
        queue._lanes["lane"].worker.join(WAIT)
    assert (lost.status, waiting.status) == ("waiting", "waiting")
    queue.heartbeat("bob")
    assert finish(waiting) == "fine"
    with pytest.raises(ComputationLostError):
        lost.result()


def test_no_thread_left_is_an_error_at_once_and_not_a_job_that_waits_for_ever(queue, monkeypatch):
    def no_thread(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(ComputationLostError, match="Try again"):
            queue.submit("lane", "key", lambda context: None, visitor="ann")
    assert len(queue) == 0
    assert finish(queue.submit("lane", "key", lambda context: "fine", visitor="ann")) == "fine"


def test_a_page_that_is_open_keeps_its_job_though_its_timers_rest(queue, clock):
    gate = Gate(steps=4)
    is_open = [True]
    job = queue.submit("lane", "key", gate, visitor="ann", slot="page")
    queue.heartbeat("ann", lambda: is_open[0])
    gate.wait_until_inside()
    for _ in range(2):
        clock.now += 60
        gate.let()
        gate.wait_until_inside()
    assert job.status == "running"
    is_open[0] = False
    clock.now += 60
    gate.let()  # noticed now: who loads the page anew has the time of a heartbeat
    gate.wait_until_inside()
    assert job.status == "running"
    clock.now += 11
    gate.let()
    with pytest.raises(CancelledError):
        finish(job)


def test_who_comes_back_in_time_keeps_the_job(queue, clock):
    gate = Gate(steps=3)
    job = queue.submit("lane", "key", gate, visitor="ann", slot="page")
    queue.heartbeat("ann", lambda: False)
    gate.wait_until_inside()
    clock.now += 60
    gate.let()
    gate.wait_until_inside()
    clock.now += 9
    queue.heartbeat("ann", lambda: True)
    clock.now += 60
    gate.let()
    gate.wait_until_inside()
    gate.let()
    assert finish(job)
