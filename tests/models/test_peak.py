"""Peak memory, as Linux tells it."""

import numpy as np
import pytest

from esmviz.models.peak import PROCESS, Peak

MEGABYTE = 10**6


@pytest.mark.skipif(not (PROCESS / "clear_refs").is_file(), reason="this system has no /proc/self/clear_refs")
def test_what_was_held_and_let_go_is_seen_and_what_came_before_is_not():
    before = np.ones(200 * MEGABYTE // 8)
    del before
    peak = Peak("cpu")
    held = np.ones(100 * MEGABYTE // 8)
    del held
    assert 95 * MEGABYTE < peak.bytes < 150 * MEGABYTE
    assert Peak("cpu").bytes < 20 * MEGABYTE


def test_without_the_counter_nothing_is_claimed(tmp_path):
    assert Peak("cpu", tmp_path / "nothing").bytes is None


def test_the_counter_of_the_system_is_read_in_kibibytes(tmp_path):
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  100 kB\nVmRSS:\t 90 kB\n")
    peak = Peak("cpu", tmp_path)
    assert (tmp_path / "clear_refs").read_text() == "5"
    (tmp_path / "status").write_text("VmHWM:\t  130 kB\n")
    assert peak.bytes == 30 * 1024
    (tmp_path / "status").write_text("VmHWM:\t  80 kB\n")
    assert peak.bytes == 0


def test_a_gpu_is_asked_through_torch(monkeypatch):
    import torch

    counters = {"begun": 0}
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: counters.update(begun=1))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 1000)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 1700)
    assert Peak("cuda").bytes == 700
    assert counters["begun"] == 1
