"""The frame of a page at the widths people have."""

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("width", [1440, 800])
def test_share_stands_beside_a_long_question_and_no_question_is_cut(app, width):
    app.page.set_viewport_size({"width": width, "height": 900})
    app.open("logits")
    app.data("mutations", type="heatmap")
    share = app.keyed("share")
    expect(share).to_be_visible()
    question, button = app.page.locator("h1").bounding_box(), share.bounding_box()
    assert button["x"] >= question["x"] + question["width"]
    assert question["y"] <= button["y"] + button["height"] / 2 <= question["y"] + question["height"]
    app.open()
    links = app.page.locator("[data-testid=stMain] [data-testid=stPageLink] p:visible")
    expect(links).to_have_count(9)
    assert [
        cut for cut in links.evaluate_all("all => all.filter(p => p.scrollWidth > p.clientWidth + 1)")
    ] == []


def test_all_columns_of_the_models_fit(app):
    app.open("models")
    table = app.keyed("models")
    expect(table.locator("canvas").first).to_be_visible()
    scrolled = table.locator(".dvn-scroller").evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert scrolled[0] <= scrolled[1]
