"""Many visitors at once, with real threads. Batches are counted; nothing is asserted on a clock."""

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from esmviz.errors import CancelledError
from esmviz.models.fake import FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import KeepHeads, ProteinRecord, Request
from esmviz.workbench import Workbench

VISITORS, BATCH, WAIT = 50, 8, 60  # seconds until a hanging test gives up
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
LOGITS = Request(logits=True)


class Batches(FakeBackend):
    """Computes so many proteins at once, as the engine does, and notes their ids; a test may hold it at a batch."""

    def __init__(self):
        super().__init__()
        self.log = []
        self.entered, self.allowed = threading.Semaphore(0), threading.Semaphore(0)
        self.is_held = False

    def _run(self, records, request):
        for first in range(0, len(records), BATCH):
            some = records[first : first + BATCH]
            self._note(some[0].id)
            yield from [self._output(record, request) for record in some]

    def _run_masked(self, sites):
        for batch in super()._run_masked(sites):
            self._note(sites[0][0].id)
            yield batch

    def _note(self, name):
        self.log.append(name)
        if self.is_held:
            self.entered.release()
            assert self.allowed.acquire(timeout=WAIT)

    def let_go(self):
        self.is_held = False
        self.allowed.release()


@pytest.fixture
def backend():
    return Batches()


@pytest.fixture
def bench(backend):
    return Workbench(Settings(default_model="fake", heartbeat_seconds=10 * WAIT), models=FakeModels(backend))


def proteins(name, count):
    """Each of another sequence."""
    chance = random.Random(name)
    return tuple(ProteinRecord(f"{name}{n}", "".join(chance.choices(LETTERS, k=12))) for n in range(count))


def by_all(visitors, ask):
    """What each visitor gets who asks at the same moment as the others, from a thread of their own."""
    start = threading.Barrier(visitors)

    def visit(number):
        start.wait(WAIT)
        return ask(f"visitor {number}")

    with ThreadPoolExecutor(visitors) as threads:
        return list(threads.map(visit, range(visitors)))


