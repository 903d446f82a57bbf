"""Hostile files, tables, structures, sessions and links through the real app: words on the page, and no request but to it.

The fixture of every test also fails on a request to another host and on an error of the console.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.hostile import corpus

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = ROOT / "../shared/data/hostile"
HEADERS = {name: text for name, text in corpus.HEADERS.items() if text and len(text) < 10_000}
CHARTS = {"Similarity": "similarity", "Attention": "attention", "Logits": "mutations", "Clusters": "clusters"}
REFUSED = {
    "bomb.fasta.gz": corpus.gzip_bomb,
    "nul.fasta": corpus.FASTA["a NUL"],
    "wide.fasta": corpus.FASTA["UTF-16 without a mark"],
    "million.fasta": lambda: corpus.records(1_000_000),
    "../../<img src=x>.fasta": corpus.FASTA["empty"],
}

SESSION_MENU = "Your session: save, bring back, forget"
REFUSED_SESSIONS = {
    "cut.json.gz": lambda: gzip.compress(corpus.session(), mtime=0)[:-9],
    "bomb.json.gz": corpus.gzip_bomb,
    "a.zip.json": corpus.zipped,
    "cut.zip.json": lambda: corpus.zipped()[:-40],
    "../../<img src=x onerror=alert(1)>.json": corpus.SESSIONS["a sequence of markup"],
    "path.json": lambda: corpus.session().replace(b'"float32"', b'"../../../etc/passwd"'),
}


def unharmed(app, server):
    text = app.text()
    assert "went wrong" not in text
    assert "Traceback" not in text
    assert "Traceback" not in server.log.read_text()
    assert (
        app.page.locator(
            'img[src*="tracker"], a[href^="http://tracker"], a[href^="javascript"], main script'
        ).count()
        == 0
    )
    assert app.page.title() != "1"


def test_every_header_at_once_on_every_page(app, server, example):
    bodies = list(example.values())
    named = zip(HEADERS.values(), bodies, strict=False)
    app.open()
    app.upload(
        "![x](http://tracker.example).fasta",
        b"".join(corpus.fasta(f"{h} family={h}", b[:80]) for h, b in named),
    )
    app.expect_text(f"{len(HEADERS)} proteins")
    app.chart("first-look")
    table = "id,family\n" + "".join(
        f'"{h.split()[0]}","{h.replace(chr(34), chr(34) * 2)}"\n' for h in ("P", "a")
    )
    app.page.get_by_text("Labels for colours and tables").click()
    app.upload("=labels.csv", table.encode(), key="labels")
    app.expect_text("Columns joined|say different things|rows name no loaded")
    unharmed(app, server)
    for title, chart in CHARTS.items():
        app.go(title)
        app.chart(chart)
        unharmed(app, server)


@pytest.mark.slow
def test_what_is_refused_is_refused_in_words(app, server):
    for name, make in REFUSED.items():
        app.open()
        app.upload(name, make())
        app.expect_text("larger than|NUL bytes|records; the limit|no sequence")
        app.expect_text("The proteins loaded before are still here")
        unharmed(app, server)


@pytest.mark.slow
def test_hostile_sessions_are_refused_in_words(app, server):
    for name, make in REFUSED_SESSIONS.items():
        app.open()
        app.page.get_by_text(SESSION_MENU).click()
        app.upload(name, make(), key="saved_session")
        expect(app.page.get_by_role("alert").first).to_contain_text(re.compile(r"[a-z]{3}"))
        app.expect_text("Example: 58 proteins")
        unharmed(app, server)


@pytest.mark.slow
def test_a_session_whose_names_are_markup_is_restored_as_text(app, server):
    """What the app writes after a FASTA with such headers; it is walked as if they had been uploaded."""
    header = (
        HEADERS["html"].replace(chr(34), "'") + HEADERS["image"] + HEADERS["formula"].replace(chr(34), "'")
    )
    whole = (
        corpus.session()
        .decode()
        .replace('"a"', f'"{header}"')
        .replace('"source": "s"', f'"source": "{header}"')
    )
    app.open()
    app.page.get_by_text(SESSION_MENU).click()
    app.upload("../../<img src=x onerror=alert(1)>.json", whole.encode(), key="saved_session")
    app.expect_text("1 protein")
    app.chart("first-look")
    unharmed(app, server)
    for title, chart in list(CHARTS.items())[:3]:
        app.go(title)
        app.chart(chart)
        unharmed(app, server)


@pytest.mark.slow
def test_a_hostile_structure_and_links(app, server):
    broken = {"x.pdb": "PDB, names of markup", "y.cif": "mmCIF, a row cut"}
    for name, kind in broken.items():
        app.open("structure")
        app.upload(name, corpus.STRUCTURES[kind](), key="structure")
        app.expect_text("no protein with CA atoms|cannot be read as mmCIF")
        unharmed(app, server)
    for query in (
        {"s": "../../etc/passwd"},
        {"s": "A" * 22},
        {"protein": HEADERS["html"], "layer": "9" * 400, "model": "<b>"},
    ):
        app.open("logits", **query)
        unharmed(app, server)


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="../shared/data/hostile is not on this machine")
@pytest.mark.slow
def test_every_file_that_other_parsers_tripped_over(app, server):
    for path in sorted(path for path in HOSTILE.rglob("*") if path.is_file()):
        app.open()
        app.upload(f"{path.name}.txt", path.read_bytes())
        app.expect_text(rf"{path.name}\.txt: \d|still here")
        unharmed(app, server)
