"""A tab that is loaded anew, a second tab, and one that nobody looks at."""

import random
import re
import time
from http.cookies import SimpleCookie
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE, App, Server
from tests.browser.wire import Wire

FASTA = b">alpha\nMKVLAWGHMKVLAWGHMKVLAWGH\n>beta\nACDEFGHIKLMNPQRSTVWYACDEFGHIKL\n"


def test_a_reload_keeps_set_and_choices_and_a_second_tab_is_apart(app):
    app.open()
    app.upload("mine.fasta", FASTA)
    app.expect_text(r"mine\.fasta: 2 proteins")
    app.open_sidebar()
    app.choose("protein", "beta")
    expect(app.page).to_have_url(re.compile("protein=beta"))
    app.page.reload()
    app.expect_text(r"mine\.fasta: 2 proteins")
    app.data("first-look", points=30)

    other = App(app.page.context.new_page(), app.url).watch()
    other.open()
    other.expect_text(r"mine\.fasta: 2 proteins")
    other.keyed("example").get_by_role("button").click()
    other.expect_text("Example: 58 proteins")
    app.page.reload()
    app.expect_text(r"mine\.fasta: 2 proteins")
    other.page.reload()
    other.expect_text("Example: 58 proteins")
    assert not other.complaints


def test_the_cookie_is_no_scripts_business(app):
    app.open()
    [cookie] = [cookie for cookie in app.page.context.cookies() if cookie["name"] == "esmviz_visitor"]
    assert cookie["httpOnly"] is True
    assert cookie["sameSite"] == "Lax"
    assert cookie["value"] not in app.page.evaluate("document.cookie + location.href + document.title")


def test_a_deep_link_brings_the_cookie_too(server):
    with urlopen(Request(f"{server.url}/logits", headers={"accept": "text/html"}), timeout=30) as response:
        assert "esmviz_visitor" in SimpleCookie(response.headers["set-cookie"])


@pytest.fixture
def impatient(tmp_path):
    """A server that drops the work of a silent page after a second."""
    with Server(tmp_path, {"ESMVIZ_HEARTBEAT_SECONDS": "1"}) as running:
        yield running


@pytest.mark.slow
def test_a_scan_runs_on_in_a_frozen_tab_and_is_found_again_after_a_reload(opened, impatient):
    letters = random.Random(0).choices("ACDEFGHIKLMNPQRSTVWY", k=1200)
    app = opened(impatient)
    app.open("logits")
    app.go("Home")
    app.paste(f">long\n{''.join(letters)}\n")
    app.expect_text("1 protein")
    app.go("Logits")
    app.keyed("run").get_by_role("button").click()
    first = done(app)
    page = app.page.context.new_cdp_session(app.page)
    page.send("Page.setWebLifecycleState", {"state": "frozen"})
    app.page.wait_for_timeout(4000)
    page.send("Page.setWebLifecycleState", {"state": "active"})
    deadline = time.monotonic() + PATIENCE / 1000
    while (
        second := done(app)
    ) <= first:  # what stood there before the page was thawed stands there until it asks again
        assert time.monotonic() < deadline, "the scan stopped in the frozen tab"
        app.page.wait_for_timeout(200)
    app.page.reload()
    assert done(app) >= second
    assert "stopped" not in app.text()


@pytest.mark.slow
def test_a_cut_line_loses_neither_set_nor_scan(page, server):
    """No watch over the console: the browser says there that it lost the server."""
    letters = random.Random(1).choices("ACDEFGHIKLMNPQRSTVWY", k=1200)
    page.set_default_timeout(PATIENCE)
    with Wire(server.url) as wire:
        app = App(page, wire.url)
        app.open()
        app.paste(f">long\n{''.join(letters)}\n")
        app.expect_text("1 protein")
        app.go("Logits")
        app.keyed("run").get_by_role("button").click()
        first = done(app)
        wire.cut()
        assert wire.n_cut
        page.wait_for_timeout(3000)
        wire.mend()
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-connection-state", "CONNECTED")
        while (now := done(app)) <= first:
            page.wait_for_timeout(200)
        assert now > first
        assert "stopped" not in app.text()
        app.go("Home")
        app.expect_text("1 protein")


def done(app):
    """Residues that the scan has done."""
    app.expect_text(r"[\d,]+ of 1,200")
    return int(re.search(r"([\d,]+) of 1,200", app.text())[1].replace(",", ""))
