"""How much one visitor may ask of the models, and what a refusal says."""

import threading
import time
from types import SimpleNamespace

import pytest
from limits import RateLimitItemPerHour

from esmviz.errors import QuotaError
from esmviz.jobs import Queue
from esmviz.models.fake import FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import ProteinRecord, Request
from esmviz.ui import access, quotas, rates
from esmviz.ui.access import Door
from esmviz.ui.quotas import Quotas
from esmviz.workbench import Workbench

LOGITS = Request(logits=True)
HERE = {"Origin": "http://localhost:8501", "Host": "localhost:8501"}


class Headers(dict):
    def get_all(self, name):
        return [self[name]] if name in self else []


@pytest.fixture
def page(monkeypatch):
    """Where the page comes from: ``headers`` and ``ip_address``, of a server bound to ``bound``."""
    seen = SimpleNamespace(headers=Headers(HERE), ip_address="192.0.2.7", bound="0.0.0.0")
    monkeypatch.setattr(quotas.st, "context", seen)
    monkeypatch.setattr(quotas.st, "get_option", lambda name: seen.bound)
    monkeypatch.setattr(access, "door", lambda: Door(Settings()))
    return seen


class Slow:
    """Jobs that wait until the test lets them go."""

    def __init__(self, queue):
        self.queue, self.go, self.number = queue, threading.Event(), 0

    def __call__(self, visitor, n_residues=1, key=None):
        self.number += 1
        return self.queue.submit(
            "lane",
            key or self.number,
            lambda context: self.go.wait(30),
            visitor=visitor,
            slot=str(self.number),
            n_residues=n_residues,
        )


def asking(**settings):
    return Slow(Queue(admit=Quotas(Settings(**settings)).admit))


@pytest.fixture
def ask(request, page):
    slow = asking(**request.param)
    yield slow
    slow.go.set()


@pytest.mark.parametrize("ask", [{"requests_per_minute": 3}], indirect=True)
def test_too_many_within_a_minute(ask):
    for _ in range(3):
        ask("ann/1")
    for tab in ("ann/1", "ann/2"):
        with pytest.raises(QuotaError) as refused:
            ask(tab)
    assert str(refused.value) == (
        "You have asked for 3 computations within a minute, the most that this server does. Come back in 1 minute."
    )
    ask("bob/1")
    assert len(ask.queue) == 4


@pytest.mark.parametrize("ask", [{"residues_per_hour": 1000}], indirect=True)
def test_too_many_residues_within_an_hour(ask):
    ask("ann/1", 700)
    with pytest.raises(QuotaError, match=r"1,000 residues computed .* Come back in 60 minutes\."):
        ask("ann/1", 301)
    ask("ann/1", 300)  # what was refused was not counted
    with pytest.raises(QuotaError, match=r"takes 1,001 residues .* Ask for less at a time"):
        ask("bob/1", 1001)


@pytest.mark.parametrize("ask", [{"requests_per_minute": 2, "visitors_per_address": 2}], indirect=True)
def test_an_address_has_the_share_of_some_visitors(ask, page):
    for visitor in ("ann/1", "/tab", "/other", "bob/1"):
        ask(visitor)
    with pytest.raises(QuotaError, match="Your network has asked for 4 computations"):
        ask("eve/1")
    page.ip_address = "192.0.2.8"
    ask("eve/1")


@pytest.mark.parametrize("ask", [{"jobs_per_visitor": 2, "max_jobs": 3}], indirect=True)
def test_few_at_a_time(ask):
    first = ask("ann/1", key="shared")
    ask("ann/2")
    with pytest.raises(QuotaError, match="2 of your computations wait or run"):
        ask("ann/1")
    ask("bob/1")
    with pytest.raises(QuotaError, match="3 computations wait or run on this server"):
        ask("eve/1")
    assert ask("eve/1", key="shared") is first  # to join costs nothing
    ask.go.set()
    for job in (first,):
        assert job.wait(30)


def test_a_computation_ends_after_its_minutes(page):
    def endless(context):
        while True:
            done.wait(0.002)
            yield

    done = threading.Event()
    queue = Queue(admit=Quotas(Settings(job_minutes=0.0002)).admit)
    job = queue.submit("lane", 1, endless, visitor="ann/1")
    with pytest.raises(QuotaError, match=r"stopped after .* s, the most that one computation may take"):
        job.result()
    assert queue.submit("lane", 2, lambda context: "next", visitor="ann/1").result() == "next"