KINDS = {
    "embed": lambda bench, some, who: bench.submit_embed(some, "fake", visitor=who, slot="a"),
    "logits": lambda bench, some, who: bench.submit_inspect(some[0], "fake", LOGITS, visitor=who, slot="b"),
    "head": lambda bench, some, who: bench.submit_inspect(
        some[0], "fake", Request(probes=(KeepHeads(1, (0,)),)), visitor=who, slot="c"
    ),
    "masked": lambda bench, some, who: bench.submit_masked(some[0], "fake", visitor=who, slot="d"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_who_want_the_same_cost_one_computation(bench, backend, kind):
    some = proteins("p", 20)
    results = by_all(VISITORS, lambda who: KINDS[kind](bench, some, who).result())
    assert len({id(result) for result in results}) == 1
    assert backend.n_calls == 1
    n_batches = {"embed": 3, "masked": 3}  # 20 proteins by 8; 12 positions by 4
    assert len(backend.log) == n_batches.get(kind, 1)
    later = KINDS[kind](bench, some, "latecomer")
    assert later.result() is results[0]
    assert backend.n_calls == 1


def test_pages_wait_one_batch_of_a_thousand_proteins(bench, backend):
    backend.is_held = True
    job = bench.submit_embed(proteins("set", 1000), "fake", visitor="ann", slot="set")
    assert backend.entered.acquire(timeout=WAIT)
    pages = proteins("page", VISITORS)
    jobs = by_all(
        VISITORS,
        lambda who: bench.submit_inspect(pages[int(who.split()[1])], "fake", LOGITS, visitor=who, slot="p"),
    )
    backend.let_go()
    for page in jobs:
        page.result()
    last = max(backend.log.index(page.id) for page in pages)
    n_batches = sum(name.startswith("set") for name in backend.log[:last])
    assert n_batches <= 2  # the one that ran when they came, and one between them
    job.result()
    assert len(backend.log) == 1000 // BATCH + VISITORS


def test_two_sets_take_turns(bench, backend):
    backend.is_held = True
    jobs = [bench.submit_embed(proteins("first", 200), "fake", visitor="ann", slot="set")]
    assert backend.entered.acquire(timeout=WAIT)
    jobs.append(bench.submit_embed(proteins("second", 200), "fake", visitor="bob", slot="set"))
    backend.let_go()
    for job in jobs:
        job.result()
    assert len(backend.log) == 2 * 200 // BATCH
    counts = np.cumsum([1 if name.startswith("first") else -1 for name in backend.log])
    assert np.abs(counts).max() <= 2


@pytest.mark.parametrize("kind", ["embed", "masked"])
def test_what_nobody_wants_any_more_stops_within_a_batch(bench, backend, kind):
    some = (ProteinRecord("long", LETTERS * 20),) if kind == "masked" else proteins("set", 1000)
    backend.is_held = True
    jobs = [KINDS[kind](bench, some, who) for who in ("ann", "bob")]
    assert jobs[0] is jobs[1]
    for _ in range(3):
        assert backend.entered.acquire(timeout=WAIT)
        backend.allowed.release()
    assert backend.entered.acquire(timeout=WAIT)
    bench.queue.release("ann")
    backend.allowed.release()
    assert backend.entered.acquire(timeout=WAIT)  # bob still wants it
    bench.queue.release("bob")
    backend.let_go()
    with pytest.raises(CancelledError):
        jobs[0].result()
    after = bench.submit_inspect(proteins("next", 1)[0], "fake", LOGITS, visitor="ann", slot="p")
    after.result()
    assert (
        len(backend.log) == 5 + 1
    )  # the lane went on with what came next, and with nothing of what was stopped


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_that_comes_and_goes(bench, backend, seed):
    """Fifty visitors ask, leave, come back and ask again; everything is right, and nothing is left over."""
    subjects = [proteins(f"s{seed}-{n}-", 20) for n in range(6)]
    whole = {n: bench_alone(subject) for n, subject in enumerate(subjects)}
    left = Counter()

    def visit(who):
        chance = random.Random(f"{seed} {who}")
        for _ in range(40):
            number, kind = chance.randrange(len(subjects)), chance.choice(list(KINDS))
            job = KINDS[kind](bench, subjects[number], who)
            if chance.random() < 0.3:
                bench.queue.release(who)
                left[who] += 1
                continue
            assert equal(job.result(), whole[number][kind])
        bench.queue.release(who)

    by_all(VISITORS, visit)
    assert len(bench.queue) == 0
    assert left.total() > VISITORS
    n_cases = len(subjects) * len(KINDS)
    assert n_cases <= backend.n_calls <= n_cases + left.total()


@pytest.mark.slow
def test_twenty_visitors_of_the_embedded_model(monkeypatch):
    """The real engine under the real queue: rows of each set are computed once, and equal those of a quiet run."""
    from esmviz.models.transformer import TransformerBackend

    forwards, forward = [], TransformerBackend._forward

    def counted(self, network, records, request, precision):
        forwards.append([record.id for record in records])
        return forward(self, network, records, request, precision)

    monkeypatch.setattr(TransformerBackend, "_forward", counted)
    bench = Workbench(Settings(precision="float32", heartbeat_seconds=10 * WAIT))
    sets = [proteins(f"set{n}-", 100) for n in range(4)]
    results = by_all(
        20,
        lambda who: bench.submit_embed(sets[int(who.split()[1]) % 4], "mini", visitor=who, slot="s").result(),
    )
    assert len({id(result) for result in results}) == 4
    assert Counter(name for some in forwards for name in some) == Counter(r.id for some in sets for r in some)
    for number, result in enumerate(results[:4]):
        [alone] = Workbench(Settings(precision="float32")).embed(sets[number], "mini")
        np.testing.assert_array_equal(result.vectors, alone.vectors)


def bench_alone(some):
    """What each kind gives to one visitor."""
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(Batches()))
    return {kind: ask(bench, some, "alone").result() for kind, ask in KINDS.items()}


def equal(found, expected):
    arrays = [
        [getattr(x, name) for name in ("vectors", "logits") if getattr(x, name, None) is not None]
        + list(getattr(x, "probes", {}).values())
        if not isinstance(x, np.ndarray)
        else [x]
        for x in (found, expected)
    ]
    return len(arrays[0]) == len(arrays[1]) > 0 and all(map(np.array_equal, *arrays))
