"""A deep link is the first thing that a fresh server is ever asked."""

from playwright.sync_api import expect

from esmviz.ui.frame import PAGES


def test_similarity_is_the_first_request_of_a_fresh_server(opened, fresh_server):
    app = opened(fresh_server)
    app.open("similarity")
    drawn = app.data("similarity")
    assert drawn["type"] == "heatmap"
    assert drawn["rows"] == drawn["columns"] > 30
    expect(app.page.get_by_role("heading", level=1)).to_contain_text(
        "Which residues does the model see alike?"
    )
    expect(app.page.get_by_test_id("stTopNavLink")).to_have_count(len(PAGES))
    assert "Traceback" not in fresh_server.log.read_text()


def test_a_link_opens_its_protein_and_layer(app):
    app.open("similarity", protein="UBIQ_HUMAN", layer=2)
    assert "layer 2" in app.data("similarity", rows=76)["notes"]
    expect(app.keyed("protein").get_by_role("combobox")).to_have_value("UBIQ_HUMAN")


def test_a_link_to_a_protein_that_is_not_here_says_so_and_offers_the_upload(app):
    app.open("logits", protein="NOT_HERE")
    app.expect_text("NOT_HERE, which is not among your 58 proteins")
    app.page.get_by_role("link", name="Upload a FASTA").click()
    expect(app.keyed("upload")).to_be_visible()
    app.keyed("show_first").get_by_role("button").click()
    app.chart("first-look")


def test_responses_forbid_other_hosts(app):
    response = app.page.goto(app.url)
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    app.chart("first-look")
