"""Groups of a large set, found by another process."""

import errno
import io
import os
import signal
import subprocess

import numpy as np
import pytest

from esmviz import apart
from esmviz.analysis.clustering import hdbscan, kmeans
from esmviz.errors import CancelledError, ComputationLostError
from esmviz.models.fake import FakeModels
from esmviz.settings import Settings
from esmviz.types import EmbeddingSet
from esmviz.workbench import Workbench


@pytest.fixture
def vectors():
    """Twelve groups of 100 proteins each, in 24 dimensions."""
    chance = np.random.default_rng(0)
    centres = np.repeat(chance.normal(0, 3, (12, 24)), 100, axis=0)
    return (centres + chance.normal(0, 0.5, centres.shape)).astype(np.float32)


@pytest.fixture
def children(monkeypatch):
    """The processes that were started."""
    started, begin = [], apart._started

    def noted(*files):
        started.append(begin(*files))
        return started[-1]

    monkeypatch.setattr(apart, "_started", noted)
    return started


def run(steps):
    """What a generator returns, and how often it gave way to others."""
    n = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, n
        n += 1


@pytest.mark.parametrize("size", [None, 2, 60])
def test_it_finds_what_hdbscan_finds(vectors, size):
    clusters, n_yields = run(apart.group_steps("hdbscan", vectors, {"min_cluster_size": size}))
    np.testing.assert_array_equal(clusters, hdbscan(vectors, min_cluster_size=size))
    assert n_yields  # a process takes longer to start than two looks


def test_a_large_set_is_grouped_there_and_a_small_one_here(vectors, children):
    bench = Workbench(Settings(), models=FakeModels())
    names = tuple(map(str, range(len(vectors))))
    large = EmbeddingSet(names, vectors, "fake", "1", 1, "mean", "float32")
    few = slice(None, None, 2)
    small = EmbeddingSet(names[few], vectors[few], "fake", "1", 1, "mean", "float32")
    np.testing.assert_array_equal(bench.cluster(small), hdbscan(small.vectors))
    assert not children
    clusters = bench.cluster(large)
    np.testing.assert_array_equal(clusters, hdbscan(vectors))
    assert not clusters.flags.writeable
    assert len(children) == 1
    np.testing.assert_array_equal(bench.cluster(large, method="kmeans", k=3), kmeans(vectors, 3))
    assert len(children) == 2
    with pytest.raises(ValueError, match="k is 1201; it goes from 1 to the 1200 proteins"):
        bench.cluster(large, method="kmeans", k=1201)
    assert len(children) == 2


def test_a_cancelled_job_ends_the_process(vectors, children):
    large = np.tile(vectors, (20, 1))
    steps = apart.group_steps("hdbscan", large, {})
    next(steps)
    [child] = children
    assert child.poll() is None
    steps.close()
    assert child.returncode == -signal.SIGKILL


def test_a_cancel_from_a_page_is_heard(vectors, children):
    bench = Workbench(Settings(), models=FakeModels())
    large = np.tile(vectors, (20, 1))
    names = tuple(map(str, range(len(large))))
    job = bench.submit_cluster(
        EmbeddingSet(names, large, "fake", "1", 1, "mean", "float32"), visitor="somebody", slot="groups"
    )
    while not children and not job.is_over:
        job.wait(0.05)
    assert job.progress.note == "Looking for groups among 24,000 proteins."
    bench.queue.release("somebody", "groups")
    with pytest.raises(CancelledError):
        job.result()
    assert children[0].returncode == -signal.SIGKILL


def test_a_process_that_the_system_ends_is_said(vectors, children):
    steps = apart.group_steps("hdbscan", np.tile(vectors, (20, 1)), {})
    next(steps)
    os.kill(children[0].pid, signal.SIGKILL)
    with pytest.raises(ComputationLostError, match="24,000 proteins") as caught:
        run(steps)
    assert "k-means" in str(caught.value)
    assert "memory" in str(caught.value)


def test_a_process_that_fails_by_itself_is_not_laid_upon_memory(vectors, children, caplog):
    with pytest.raises(ComputationLostError, match="by k-means failed") as caught:
        run(apart.group_steps("kmeans", vectors, {"k": 3, "sequence": "MKVLSECRET"}))
    assert "memory" not in str(caught.value)
    assert "TypeError" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        (b"Traceback\n  File x\nValueError: MKVSECRET", "ValueError"),
        (b"Traceback\nsklearn.exceptions.NotFittedError: MKV", "sklearn.exceptions.NotFittedError"),
        (b"Traceback\nMemoryError", "MemoryError"),
        (b"ValueError: two lines\nMKVSECRET", "an error of more than one line, or none"),
        (b"ValueError: two lines\nMKVSECRETError of mine", "an error of more than one line, or none"),
        (b"", "an error of more than one line, or none"),
    ],
)
def test_of_an_error_its_kind_alone_is_told(complaint, kind):
    assert apart._kind_of_error(io.BytesIO(complaint)) == kind


def test_what_is_wrong_is_said_before_a_process_is_started(vectors, children):
    with pytest.raises(ValueError, match="2 or more"):
        run(apart.group_steps("hdbscan", vectors, {"min_cluster_size": 1}))
    assert not children


def test_it_gets_nothing_of_our_environment(monkeypatch):
    asked = {}
    monkeypatch.setenv("ESMVIZ_BIOLM_TOKEN", "secret")
    monkeypatch.setattr(subprocess, "Popen", lambda command, **rest: asked.update(rest))
    apart._started(None, None, None)
    assert "PATH" in asked["env"]
    assert "secret" not in str(asked)


def test_a_full_disk_is_said(vectors, monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(apart.tempfile, "TemporaryFile", full)
    with pytest.raises(ComputationLostError, match=r"1,200 proteins.* No space left on device"):
        run(apart.group_steps("hdbscan", vectors, {}))
