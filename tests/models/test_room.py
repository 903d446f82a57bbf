"""Memory is promised once, before anything is loaded, copied or run."""

import threading
from dataclasses import replace

import pytest

from esmviz.errors import ModelUnavailableError, OutOfMemoryError
from esmviz.models import checkpoints, memory
from esmviz.models.base import sites
from esmviz.models.cache import ModelCache
from esmviz.models.room import Room
from esmviz.models.transformer import TransformerBackend
from esmviz.types import HeadStatistic, KeepHeads, ProteinRecord, Request, Rollout

GIB = 2**30


class Machine:
    """Free memory that notes which threads have asked."""

    def __init__(self, free):
        self.bytes, self.asked = free, threading.Event()
        self._first = threading.get_ident()

    def free(self, device="cpu"):
        if threading.get_ident() != self._first:
            self.asked.set()
        return self.bytes


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    return thread, found


def claimed(room, n_bytes, **options):
    with room.claim(n_bytes, **options) as fits:
        return fits


def test_a_share_of_the_free_memory_may_be_claimed():
    room = Room(lambda: 100, 0.8)
    assert claimed(room, 80)
    assert claimed(room, 80)  # the first has given it back
    assert not claimed(room, 81)


def test_two_at_once_are_not_promised_the_same_memory():
    machine = Machine(100)
    room = Room(machine.free, 1.0)
    with room.claim(60) as fits:
        thread, found = in_a_thread(lambda: claimed(room, 60))
        machine.asked.wait()
        machine.bytes = 40  # what was claimed has been built
    thread.join()
    assert (fits, found) == (True, [False])


def test_who_waited_gets_what_a_failed_load_leaves():
    machine = Machine(100)
    room = Room(machine.free, 1.0)
    waiting = []

    def fail():
        with room.claim(60):
            waiting.append(in_a_thread(lambda: claimed(room, 60)))
            machine.asked.wait()
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    [(thread, found)] = waiting
    thread.join()
    assert found == [True]


def test_something_gives_way_as_long_as_there_is_something():
    free, held = [10], [30, 30, 30]

    def give_way():
        if held:
            free[0] += held.pop()
            return True
        return False

    room = Room(lambda: free[0], 1.0)
    assert claimed(room, 65, give_way=give_way)
    assert held == [30]
    assert not claimed(room, 500, give_way=give_way)


def test_two_models_that_load_at_once_do_not_both_take_the_last_memory(saved, monkeypatch):
    cache = ModelCache(models_dir=saved, device="cpu", offline=True, memory_fraction=1.0)
    need = memory.needed_bytes(cache.spec("esm2"))
    machine, load, n_loaded = Machine(0), checkpoints.load, []

    def free(device):
        machine.free()
        return int(1.5 * need) - need * len(cache._loaded)

    def waiting_load(*arguments):
        n_loaded.append(len(cache._loaded))
        if len(n_loaded) == 1:
            thread.start()
            machine.asked.wait()
        return load(*arguments)

    thread = threading.Thread(target=lambda: cache.backend("esmc"))
    monkeypatch.setattr(memory, "free_bytes", free)
    monkeypatch.setattr(checkpoints, "load", waiting_load)
    cache.backend("esm2")
    thread.join()
    assert n_loaded == [0, 0]  # the second found the first loaded, and let it go before it began
    assert list(cache._loaded) == ["esmc"]


def test_a_precision_for_everything_adds_its_copy_to_the_need(saved):
    spec = ModelCache(models_dir=saved, device="cpu").spec("esm2-650m")
    plain = memory.needed_bytes(spec)
    assert memory.needed_bytes(spec, "float32") == plain
    for half in ("bfloat16", "float16"):
        assert memory.needed_bytes(spec, half) == plain + 2 * spec.n_parameters
        status = ModelCache(models_dir=saved, device="cpu", precision=half).status("esm2-650m")
        assert status.needed_bytes == plain + 2 * spec.n_parameters


