"""Processor time for files: counted against visitor and address, refused when it is used up."""

from types import SimpleNamespace

import pytest
from limits import RateLimitItemPerMinute

from esmviz.errors import QuotaError
from esmviz.settings import Settings
from esmviz.ui import access, meter, quotas
from esmviz.ui.access import Door
from esmviz.ui.meter import Meter
from esmviz.ui.quotas import Quotas
from esmviz.ui.rates import Rates


class Headers(dict):
    def get_all(self, name):
        return []


@pytest.fixture
def work(monkeypatch):
    """A file that takes so many seconds of the processor."""
    spent = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(meter.time, "thread_time", lambda: spent.seconds)

    def make(seconds):
        def made():
            spent.seconds += seconds
            return b"file"

        return made

    return make


@pytest.fixture
def page(monkeypatch):
    """Where the page comes from."""
    seen = SimpleNamespace(headers=Headers(), ip_address="192.0.2.7", bound="0.0.0.0")
    monkeypatch.setattr(quotas.st, "context", seen)
    monkeypatch.setattr(quotas.st, "get_option", lambda name: seen.bound)
    monkeypatch.setattr(access, "door", lambda: Door(Settings()))
    return seen


def test_time_is_counted_and_a_refusal_says_when_to_come_back(work):
    mine = Meter(Rates(), ((RateLimitItemPerMinute(10, 10), "me"),))
    assert mine.charged(work(7.5)) == b"file"  # a second at once, seven behind
    assert mine.refusal() == ""
    mine.charged(work(30))  # what is begun is finished
    assert mine.refusal().startswith("Files took 10 seconds of the processor within 10 minutes")
    assert mine.refusal().endswith("Come back in 10 minutes.")
    with pytest.raises(QuotaError, match="Come back in"):
        mine.charged(work(0))


def test_what_fails_is_counted_too(work):
    mine = Meter(Rates(), ((RateLimitItemPerMinute(2, 10), "me"),))

    def fails():
        work(5)()
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011  its own
        mine.charged(fails)
    assert mine.refusal()


def test_many_small_ones_count(work):
    mine = Meter(Rates(), ((RateLimitItemPerMinute(10, 10), "me"),))
    for _ in range(10):
        mine.charged(work(0.0))
    assert mine.refusal()


def test_only_large_files_cost_what_reading_them_takes(work):
    mine = Meter(Rates(), ((RateLimitItemPerMinute(3, 10), "me"),))
    for _ in range(10):
        assert mine.read(work(0.2)) == b"file"
    assert mine.refusal() == ""
    for _ in range(3):
        mine.read(work(0.3))
    with pytest.raises(QuotaError, match="Come back in"):
        mine.read(work(0))


def test_visitors_and_their_address_pay(page, work):
    shared = Quotas(Settings(file_seconds=10, visitors_per_address=2))
    shared.meter("one/tab").charged(work(11))
    assert shared.meter("one/other tab").refusal()
    assert not shared.meter("two/tab").refusal()
    shared.meter("two/tab").charged(work(11))
    assert shared.meter("a new cookie").refusal()  # the address has used up what two visitors have
    page.ip_address = "192.0.2.8"
    assert not shared.meter("a new cookie").refusal()


def test_nobody_pays_at_home(page, work):
    page.bound = "127.0.0.1"
    mine = Quotas(Settings(file_seconds=1)).meter("me/tab")
    for _ in range(3):
        assert mine.charged(work(100)) == b"file"
    assert mine.refusal() == ""
