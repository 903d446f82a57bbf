"""Visitors who come back: after a reload, in a second tab, in another browser. By AppTest on the fake backend."""

import itertools
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from esmviz.label_tables import LabelTable
from esmviz.models.fake import FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.ui import page_settings, resources, session_menu
from esmviz.ui import session as sessions
from esmviz.ui.shelf import Shelf
from esmviz.workbench import Workbench

ROOT = Path(__file__).resolve().parents[2]
TOY = ">one family=left\nMKVLAWGHMKVLA\n>two family=right\nACDEFGHIKLMNPQ\n"


class House:
    """The app with its visitors: who looks, and which pages are open."""

    def __init__(self, monkeypatch, workbench):
        self.browser, self.open, self.shelf = "ann", set(), Shelf(n_bytes=1 << 20, n_browsers=9, seconds=60)
        monkeypatch.setattr(resources, "_shared", lambda: workbench)
        monkeypatch.setattr(resources, "_shelf", lambda: self.shelf)
        monkeypatch.setattr(sessions.visitor, "browser", lambda: self.browser)
        monkeypatch.setattr(sessions, "is_connected", self.open.__contains__)
        numbers = itertools.count()
        monkeypatch.setattr(sessions, "_connection", lambda: f"connection {next(numbers)}")

    def visit(self, page="home", **query):
        """A page that is loaded anew."""
        at = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=60)
        for name, value in query.items():
            at.query_params[name] = value
        return settled(at.run())

    def reload(self, at, page="home"):
        return self.visit(page, **at.query_params)


def settled(at):
    for _ in range(300):
        if at.exception or not any(str(button.key).startswith("cancel_") for button in at.button):
            return at
        time.sleep(0.05)
        at.run()
    raise AssertionError("still computing")


@pytest.fixture
def house(monkeypatch, workbench):
    return House(monkeypatch, workbench)


def with_toy(at):
    at.text_area(key="paste").set_value(TOY).run()
    return settled(at)


def ids(at):
    return [record.id for record in at.session_state["session"].records]


def test_a_reload_keeps_proteins_labels_and_choices(house):
    at = with_toy(house.visit())
    at.file_uploader(key="labels").upload("l.csv", b"id,colour\none,red\n").run()
    at.selectbox(key="protein").set_value("two").run()
    again = house.reload(at)
    session = again.session_state["session"]
    assert ids(again) == ["one", "two"]
    assert session.records[0].labels == {"family": "left", "colour": "red"}
    assert again.selectbox(key="protein").value == session.protein == "two"
    assert session.visitor == at.session_state["session"].visitor
    assert not again.exception


def test_a_reload_keeps_the_controls_of_every_page(house):
    at = house.visit("similarity")
    at.sidebar.slider(key="apart").set_value(9).run()
    at.sidebar.toggle(key="centre").set_value(False).run()
    again = house.reload(at, "similarity")
    assert again.sidebar.slider(key="apart").value == 9
    assert again.sidebar.toggle(key="centre").value is False
    other = house.reload(again, "attention")
    assert other.session_state["session"].settings["centre"] is False


def test_two_tabs_keep_to_themselves(house):
    one = house.visit()
    house.open.add(one.session_state["session"].connection)
    two = with_toy(house.visit())
    assert one.query_params["tab"] != two.query_params["tab"]
    assert ids(house.reload(one)) == ids(one)
    assert ids(house.reload(two)) == ["one", "two"]


def test_a_new_tab_sends_nothing_to_a_host_that_was_allowed_in_another(house):
    one = with_toy(house.visit())
    first = one.session_state["session"]
    first.trusted_hosts.add("biolm.ai")
    house.open.add(first.connection)
    second = house.visit().session_state["session"]
    assert ids(one) == [record.id for record in second.records]
    assert second.trusted_hosts == set()
    second.asked["x"] = second.written["x"] = "y"
    assert "x" not in first.asked | first.written


def test_what_a_session_holds_is_weighed_by_its_letters(house):
    session = with_toy(house.visit()).session_state["session"]
    before = sessions._n_bytes(session)
    assert 1000 < before < 10_000
    session.structure_text = ("1abc.pdb", "ATOM" * 1000 + "\N{GREEN HEART}")
    assert sessions._n_bytes(session) - before > 16_000  # one wide letter makes all of them wide
    session.labels = LabelTable({}, ("colour",), tuple(f"nobody {n}" for n in range(1000)), ())
    assert sessions._n_bytes(session) - before > 16_000 + 60_000


