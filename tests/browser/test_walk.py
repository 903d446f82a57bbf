"""A visitor uploads a file and walks every page."""

import re

import pytest
from playwright.sync_api import expect


@pytest.fixture
def mine(example):
    """Five proteins of the example under other names: one to mend, one refused, two that are plain, one with an X."""
    bodies = list(example.values())[:4]
    records = {
        "alpha family=one": bodies[0],
        "beta family=one": bodies[1].lower() + "*",
        "gamma family=two": bodies[2],
        "delta family=two": bodies[3][:20] + "X" + bodies[3][20:],
        "broken": bodies[0][:9] + "1" + bodies[0][9:],
    }
    return records, "".join(f">{header}\n{body}\n" for header, body in records.items()).encode()


@pytest.mark.parametrize(("width", "colours"), [(1440, "light"), (800, "dark")])
def test_upload_and_walk_every_page(app, mine, width, colours):
    records, fasta = mine
    n_residues = len(records["alpha family=one"])
    app.page.emulate_media(color_scheme=colours)
    app.page.set_viewport_size({"width": width, "height": 900})
    app.open()
    app.upload("mine.fasta", fasta)
    app.expect_text(r"mine\.fasta: 4 proteins \(1 mended and 1 rejected")
    app.data("first-look", points=n_residues)

    app.open_sidebar()
    app.choose("protein", "gamma")
    expect(app.page).to_have_url(re.compile("protein=gamma"))
    if width < 1000:
        app.fold_sidebar()
    length = len(records["gamma family=two"])
    app.go("Similarity")
    assert "mini" in app.data("similarity", type="heatmap", rows=length, columns=length)["notes"]
    app.go("Attention")
    app.data("attention", type="heatmap", rows=length, columns=length)
    app.go("Logits")
    app.data("mutations", type="heatmap", rows=20, columns=length)
    app.go("Clusters")
    assert app.data("clusters", points=4)["type"] in ("scatter", "scattergl")

    app.go("Predictions")
    app.expect_text("is a language model")

    app.go("Models")
    expect(app.keyed("models")).to_be_visible()
    app.expect_text("embedded")
    assert "gamma" in app.page.url
    assert "went wrong" not in app.text()


def test_the_example_shows_every_chart(app):
    app.open()
    app.expect_text("Example: 58 proteins, six families and four single ones")
    app.chart("first-look")
    app.go("Clusters")
    assert "UMAP" in app.data("clusters", points=58)["notes"]


def test_the_grid_opens_the_head_that_is_clicked(app):
    app.open("attention", layer=2)
    app.choose("show", "all heads")
    tile = app.chart("attention-grid").locator(".nsewdrag").first
    box = tile.bounding_box()
    tile.click(position={"x": box["width"] * 0.95, "y": box["height"] * 0.95})
    app.chart("attention")
    expect(app.page).to_have_url(re.compile("head="))


def test_masked_marginals_take_over_when_they_are_done(app):
    app.open("logits", protein="UBIQ_HUMAN")
    app.chart("mutations")
    app.keyed("run").get_by_role("button").click()
    app.expect_text(r"Pseudo-perplexity \(masked\): \d+\.\d\d")
    assert "masked" in app.data("mutations")["notes"]


def test_two_proteins_fall_back_to_pca(app, example):
    names = list(example)[:2]
    app.open()
    app.paste("".join(f">{name}\n{example[name]}\n" for name in names))
    app.expect_text("2 proteins")
    app.go("Clusters")
    assert "PCA" in app.data("clusters", points=2)["notes"]
    app.expect_text("UMAP needs")


def test_what_a_page_was_set_to_stays_while_another_is_looked_at(app):
    app.open()
    app.upload("two.fasta", b">alpha\nMKVLAWGHMKVLAWGHMKVLAWGH\n>beta\nACDEFGHIKLMNPQRSTVWYACDEFGHIKL\n")
    app.expect_text(r"two\.fasta: 2 proteins")
    app.go("Similarity")
    app.open_sidebar()
    app.choose("other", "beta")
    app.go("Attention")
    app.open_sidebar()
    app.choose("show", "rollout")
    app.go("Similarity")
    app.open_sidebar()
    expect(app.keyed("other").get_by_role("combobox")).to_have_value("beta")
    app.go("Attention")
    app.open_sidebar()
    expect(app.keyed("show").get_by_role("combobox")).to_have_value("rollout")