@pytest.fixture
def crowded(backends, monkeypatch):
    """A backend whose machine has no room for a second copy of the weights, and hardware for bfloat16."""
    from esmviz.models import precision

    monkeypatch.setattr(precision, "fastest", lambda device: "bfloat16")
    backend, machine = backends["esm2"], Machine(1000)
    room = Room(machine.free, 1.0)
    crowded = TransformerBackend(backend.spec, "r", backend._networks["float32"], room=room)
    return crowded, machine


VECTOR = Request(layers=(-1,), pooling="mean", precision="auto")


def test_auto_stays_float32_where_a_copy_does_not_fit_for_as_long_as_the_model_is_loaded(crowded, mixed):
    backend, machine = crowded
    [output] = backend.run(mixed[:1], VECTOR)
    assert output.precision == "float32"
    machine.bytes = GIB
    [output] = backend.run(mixed[:1], VECTOR)
    assert output.precision == "float32"


def test_a_copy_is_made_where_it_fits(crowded, mixed):
    backend, machine = crowded
    machine.bytes = GIB
    [output] = backend.run(mixed[:1], VECTOR)
    assert output.precision == "bfloat16"


def test_a_precision_asked_for_is_refused_where_its_copy_does_not_fit(crowded, mixed):
    with pytest.raises(
        ModelUnavailableError, match=r"copy of esm2 in bfloat16 needs.*ESMVIZ_PRECISION=bfloat16"
    ):
        list(crowded[0].run(mixed[:1], replace(VECTOR, precision="bfloat16")))


def test_a_row_is_halved_where_its_estimate_does_not_fit(backends, mixed, monkeypatch):
    backend, request = backends["esm2"], Request(logits=True)
    expected = list(backend.run(mixed, request))
    free = memory.run_bytes(backend.spec, mixed[:1], request)
    forward, sizes = backend._forward_to, []
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    monkeypatch.setattr(backend, "_forward_to", lambda *a: sizes.append(len(a[1])) or forward(*a))
    for ours, whole in zip(backend.run(mixed, request), expected, strict=True):
        assert abs(ours.logits - whole.logits).max() < 1e-4
    assert max(sizes) == 42  # the longest alone; rows of 64 tokens fit no more
    assert len([*backend.run_masked(sites(mixed[0], [0, 1]))]) == 2


def test_one_protein_that_cannot_fit_is_refused_with_both_figures_before_it_runs(backends, monkeypatch):
    backend, record = backends["esm2"], ProteinRecord("titin", "M" * 34_350)
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB)
    monkeypatch.setattr(backend, "_forward_to", lambda *_: pytest.fail("it ran"))
    with pytest.raises(
        OutOfMemoryError, match=r"titin \(34350 residues\) alone.*8\.9 GiB needed, 1\.0 GiB free"
    ):
        list(backend.run([record], Request(probes=(KeepHeads(1, (0,)),))))


def test_the_estimate_of_a_run_counts_tokens_states_and_maps(backends):
    spec, record = backends["esm2"].spec, ProteinRecord("p", "M" * 998)
    plain = memory.run_bytes(spec, [record], Request(logits=True))
    assert plain == 1000 * 4 * 32 * memory.WIDTHS_OF_A_TOKEN
    assert memory.run_bytes(spec, [record] * 3, Request(logits=True)) == 3 * plain
    assert memory.run_bytes(spec, [record], Request(layers=(0, 1))) == plain + 2 * 2 * 1000 * 4 * 32
    assert memory.run_bytes(spec, [record], Request(layers=(0, 1), pooling="mean")) == plain
    one, four, rolled, measured = (
        memory.run_bytes(spec, [record], Request(probes=(probe,)))
        for probe in (KeepHeads(1, (0,)), KeepHeads(1, (0, 1, 2, 3)), Rollout(1, 3), HeadStatistic("end"))
    )
    assert four - one == 3 * 4 * 1000**2
    assert plain < one < measured < rolled == four
