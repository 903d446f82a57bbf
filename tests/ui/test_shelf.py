"""What is kept for visitors who come back, and what goes first."""

import pytest

from esmviz.ui.shelf import TABS, Shelf


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def shelf(clock):
    return Shelf(n_bytes=100, n_browsers=3, seconds=60, clock=clock)


def test_each_tab_finds_its_own_and_an_unknown_one_the_latest(shelf):
    shelf.put("ann", "1", "first", 10)
    shelf.put("ann", "2", "second", 10)
    shelf.put("bob", "1", "of bob", 10)
    assert shelf.find("ann", "1") == "first"
    assert shelf.find("ann", "2") == "second"
    assert shelf.find("ann", "9") == shelf.find("ann", None) == "second"
    shelf.put("ann", "1", "first", 10)  # seen again
    assert shelf.find("ann", None) == "first"
    assert shelf.find("bob", "2") == "of bob"
    assert shelf.find("eve", "1") is None


def test_what_nobody_saw_for_long_is_gone(shelf, clock):
    shelf.put("ann", "1", "a", 10)
    clock.now = 50
    shelf.put("bob", "1", "b", 10)
    clock.now = 61
    assert shelf.find("ann", "1") is None
    assert shelf.find("bob", "1") == "b"
    assert len(shelf) == 1


def test_bytes_are_bounded_and_the_longest_unseen_goes(shelf):
    for browser in ("ann", "bob"):
        assert shelf.put(browser, "1", browser, 45)
    shelf.put("ann", "1", "ann", 45)
    assert shelf.put("eve", "1", "eve", 45)
    assert shelf.find("bob", "1") is None
    assert shelf.find("ann", "1") == "ann"


def test_what_is_too_large_is_told_and_replaces_nothing_of_others(shelf):
    shelf.put("ann", "1", "small", 10)
    shelf.put("bob", "1", "b", 10)
    assert not shelf.put("ann", "1", "large", 101)
    assert shelf.find("ann", "1") is None
    assert shelf.find("bob", "1") == "b"


def test_browsers_and_tabs_are_bounded(shelf):
    for browser in ("ann", "bob", "eve", "joe"):
        shelf.put(browser, "1", browser, 1)
    assert shelf.find("ann", "1") is None
    for tab in range(TABS + 5):
        shelf.put("joe", str(tab), tab, 1)
    assert shelf.find("bob", "1") == "bob"
    assert len(shelf.forget("joe")) == TABS


def test_forgetting_takes_all_of_one_browser(shelf):
    for browser, tab in (("ann", "1"), ("bob", "1"), ("ann", "2")):
        shelf.put(browser, tab, browser + tab, 1)
    assert shelf.forget("ann") == ["ann1", "ann2"]
    assert shelf.find("ann", "1") is None
    assert shelf.find("bob", "1") == "bob1"


def test_who_keeps_more_is_told_what_went(clock):
    gone = []
    shelf = Shelf(n_bytes=100, n_browsers=3, seconds=60, clock=clock, gone=gone.append)
    shelf.put("ann", "1", "old", 10)
    clock.now = 61
    shelf.tidy()
    assert gone == ["old"]
    shelf.put("ann", "1", "large", 90)
    shelf.put("bob", "1", "larger", 95)
    assert gone == ["old", "large"]
    assert shelf.forget("bob") == ["larger"]
    assert gone == ["old", "large"]  # who takes it off knows
