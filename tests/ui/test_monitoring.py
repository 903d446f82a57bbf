"""What a server tells whoever runs it, and whom it tells."""

import threading
import time
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from esmviz.errors import ModelUnavailableError
from esmviz.jobs import Queue
from esmviz.models.fake import FakeModels
from esmviz.settings import Settings
from esmviz.types import Request
from esmviz.ui import monitoring, resources
from esmviz.workbench import Workbench
from tests.test_metrics import samples

PATHS = ("/healthz", "/readyz", "/metrics")


@pytest.fixture
def watched(monkeypatch):
    """``Readiness`` of checks, which ends before what the test has patched is put back."""
    made = []

    def readiness(checks, **options):
        made.append(monitoring.Readiness(checks, **options))
        return made[-1]

    yield readiness
    for ready in made:
        ready.end()
    for ready in made:
        for thread in ready._threads.values():
            thread.join(30)


@pytest.fixture(autouse=True)
def _own_readiness(watched, monkeypatch):
    monkeypatch.setattr(monitoring, "READY", watched(dict(monitoring.READY._checks)))
    monkeypatch.setattr(monitoring.METRICS, "checks", monitoring.METRICS.checks)


def until(expected, found):
    for _ in range(1000):
        if found() == expected:
            break
        time.sleep(0.005)
    assert found() == expected


def served(monkeypatch, bench, client=("127.0.0.1", 5000)):
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    inner = Route("/_stcore/metrics", lambda request: PlainTextResponse("all models"))
    app = Starlette(
        routes=[inner, *monitoring.routes(monitoring.READY)],
        middleware=[Middleware(monitoring.NoFrameworkMetrics)],
    )
    return TestClient(app, client=client)


def bench_with(fake, **settings):
    return Workbench(Settings(**{"default_model": "fake"} | settings), models=FakeModels(fake))


def answer_of(client, path):
    answer = client.get(path)
    return answer.status_code, answer.json()


def test_alive_and_ready(monkeypatch, fake, tmp_path):
    client = served(monkeypatch, bench_with(fake, data_dir=tmp_path))
    assert client.get("/healthz").text == "ok\n"
    until(
        (200, {"ready": True, "degraded": False, "model": "ok", "snapshots": "ok"}),
        lambda: answer_of(client, "/readyz"),
    )
    assert bench_with(fake, data_dir=tmp_path).sharing.snapshots.sweep() == (0, 0)  # it left nothing behind


def test_not_ready_without_the_default_model(monkeypatch, fake, tmp_path):
    client = served(monkeypatch, bench_with(fake, default_model="elsewhere", data_dir=tmp_path))
    until(
        (503, {"ready": False, "degraded": False, "model": "failed", "snapshots": "ok"}),
        lambda: answer_of(client, "/readyz"),
    )
    assert client.get("/healthz").status_code == 200


def test_where_nothing_can_be_kept_visitors_are_served_and_the_monitor_is_told(monkeypatch, fake, tmp_path):
    folder = tmp_path / "data"
    folder.write_text("in the way")
    monkeypatch.setattr(monitoring, "CHECK_SECONDS", 0.01)
    client = served(monkeypatch, bench_with(fake, data_dir=folder))
    found = {"ready": True, "degraded": True, "model": "ok", "snapshots": "failed"}
    until((200, found), lambda: answer_of(client, "/readyz"))
    assert 'esmviz_check{check="snapshots"} 0.0' in monitoring.METRICS.text()
    folder.unlink()
    until(found | {"degraded": False, "snapshots": "ok"}, lambda: client.get("/readyz").json())
    assert 'esmviz_check{check="snapshots"} 1.0' in monitoring.METRICS.text()


def test_probes_and_numbers_cost_no_check(monkeypatch, watched):
    monkeypatch.setattr(monitoring, "CHECK_SECONDS", 1000)
    calls = []
    ready = watched({"model": lambda: not calls.append(1)})
    monkeypatch.setattr(monitoring.METRICS, "checks", ready)
    assert not calls  # nobody asked
    assert [ready() for _ in range(3)] == [{"model": "ok"}] * 3
    assert 'esmviz_check{check="model"} 1.0' in monitoring.METRICS.text()
    assert len(calls) == 1


