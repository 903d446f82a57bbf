"""Memory is short: what goes, in which order, and that it goes only then. The memory is a number of the test."""

import numpy as np
import pytest

from esmviz.jobs import Queue
from esmviz.models import memory
from esmviz.models.fake import FakeModels
from esmviz.relief import Relief, Spare
from esmviz.results import OVERHEAD, Results
from esmviz.settings import Settings
from esmviz.types import Request
from esmviz.workbench import Workbench

LOGITS = Request(logits=True)


class Machine:
    """So many bytes, shared by caches and models of 100 bytes each."""

    def __init__(self, total, models=()):
        self.results, self.vectors = Results(10**6), Results(10**6)
        self.models, self.total = list(models), total
        self.spare = Spare([self.results, self.vectors])

    def free(self):
        return self.total - self.spare.n_bytes - 100 * len(self.models)

    def drop_idle(self):
        return bool(self.models) and bool(self.models.pop(0))


def fill(cache, n):
    for number in range(n):
        cache.put(f"{number}", number, 10_000 - OVERHEAD)


def test_nothing_goes_while_enough_is_free():
    machine = Machine(100_000, ["model"])
    fill(machine.results, 5)
    Relief(machine.free, 40_000, machine.spare, machine.drop_idle)()
    assert (len(machine.results), machine.models) == (5, ["model"])


def test_the_oldest_results_go_and_no_more_than_needed():
    machine = Machine(100_000)
    fill(machine.results, 5)
    fill(machine.vectors, 2)
    Relief(machine.free, 50_000, machine.spare, machine.drop_idle)()
    assert [machine.results.get(str(n)) for n in range(5)] == [None, None, 2, 3, 4]
    assert len(machine.vectors) == 2


def test_models_go_only_once_all_results_are_gone():
    machine = Machine(100_200, ["elder", "newer"])
    fill(machine.results, 5)
    Relief(machine.free, 100_100, machine.spare, machine.drop_idle)()
    assert (machine.spare.n_bytes, machine.models) == (0, ["newer"])


@pytest.mark.parametrize(("coming", "is_room", "left"), [(0, True, 5), (20_000, True, 3), (50_001, False, 0)])
def test_what_is_to_come_counts_beside_the_reserve(coming, is_room, left):
    machine = Machine(100_000)
    fill(machine.results, 5)
    assert Relief(machine.free, 50_000, machine.spare, machine.drop_idle)(coming) is is_room
    assert len(machine.results) == left


def test_a_machine_that_is_full_of_others_is_no_endless_loop():
    machine = Machine(0, ["model"])
    fill(machine.results, 1)
    Relief(machine.free, 10**9, machine.spare, machine.drop_idle)()
    assert (machine.spare.n_bytes, machine.models) == (0, [])


def test_results_too_small_to_count_leave_the_sums_right():
    results = Results(10**6)
    fill(results, 3)
    assert results.shed(1) == 10_000
    assert results.n_bytes == 20_000
    assert results.shed(10**9) == 20_000
    assert (results.n_bytes, len(results), results.shed(1)) == (0, 0, 0)


@pytest.fixture
def bench(fake):
    return Workbench(
        Settings(default_model="fake", memory_reserve_mb=1000), models=FakeModels(fake), queue=Queue()
    )


def test_a_computation_makes_room_before_it_begins(bench, fake, records, monkeypatch):
    """The answer of a page stays right: it is computed anew when it was dropped."""
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 40)
    first = bench.inspect(records[0], "fake", LOGITS)
    assert bench.results.n_bytes > 0
    monkeypatch.setattr(memory, "free_bytes", lambda device: 0)
    bench.submit_inspect(records[1], "fake", LOGITS).result()
    assert len(bench.results) == 1  # the new one
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 40)
    again = bench.inspect(records[0], "fake", LOGITS)
    np.testing.assert_array_equal(first.logits, again.logits)
    assert fake.n_calls == 3


def test_a_model_is_busy_while_something_runs_in_its_lane(bench, fake, records, ensemble_models):
    seen = []
    fake._before_each = lambda record: seen.append((bench._is_busy("fake"), bench._is_busy("other")))
    bench.submit_inspect(records[0], "fake", LOGITS).result()
    assert seen == [(True, False)]
    assert not bench._is_busy("fake")
    both = Workbench(Settings(default_model="fake"), models=ensemble_models)
    gate = []
    ensemble_models.backends["one"]._before_each = lambda record: gate.append(both._is_busy("one"))
    both.submit_inspect(records[0], "both", LOGITS).result()
    assert gate == [True]
