"""Threads that each compute a row on one core: together, alone in their errors, and without a trace elsewhere."""

import threading

import numpy as np
import pytest
import torch

from esmviz.models import memory, transformer
from esmviz.models.base import sites
from esmviz.models.crew import Crew, crew
from esmviz.models.transformer import TransformerBackend
from esmviz.types import Request

WAIT = 20


@pytest.fixture(scope="module")
def team():
    return Crew(3)


def in_a_new_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_rows_run_at_the_same_time_each_on_one_core(team):
    meeting = threading.Barrier(3)

    def task():
        meeting.wait(WAIT)  # passes only when all three are here
        return torch.get_num_threads()

    assert [done.result() for done in team.together([task] * 3)] == [1, 1, 1]


def test_nobody_else_has_fewer_cores_for_it():
    before = torch.get_num_threads()
    Crew(2).together([lambda: torch.ones(4) @ torch.ones(4)] * 2)
    assert torch.get_num_threads() == before
    assert in_a_new_thread(torch.get_num_threads) == before


def test_a_failure_is_of_its_row_alone(team):
    first, second, third = team.together([lambda: 1, lambda: 1 // 0, lambda: 3])
    assert (first.result(), third.result()) == (1, 3)
    with pytest.raises(ZeroDivisionError):
        second.result()


def test_one_crew_for_the_process_and_none_on_one_core(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert crew() is crew()
    assert crew().size == 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert crew() is None


@pytest.fixture(params=["esm2", "esmc", "esm1b"])
def small_rows(request, backends):
    whole = backends[request.param]
    return TransformerBackend(whole.spec, "r", whole._networks["float32"], max_tokens=24)


def everything(backend, proteins):
    request = Request(logits=True, layers=(-1,), pooling="mean")
    outputs = [(output.logits, output.pooled) for output in backend.run(proteins, request)]
    masked = np.concatenate([rows for _, rows in backend.run_masked(sites(proteins[0]))])
    return outputs, masked


@pytest.mark.parametrize("is_short", [False, True])
def test_side_by_side_is_as_one_after_the_other(small_rows, mixed, team, monkeypatch, is_short):
    """Also where there is the memory of the longest protein and no more: then rows take turns."""
    together = []
    free = memory.run_bytes(small_rows.spec, mixed[:1], Request(logits=True)) if is_short else memory.UNKNOWN
    monkeypatch.setattr(transformer, "crew", lambda: None)
    alone, alone_masked = everything(small_rows, mixed)
    monkeypatch.setattr(transformer, "crew", lambda: team)
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    run = team.together
    monkeypatch.setattr(team, "together", lambda tasks: together.append(len(tasks)) or run(tasks))
    found, found_masked = everything(small_rows, mixed)
    assert (3 in together) == (not is_short)
    np.testing.assert_allclose(found_masked, alone_masked, atol=1e-5)
    for ours, expected in zip(found, alone, strict=True):
        for one, other in zip(ours, expected, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