def test_a_store_that_hangs_has_failed_and_keeps_nobody_waiting(monkeypatch, watched):
    """From the beginning, and after it went well; the other check goes on, and so does this one once it may."""
    monkeypatch.setattr(monitoring, "CHECK_SECONDS", 0.01)
    monkeypatch.setattr(monitoring, "FIRST_SECONDS", 0.05)
    now, answers = [0.0], threading.Semaphore(0)
    ready = watched({"model": lambda: True, "snapshots": answers.acquire}, clock=lambda: now[0])
    well, hangs = {"model": "ok", "snapshots": "ok"}, {"model": "ok", "snapshots": "failed"}
    until(hangs, ready)
    answers.release()
    until(well, ready)
    now[0] += 0.9 * monitoring.OLD_SECONDS
    assert ready() == well
    now[0] += monitoring.OLD_SECONDS
    until(hangs, ready)
    answers.release()
    until(well, ready)
    answers.release(1000)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device", "/srv/secret"),
        ModelUnavailableError("no"),
        KeyError("unforeseen"),
    ],
)
def test_a_check_that_fails_says_no_more_than_that(watched, error):
    def check():
        raise error

    assert watched({"stores": check})() == {"stores": "failed"}


@pytest.mark.parametrize(
    ("setting", "address", "headers", "status"),
    [
        ("off", "127.0.0.1", {}, 404),
        ("loopback", "127.0.0.1", {}, 200),
        ("loopback", "::1", {}, 200),
        ("loopback", "::ffff:127.0.0.1", {}, 200),
        ("loopback", "10.1.2.3", {}, 404),
        ("loopback", "127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 404),
        ("loopback", "127.0.0.1", {"Via": "1.1 proxy"}, 404),
        ("10.0.0.0/8", "10.1.2.3", {}, 200),
        ("10.0.0.0/8", "127.0.0.1", {}, 404),
        ("all", "203.0.113.9", {}, 200),
        ("all", "not an address", {}, 404),
    ],
)
def test_the_numbers_are_for_those_whom_the_setting_names(
    monkeypatch, fake, setting, address, headers, status
):
    client = served(monkeypatch, bench_with(fake, metrics=setting), client=(address, 5000))
    assert client.get("/metrics", headers=headers).status_code == status


def test_streamlits_own_numbers_are_closed(monkeypatch, fake):
    client = served(monkeypatch, bench_with(fake, metrics="all"))
    for path in ("/_stcore/metrics", "/_stcore/metrics/", "/base/_stcore/metrics"):
        assert client.get(path).status_code == 404


def test_numbers_come_from_the_jobs_of_the_workbench(monkeypatch, fake, records):
    counted = []
    monkeypatch.setattr(monitoring.METRICS, "count_job", lambda *args, **facts: counted.append((args, facts)))
    queue = Queue(watch=monitoring.job_over)
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(fake), queue=queue)
    for _ in range(2):
        bench.submit_inspect(records[0], "fake", Request(logits=True), visitor="ann", slot="page").result()
    bench.submit_embed(records, "fake", visitor="bob", slot="page").result()
    assert [args for args, _ in counted] == [("fake", "done")] * 2
    assert [facts["n_residues"] for _, facts in counted] == [len(records[0]), sum(map(len, records))]
    reading = monitoring.reading(bench)
    assert (reading.cache_hits, reading.cache_bytes) == (1, bench.results.n_bytes)
    assert reading.visitors == 0  # no server here


def test_no_number_tells_a_sequence_or_an_id(monkeypatch, fake, records):
    records = [replace(record, id=f"NAME_{record.id}") for record in records]
    metrics = monitoring.Metrics()
    monkeypatch.setattr(monitoring, "METRICS", metrics)
    queue = Queue(watch=monitoring.job_over)
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(fake), queue=queue)
    metrics.read = lambda: monitoring.reading(bench)
    fake._fail_on = {"NAME_second": ValueError("second ACDEFGHIKLMNP")}
    bench.submit_inspect(records[0], "fake", Request(logits=True), visitor="NAME_ann", slot="page").result()
    bench.submit_embed(records, "fake", visitor="NAME_bob", slot="page").wait()
    text = metrics.text()
    assert samples(metrics)["esmviz_errors_total", "ValueError", "job"] == 1
    for record in records:
        assert record.sequence not in text
    assert "NAME_" not in text
