"""Figures for a journal are drawn by a real Chromium: as wide as asked for, with fonts inside, and without a request."""

import html
import http.server
import io
import json
import re
import struct
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from esmviz import views
from esmviz.report.images import chromium as installed
from esmviz.report.images import images
from esmviz.report.journals import JOURNALS, laid_out
from esmviz.types import ProteinRecord, Provenance

pytestmark = pytest.mark.slow  # Chromium starts anew for each

PROTEIN = ProteinRecord("Cβ − Å <b>x</b> $x^2$", "MKVLAWGH")


@pytest.fixture
def sheet():
    values = np.random.default_rng(0).uniform(-1, 1, (8, 8)).astype(np.float32)
    figure = views.similarity_heatmap(
        values, PROTEIN, PROTEIN, Provenance("m", "r", "float32"), centered=True
    )
    return laid_out(figure.to_json(), JOURNALS["Nature"], "single column")


@pytest.fixture
def tracker():
    """A server on this machine that notes who asks it for anything."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", asked
        server.shutdown()


def test_three_formats_at_their_size(sheet):
    [pdf] = images([sheet], "pdf", dpi=300, browser=installed())
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    points = [float(side) for side in box.groups()]
    assert points == pytest.approx(
        [side / 25.4 * 72 for side in sheet.mm], abs=0.75
    )  # a pixel of the browser
    assert pdf.count(b"/Type /Page\n") == 1
    assert b"/FontFile" in pdf
    [svg] = images([sheet], "svg", dpi=300, browser=installed())
    assert b'width="89.00mm"' in svg[:300]
    assert "Cβ − Å <b>x</b> $x^2$" in html.unescape(svg.decode())
    assert b"<b>" not in svg
    [png] = images([sheet], "png", dpi=450, browser=installed())
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == pytest.approx([side / 25.4 * 450 for side in sheet.mm], abs=2)


def test_a_figure_that_would_fetch_and_run_does_neither(sheet, tracker):
    address, asked = tracker
    figure = json.loads(json.dumps(sheet.figure))
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": 1, "sizex": 1, "sizey": 1}
    figure["layout"]["images"] = [{"source": f"{address}image.png", **place}]
    text = f'<a href="{address}link">a</a><img src="{address}i"><span style="background:url({address}css)">b</span>'
    note = {"text": f"{text}<script>fetch('{address}script')</script>", "x": 0, "y": 0, "showarrow": False}
    figure["layout"]["annotations"].append(note)
    drawn = list(images([replace(sheet, figure=figure), sheet], "svg", dpi=300, browser=installed()))
    assert asked == []
    assert len(drawn) == 2


def test_two_at_once_take_turns(sheet):
    def draw(_):
        return list(images([sheet], "svg", dpi=300, browser=installed()))

    with ThreadPoolExecutor(2) as pool:
        assert all(len(found) == 1 for found in pool.map(draw, range(2)))


def test_a_visitor_takes_them_along(app):
    app.open("similarity", protein="UBIQ_HUMAN")
    app.chart("similarity")
    app.idle()
    app.go("Report")
    app.expect_text("Figures for a journal")
    app.keyed("draw").get_by_role("button").click()
    name, content = app.download("figures")
    assert name.endswith(".zip")
    archive = zipfile.ZipFile(io.BytesIO(content))
    [pdf] = [name for name in archive.namelist() if name.endswith(".pdf")]
    assert archive.read(pdf).startswith(b"%PDF-")
    legends = archive.read("legends.txt").decode()
    assert "Nature, single column (89 mm), PDF" in legends
    assert "model mini" in legends