@pytest.mark.parametrize(
    ("bound", "headers", "settings", "is_limited"),
    [
        ("127.0.0.1", HERE, {}, False),
        ("localhost", {"Origin": "http://127.0.0.1:8501", "Host": "[::1]:8501"}, {}, False),
        ("127.0.0.1", {"Origin": "https://lab.example", "Host": "127.0.0.1:8501"}, {}, True),
        ("127.0.0.1", {"Host": "lab.example"}, {}, True),
        ("127.0.0.1", {"Host": "["}, {}, True),
        ("127.0.0.1", {**HERE, "x-forwarded-for": "192.0.2.1"}, {}, True),
        ("127.0.0.1", HERE, {"trusted_proxies": "127.0.0.1"}, True),
        ("127.0.0.1", HERE, {"password": "correct horse"}, True),
        ("0.0.0.0", HERE, {}, True),
        (None, HERE, {}, True),
    ],
)
def test_a_lone_local_user_is_never_limited(page, monkeypatch, bound, headers, settings, is_limited):
    page.bound, page.headers = bound, Headers(headers)
    monkeypatch.setattr(access, "door", lambda: Door(Settings(**settings)))
    guard = Quotas(Settings(requests_per_minute=1, **settings))
    guard.admit(Queue(), "ann/1", 1)
    page.headers = Headers(HERE)  # once somebody came through a proxy, it holds for all
    if is_limited:
        with pytest.raises(QuotaError):
            guard.admit(Queue(), "ann/1", 1)
    else:
        assert guard.admit(Queue(), "ann/1", 10**12).most_seconds is None


def test_what_is_known_is_free_and_a_scan_counts_each_of_its_passes(page):
    guard = Quotas(Settings(residues_per_hour=100))
    bench = Workbench(Settings(), models=FakeModels(FakeBackend()), queue=Queue(admit=guard.admit))
    protein = ProteinRecord("a", "MKVLAWGH")
    for _ in range(20):
        bench.submit_inspect(protein, "fake", LOGITS, visitor="ann/1", slot="x").result()
    bench.submit_masked(protein, "fake", visitor="ann/1", slot="y").result()  # 8 and 64
    with pytest.raises(QuotaError):
        bench.submit_embed([protein] * 4, "fake", visitor="ann/1", slot="z")
    assert (
        bench.submit_embed([protein] * 4, "fake").result().vectors.shape[0] == 4
    )  # the command line is not limited


def test_an_address_fills_a_tenth_of_the_store_a_day_whatever_its_cookies(page):
    guard = Quotas(Settings(snapshot_mb=1, snapshot_total_mb=30))
    for _ in range(3):
        guard.admit_snapshot(1 << 20)
    with pytest.raises(QuotaError) as refused:
        guard.admit_snapshot(1)
    assert str(refused.value) == (
        "Your network has shared nearly 3 MB within a day, the most that this server keeps. Come back in 24 hours."
    )
    page.ip_address = "192.0.2.8"
    for _ in range(9):
        take_back = guard.admit_snapshot(1 << 20)
        take_back()  # as nothing was kept
    guard.admit_snapshot(1 << 20)
    page.bound = "127.0.0.1"
    page.ip_address = "192.0.2.7"
    guard.admit_snapshot(1 << 30)  # nobody else can come


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_a_clock_that_jumps_shuts_nobody_out(page, monkeypatch, jump):
    guard = Quotas(Settings(residues_per_hour=10))
    guard.admit(Queue(), "ann/1", 10)
    with pytest.raises(QuotaError):
        guard.admit(Queue(), "ann/1", 1)
    clock = time.time
    monkeypatch.setattr(rates.time, "time", lambda: clock() + jump)
    guard.admit(Queue(), "ann/1", 10)
    with pytest.raises(QuotaError, match="Come back in 60 minutes"):
        guard.admit(Queue(), "ann/1", 1)


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(page):
    page.headers = Headers({"X-Forwarded-For": "198.51.100.1"})
    assert quotas.address(Settings()) == "192.0.2.7"
    assert quotas.address(Settings(trusted_proxies="192.0.2.0/24")) == "198.51.100.1"


def test_what_a_cancelled_computation_did_not_come_to_is_given_back(page):
    reached, go = threading.Event(), threading.Event()

    def scan(context):
        context.report(30, 100)
        reached.set()
        go.wait(30)
        context.raise_if_cancelled()

    queue = Queue(admit=Quotas(Settings(residues_per_hour=100, visitors_per_address=1)).admit)
    job = queue.submit("lane", "scan", scan, visitor="ann/1", slot="masked", n_residues=100)
    assert reached.wait(30)
    with pytest.raises(QuotaError):
        queue.submit("lane", "more", scan, visitor="ann/1", slot="other", n_residues=1)
    queue.release("ann/1", "masked")
    go.set()
    assert job.wait(30)
    queue.submit("lane", "behind it", lambda context: None).result()  # the lane has settled it then
    with pytest.raises(QuotaError):
        queue.submit("lane", "more", scan, visitor="ann/1", slot="other", n_residues=71)
    queue.submit("lane", "rest", lambda context: None, visitor="ann/1", slot="other", n_residues=70).result()


def test_one_that_waited_gives_back_all_of_it(page):
    slow = asking(residues_per_hour=100)
    slow("bob/1")  # at work
    slow("ann/1", n_residues=100)
    with pytest.raises(QuotaError):
        slow("ann/1")
    slow.queue.release("ann/1")
    slow("ann/1", n_residues=100)
    slow.go.set()


def test_a_window_that_is_over_takes_nothing_back(page, monkeypatch):
    kept, hour = rates.Rates(), RateLimitItemPerHour(10)
    give_back = kept.counted(hour, "ann", 10)
    kept.forgive(hour, "ann")
    kept.count(hour, "ann", 10)
    monkeypatch.setattr(kept._storage, "get_expiry", lambda key: 0.0)  # of another window
    give_back(1.0)
    assert not kept.allows(hour, "ann")
