"""A structure is uploaded, drawn by 3Dmol on a real canvas, turned, saved; nothing leaves the machine."""

import io
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Server

CRAMBIN = "TTCCPSIVARSNFNVCRLPGTPEALCATYTGCIIIPGATCPGDYAN"

# Share of the pixels that have a hue, and how many colours there are.
PIXELS = """(node) => {
    const canvas = node.querySelector("canvas"), copy = document.createElement("canvas");
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, copy.width, copy.height), seen = new Set();
    let drawn = 0;
    for (let i = 0; i < data.length; i += 4) {
        const same = [0, 1, 2].every((k) => Math.abs(data[i + k] - data[k]) < 9);
        if (!same) drawn += 1;
        seen.add(data.slice(i, i + 3).join());
    }
    return { share: drawn / (data.length / 4), colours: seen.size };
}"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    """WebGL in software, which the other tests do without."""
    flags = [flag for flag in browser_type_launch_args["args"] if flag != "--disable-gpu"]
    webgl = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
    return {**browser_type_launch_args, "args": [*flags, *webgl]}


def drawing(app, mark):
    """What stands on the canvas once it is painted by that."""
    viewer = app.page.locator(f".viewer[data-drawn='{mark}']")
    expect(viewer).to_be_visible()
    app.idle()
    return viewer.locator(".canvas").evaluate(PIXELS)


@pytest.mark.parametrize(("width", "colours"), [(1440, "light"), (800, "dark")])
def test_an_uploaded_structure_is_drawn_and_coloured(app, helix, width, colours):
    app.page.emulate_media(color_scheme=colours)
    app.page.set_viewport_size({"width": width, "height": 1000})
    app.open("structure", protein="CRAM_CRAAB")
    app.expect_text("does not fold proteins")
    app.upload("crambin.pdb", helix(CRAMBIN).encode(), key="structure")
    by_chain = drawing(app, "chain")
    assert by_chain["share"] > 0.01
    app.open_sidebar()
    app.choose("paint", "entropy (bits)")
    by_entropy = drawing(app, "entropy (bits)")
    assert by_entropy["share"] > 0.01
    assert by_entropy["colours"] > by_chain["colours"]
    expect(app.page.locator(".viewer .legend")).to_contain_text("entropy (bits)")
    assert any(url.endswith("/3dmol/3Dmol-min.js") for url in app.requests)


def at_rest(canvas):
    """A picture of the canvas once nothing in it moves any more."""
    last = None
    for _ in range(40):
        canvas.page.wait_for_timeout(250)
        picture = canvas.screenshot()
        if picture == last:
            return picture
        last = picture
    raise AssertionError("the view does not come to rest")


def unlike(one, other):
    """Mean difference of two pictures, of 255."""
    from PIL import Image, ImageChops, ImageStat

    first, second = (Image.open(io.BytesIO(picture)).convert("L") for picture in (one, other))
    return ImageStat.Stat(ImageChops.difference(first, second)).mean[0]


def test_the_view_turns_goes_home_and_is_saved(app, helix):
    app.open("structure", protein="CRAM_CRAAB")
    app.upload("crambin.pdb", helix(CRAMBIN).encode(), key="structure")
    drawing(app, "chain")
    canvas = app.page.locator(".viewer canvas").first
    before = at_rest(canvas)
    box = canvas.bounding_box()
    app.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    app.page.mouse.down()
    app.page.mouse.move(box["x"] + box["width"] / 2 + 120, box["y"] + box["height"] / 2 + 40, steps=4)
    app.page.mouse.up()
    app.page.mouse.move(2, 2)
    expect(app.page.locator(".viewer .said")).to_have_text("")
    assert unlike(at_rest(canvas), before) > 1
    app.page.get_by_role("button", name="Reset view").click()
    app.page.mouse.move(2, 2)
    assert unlike(at_rest(canvas), before) < 0.1
    app.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(app.page.locator(".viewer .said")).to_have_text(re.compile(r"A [A-Z]\d+"))
    with app.page.expect_download() as coming:
        app.page.get_by_role("button", name="Save PNG").click()
    assert coming.value.suggested_filename == "esmviz-crambin.pdb.png"
    from PIL import Image

    with open(coming.value.path(), "rb") as file:
        picture = Image.open(io.BytesIO(file.read())).convert("RGB")
    assert picture.size[0] > 300
    assert len(picture.getcolors(1 << 24)) > 50


@pytest.mark.slow
def test_a_protein_is_folded_and_its_coordinates_come_down(opened, tmp_path, esmfold_folder):
    with Server(tmp_path, {"ESMVIZ_MODELS_DIR": str(esmfold_folder.parent)}) as server:
        app = opened(server)
        app.page.set_viewport_size({"width": 1440, "height": 1000})
        app.open("structure", protein="CRAM_CRAAB", model=esmfold_folder.name)
        app.expect_text("takes about")
        app.keyed("run").get_by_role("button").click()
        assert drawing(app, "pLDDT")["share"] > 0.001
        app.data("plddt", points=46)
        app.data("aligned-error", type="heatmap", rows=46, columns=46)
        name, pdb = app.download("pdb")
        assert name.endswith(".pdb")
        assert pdb.count(b" CA ") == 46
        assert app.download("cif")[1].startswith(b"data_")


def test_a_file_that_is_no_structure_is_said(app):
    app.open("structure")
    app.upload("mine.pdb", b">fasta\nMKV\n", key="structure")
    app.expect_text("neither PDB nor mmCIF")
    assert re.search("went wrong", app.text()) is None