def test_a_new_tab_begins_with_what_the_browser_saw_last(house):
    one = with_toy(house.visit())
    house.open.add(one.session_state["session"].connection)
    two = house.visit()
    assert ids(two) == ["one", "two"]
    two.button(key="example").click().run()
    assert ids(house.reload(one)) == ["one", "two"]


def test_another_browser_and_one_without_cookies_find_nothing(house):
    at = with_toy(house.visit())
    for browser in ("bob", None):
        house.browser = browser
        again = house.reload(at)
        assert len(ids(again)) == 58
    assert "tab" not in house.visit().query_params


def test_a_set_that_is_too_large_to_keep_has_no_tab_in_its_address(house):
    house.shelf = Shelf(n_bytes=10, n_browsers=9, seconds=60)
    at = with_toy(house.visit())
    assert not at.session_state["session"].is_kept
    assert "tab" not in at.query_params


def test_a_running_job_is_found_again(house, monkeypatch):
    import threading

    go = threading.Event()
    backend = FakeBackend(before_each=lambda record: go.wait(30) or None)
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(backend))
    monkeypatch.setattr(resources, "_shared", lambda: bench)

    def visit(**query):
        at = AppTest.from_file(str(ROOT / "pages" / "home.py"), default_timeout=60)
        for name, value in query.items():
            at.query_params[name] = value
        return at.run()

    at = visit()
    assert any(button.key == "cancel_inspect" for button in at.button)
    again = visit(**at.query_params)
    assert any(button.key == "cancel_inspect" for button in again.button)
    assert len(bench.queue) == 1
    go.set()
    settled(again)
    assert backend.n_calls == 1


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("scheme", "masked marginals", True),
        ("scheme", 3, False),
        ("centre", True, True),
        ("apart", True, False),
        ("layers_a_b", (1, 2), True),
        ("layers_a_b", [1, 2], False),
        ("neighbours_57", 3, True),
        ("neighbours", 3, False),
        ("run", True, False),
        ("session", "x", False),
        ("part_other_900", (1, 900), True),
    ],
)
def test_only_controls_of_pages_are_noted(key, value, fits):
    assert page_settings.fits(key, value) is fits


def test_a_saved_session_takes_the_place_of_what_was_set_before(house):
    at = with_toy(house.visit())
    content = session_menu.session_bytes(session_menu._saved(at.session_state["session"]))
    house.browser = "bob"
    other = house.visit("similarity")
    other.sidebar.toggle(key="centre").set_value(False).run()
    other = house.reload(other)
    session = other.session_state["session"]
    assert session.settings["centre"] is False
    other.session_state["centre"] = False  # left by a page that was looked at
    settled(other.file_uploader(key="saved_session").upload("s.json", content).run())
    assert ids(other) == ["one", "two"]
    assert "centre" not in other.session_state["session"].settings


def test_a_saved_session_comes_back_with_choices_and_settings(house):
    at = with_toy(house.visit())
    at.selectbox(key="protein").set_value("two").run()
    at.session_state["session"].settings["apart"] = 12
    content = session_menu.session_bytes(session_menu._saved(at.session_state["session"]))
    house.browser = "bob"
    other = settled(house.visit().file_uploader(key="saved_session").upload("s.json", content).run())
    session = other.session_state["session"]
    assert ids(other) == ["one", "two"]
    assert session.protein == other.selectbox(key="protein").value == "two"
    assert session.records[0].labels == {"family": "left"}
    assert house.reload(other, "similarity").sidebar.slider(key="apart").value == 12
    assert not other.exception


def test_a_hostile_session_file_is_told_and_changes_nothing(house):
    at = with_toy(house.visit())
    at.file_uploader(key="saved_session").upload(
        "s.json", b'{"format": "![x](http://evil.test/x.png)"}'
    ).run()
    assert ids(at) == ["one", "two"]
    assert any("cannot be restored" in str(error.value) for error in at.error)


def test_forgetting_leaves_nothing_in_any_tab(house):
    one = with_toy(house.visit())
    house.open.add(one.session_state["session"].connection)
    two = with_toy(house.visit())
    two.query_params["protein"] = gone = ids(two)[0]
    two.button(key="forget").click().run()
    assert gone not in str(dict(two.query_params))
    assert not any(gone in info.value for info in two.info)
    assert len(house.shelf) <= 1
    assert len(ids(settled(one.run()))) == 58
    assert len(ids(house.visit())) == 58
    assert not one.text_area(key="paste").value or "one" not in str(one.session_state["session"].records)
