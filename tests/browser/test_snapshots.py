"""A page is shared; somebody else opens the link, reads it, goes on from there; the sharer takes it back."""

import re

import pytest
from playwright.sync_api import expect

HOSTILE = "<b>Globins</b> ![x](http://evil.test/x.png)"


def share(app, title):
    """Press Share; link and owner key."""
    app.keyed("share").get_by_role("button").first.click()
    dialog = app.page.get_by_test_id("stDialog")
    dialog.get_by_label("Title").fill(title)
    dialog.get_by_label("Note").fill("First line\n**second** line")
    app.keyed("make_link").get_by_role("button").click()
    expect(dialog.get_by_text("The owner key")).to_be_visible()
    codes = dialog.get_by_test_id("stCode")
    link, key = codes.first.inner_text().strip(), codes.nth(1).inner_text().strip()
    app.page.keyboard.press("Escape")
    return link, key


def opened_by(browser, server, link):
    """Another browser at the link, watched for what it asks of whom."""
    from tests.browser.conftest import App

    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    other = App(page, server.url).watch()
    page.goto(link)
    other.idle()
    return other


def test_a_link_shows_the_page_to_another_browser(app, server, browser):
    app.open("similarity", protein="MYG_HORSE", layer=3)
    drawn = app.data("similarity", type="heatmap")
    link, key = share(app, HOSTILE)
    token = link.partition("?s=")[2]
    assert re.fullmatch(r"[\w-]{22}", token)

    other = opened_by(browser, server, link)
    assert other.data("similarity", type="heatmap") == drawn
    main = other.page.get_by_test_id("stMain")
    for told in (
        HOSTILE.partition("http")[0],
        "**second** line",
        "Snapshot of Similarity",
        "model mini",
        "revision",
        "esmviz 0",
    ):
        expect(main).to_contain_text(told, timeout=20_000)
    assert main.locator("img").count() == 0
    name, content = other.download("npz")
    assert name.endswith(".npz")
    assert content.startswith(b"PK")
    other.keyed("continue").get_by_role("button").first.click()
    expect(other.page).to_have_url(re.compile("/similarity"))
    assert other.data("similarity", type="heatmap") == drawn
    other.open_sidebar()
    expect(other.page.get_by_test_id("stSidebar")).to_contain_text("Protein, 1 of 1")
    assert token not in other.page.url
    assert other.outside == []
    assert other.complaints == []

    other.page.goto(link)
    other.page.get_by_text("Revoke it or let it live longer").click()
    other.page.get_by_label("Owner key").fill(key)
    other.page.get_by_label("Owner key").press("Enter")
    other.page.get_by_test_id("stPopover").get_by_role("button").click()
    other.keyed("revoke").get_by_role("button").click()
    other.expect_text("There is no snapshot under this link")
    log = server.log.read_text()
    assert token not in log
    assert key not in log
    other.page.context.close()


@pytest.mark.slow
def test_a_browser_sees_its_own_snapshots_and_takes_one_back(app, server, browser):
    app.open("logits")
    app.data("mutations", type="heatmap")
    link, _ = share(app, "Mine")
    app.go("Snapshots")
    app.expect_text("What have you shared")
    app.keyed("open_snapshot").get_by_role("button").click()
    app.expect_text("Snapshot of Logits")
    app.data("mutations", type="heatmap")
    app.keyed("all_snapshots").get_by_role("button").click()
    app.page.get_by_test_id("stPopover").get_by_role("button").click()
    app.keyed("revoke").get_by_role("button").click()
    app.expect_text("Revoked. The link no longer works")
    other = opened_by(browser, server, link)
    other.expect_text("There is no snapshot under this link")
    other.keyed("all_snapshots").get_by_role("button").click()
    other.expect_text("Nothing has been shared from this browser")
    assert other.outside == []
    other.page.context.close()
