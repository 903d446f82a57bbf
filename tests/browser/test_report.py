"""The report opens from a disk, without a server, in either theme, and asks nothing of any other computer."""

import io
import json
import zipfile

import pytest

pytestmark = pytest.mark.slow

OUTSIDE = "http://tracker.example/pixel.png"
HOSTILE = f'<img/src="{OUTSIDE}"/onerror="document.title=String(13)">![x]({OUTSIDE})$x^2$'

COLOUR = "node => getComputedStyle(node.querySelector('.main-svg')).backgroundColor"
INK = "() => getComputedStyle(document.documentElement).backgroundColor"


@pytest.fixture
def reported(app, example):
    """Name and content of the report of a set whose names would call home."""
    bodies = list(example.values())[:3]
    fasta = "".join(f">{HOSTILE}{n} family={HOSTILE}\n{body}\n" for n, body in enumerate(bodies))
    app.open()
    app.upload("mine.fasta", fasta.encode())
    app.expect_text("3 proteins")
    app.chart("first-look")
    app.idle()  # what a page showed counts when it has run to its end
    for title, chart in (("Similarity", "similarity"), ("Logits", "mutations"), ("Clusters", "clusters")):
        app.go(title)
        app.chart(chart)
        app.idle()
    app.go("Report")
    app.expect_text("Methods, to paste")
    app.keyed("report_title").locator("input").fill(HOSTILE)
    app.page.keyboard.press("Enter")
    app.idle()
    return app


def test_the_files_of_an_analysis_open_elsewhere(reported, tmp_path, example):
    name, content = reported.download("report")
    assert name.endswith(".html")
    opens_and_asks_for_nothing(reported, tmp_path / name, content, example)
    runs_no_script_that_got_in(reported, tmp_path / "attacked.html", content)
    data_and_methods_come_too(reported)


def opens_and_asks_for_nothing(reported, path, content, example):
    path.write_bytes(content)
    other = reported.page.context.new_page()
    asked, said = [], []
    other.on("request", lambda request: asked.append(request.url))
    other.on("console", lambda message: message.type == "error" and said.append(message.text))
    other.on("pageerror", lambda error: said.append(str(error)))
    other.on("dialog", lambda dialog: said.append(dialog.message))
    other.set_viewport_size({"width": 800, "height": 900})
    for scheme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")):
        other.emulate_media(color_scheme=scheme)
        other.goto(path.as_uri())
        other.locator(".figure .main-svg").last.wait_for()
        assert other.locator(".figure").count() == 4
        assert other.evaluate(INK) == paper
        assert other.locator(".figure").first.evaluate(COLOUR) == paper
    sizes = other.locator(".figure").evaluate_all(
        "nodes => nodes.map(node => (node._fullData[0].z || []).length)"
    )
    assert len(next(iter(example.values()))) in sizes  # the similarity map
    assert other.evaluate("document.documentElement.scrollWidth") <= 800
    assert HOSTILE in other.locator("h1").inner_text()
    assert other.locator("img[src*=tracker], a[href^=javascript]").count() == 0
    assert "cloud" not in other.locator(".modebar").first.inner_html().lower()
    assert other.title() != "13"
    assert asked == [path.as_uri()] * 2
    assert said == []
    other.keyboard.press("Tab")
    assert other.evaluate("document.activeElement.textContent") == "Skip to the content"
    other.close()


def runs_no_script_that_got_in(reported, path, content):
    """The second line of defence: even unescaped, a header runs nothing and fetches nothing."""
    attack = (
        f"<h1><img src='{OUTSIDE}' onerror='window.hacked = 1'><script>window.hacked = 2</script>".encode()
    )
    path.write_bytes(content.replace(b"<h1>", attack))
    other = reported.page.context.new_page()
    asked = []
    other.on("requestfinished", lambda request: asked.append(request.url))
    other.goto(path.as_uri())
    other.locator(".figure .main-svg").last.wait_for()
    assert other.evaluate("window.hacked") is None
    assert asked == [path.as_uri()]
    other.close()


def data_and_methods_come_too(reported):
    _, content = reported.download("data")
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = {entry["name"] for entry in json.loads(archive.read("manifest.json"))["files"]}
    assert {"methods.txt", "inputs.fasta", "references.bib"} < names
    assert sum(name.endswith(".npz") for name in names) == 4
    _, text = reported.download("methods")
    assert archive.read("methods.txt") == text
    assert b"UMAP" in text or b"principal component" in text
