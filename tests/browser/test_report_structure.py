"""The structure in the report turns, from a disk and without a server; without WebGL a still picture stands there."""

import numpy as np
import pytest
from playwright.sync_api import expect

from esmviz.exhibit import Molecule
from esmviz.report.page import report_bytes
from esmviz.structures import read_structure
from esmviz.types import ProteinRecord
from esmviz.views import paint_chains
from tests.browser.test_structure import CRAMBIN, PIXELS, browser_type_launch_args  # noqa: F401  with WebGL
from tests.report.conftest import exhibit

pytestmark = pytest.mark.slow

NO_WEBGL = "() => { HTMLCanvasElement.prototype.getContext = () => null; }"


@pytest.fixture(scope="module")
def report(tmp_path_factory, helix):
    """A file on the disk; two structures, so that what draws them is shared."""
    pieces = []
    for name in ("crambin", "<b>again</b>"):
        structure = read_structure(helix(CRAMBIN), name=f"{name}.pdb")
        names = [f"A {k}" for k in range(len(CRAMBIN))]
        painting = paint_chains(np.zeros(len(CRAMBIN), dtype=int), ["A"], names)
        pieces.append(Molecule(name, f"{name}, coloured by chain", structure.text, vars(painting)))
    made = exhibit("structure", *pieces, records=[ProteinRecord("CRAM_CRAAB", CRAMBIN)])
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(report_bytes([made]))
    return path


@pytest.fixture
def opened(page, report):
    """Opens the file in a theme and a width; at the end nothing else was asked for and nothing was complained of."""
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: message.type == "error" and said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    def open_in(width, scheme):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        page.goto(report.as_uri())
        return page.locator(".viewer")

    yield open_in
    assert asked == [report.as_uri()]
    assert said == []


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (800, "dark")])
def test_it_turns_and_asks_for_nothing(opened, page, width, scheme):
    viewers = opened(width, scheme)
    expect(viewers).to_have_count(2)
    for n in range(2):
        viewer = viewers.nth(n)
        expect(viewer).to_have_attribute("data-drawn", "chain")
        expect(viewer.locator("svg.still")).to_be_hidden()
        viewer.scroll_into_view_if_needed()
        assert viewer.locator(".canvas").evaluate(PIXELS)["share"] > 0.01
    canvas = viewers.first.locator(".canvas")
    canvas.scroll_into_view_if_needed()
    before, box = page.screenshot(), canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 260, steps=5)
    page.mouse.up()
    assert page.screenshot() != before
    viewers.first.get_by_role("button", name="Reset view").click()
    with page.expect_download() as download:
        viewers.first.get_by_role("button", name="Save PNG").click()
    assert download.value.path().read_bytes()[:4] == b"\x89PNG"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_still_picture_is_what_is_printed(opened, page):
    viewer = opened(800, "light").first
    expect(viewer).to_have_attribute("data-drawn", "chain")
    page.emulate_media(media="print")
    expect(viewer.locator("svg.still")).to_be_visible()
    expect(viewer.locator(".canvas")).to_be_hidden()


def test_without_webgl_a_still_picture_stands_there_and_that_is_said(opened, page):
    page.add_init_script(f"({NO_WEBGL})()")
    viewer = opened(800, "dark").first
    expect(viewer.locator(".said")).to_contain_text("no WebGL")
    expect(viewer.locator("svg.still")).to_be_visible()
    assert viewer.locator("svg.still path").count() == len(CRAMBIN) - 1
    expect(viewer.get_by_role("button", name="Reset view")).to_be_hidden()
    expect(viewer.locator(".legend")).to_contain_text("chain A")
