"""Files that a visitor takes away open elsewhere."""

import csv
import io
import json

import numpy as np


def test_similarity_as_csv_npz_and_a_page_of_its_own(app, example, tmp_path):
    app.open("similarity", protein="UBIQ_HUMAN")
    app.chart("similarity")
    sequence = example["UBIQ_HUMAN"]

    name, content = app.download("csv")
    assert name.endswith(".csv")
    rows = list(csv.reader(io.StringIO(content.decode())))
    table = {row[0]: row for row in rows}
    assert f"{sequence[0]}1" in table or f"{sequence[0]}1" in rows[0]

    name, content = app.download("npz")
    assert name.endswith(".npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        similarity = arrays["similarity"]
        assert similarity.shape == (len(sequence), len(sequence))
        np.testing.assert_allclose(np.diag(similarity), 1, atol=1e-4)
        assert json.loads(str(arrays["meta"]))["model"] == "mini"

    name, content = app.download("html")
    assert name.endswith(".html")
    path = tmp_path / name
    path.write_bytes(content)
    other = app.page.context.new_page()
    asked = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(path.as_uri())
    other.locator(".js-plotly-plot .main-svg").first.wait_for()
    assert other.locator(".js-plotly-plot").evaluate("node => node._fullData[0].z.length") == len(sequence)
    assert "mini" in other.locator("body").inner_text()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    other.close()


def test_vectors_and_coordinates_of_the_example(app):
    app.open("clusters")
    app.chart("clusters")
    _, content = app.download("npz")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        assert len(arrays["ids"]) == len(arrays["vectors"]) == len(arrays["coordinates"]) == 58
        assert np.isfinite(arrays["vectors"]).all()
    _, content = app.download("csv")
    assert len(list(csv.DictReader(io.StringIO(content.decode())))) == 58


def test_the_camera_saves_a_vector_image(app):
    app.open("logits", protein="UBIQ_HUMAN")
    chart = app.chart("mutations")
    chart.hover()
    with app.page.expect_download() as coming:
        chart.locator('[data-title^="Download plot"]').click()
    assert coming.value.suggested_filename.endswith(".svg")
    with open(coming.value.path(), encoding="utf-8") as image:
        assert "<svg" in image.read(500)


def test_what_a_box_on_the_map_holds_goes_into_a_file(app, example):
    app.open("clusters")
    chart = app.chart("clusters")
    assert len(app.download("clusters_listed_fasta")[1].split(b">")) == 59  # nothing selected: all 58
    chart.hover()
    chart.locator('[data-title="Box Select"]').click()
    plot = chart.locator(".nsewdrag").first.bounding_box()
    x, y, width, height = (plot[name] for name in ("x", "y", "width", "height"))
    app.page.mouse.move(x + 0.7 * width, y + 0.05 * height)
    app.page.mouse.down()
    app.page.mouse.move(x + 0.97 * width, y + 0.95 * height, steps=5)
    app.page.mouse.up()
    app.expect_text("Selected proteins")
    app.idle()
    name, content = app.download("clusters_listed_fasta")
    assert name == "esmviz-clusters-Selected-proteins-Example.fasta"
    records = [part.split("\n", 1) for part in content.decode().split(">")[1:]]
    assert 0 < len(records) < 58
    assert all(example[header.split()[0]] == body.replace("\n", "") for header, body in records)
    _, table = app.download("clusters_listed_csv")
    rows = list(csv.DictReader(io.StringIO(table.decode())))
    assert [row["id"] for row in rows] == [header.split()[0] for header, _ in records]
