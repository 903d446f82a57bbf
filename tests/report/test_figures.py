"""The zip of figures: a file for each, its legend, progress that can stop it."""

import hashlib
import io
import zipfile

import pytest

from esmviz.report import figures
from esmviz.report.figures import Print, caption, figures_zip
from esmviz.report.references import REFERENCES


@pytest.fixture
def drawn(monkeypatch):
    """What was asked to be drawn; each image is its number."""
    asked = []

    def images(sheets, form, **options):
        asked.append((sheets, form, options))
        yield from (f"image {number}".encode() for number, _ in enumerate(sheets))

    monkeypatch.setattr(figures, "images", images)
    return asked


def test_a_file_and_a_legend_for_every_figure(exhibits, drawn):
    told = []
    content = figures_zip(
        exhibits, Print("PNAS", "single column", "png", 600), browser="x", report=lambda *n: told.append(n)
    )
    archive = zipfile.ZipFile(io.BytesIO(content))
    names = [name for name in archive.namelist() if name.endswith(".png")]
    assert [name[0] for name in names] == ["1", "2", "3", "4"]
    legends = archive.read("legends.txt").decode()
    for number, name in enumerate(names):
        image = archive.read(name)
        assert image == f"image {number}".encode()
        assert f"{name}: 87.0 x " in legends
        assert hashlib.sha256(image).hexdigest() in legends
    assert "PNAS, single column (87 mm), PNG, 600 dpi" in legends
    assert "layer 1 · head 3" in legends
    assert told == [(n, 4) for n in range(5)]
    [(sheets, form, options)] = drawn
    assert (len(sheets), form, options) == (4, "png", {"dpi": 600, "browser": "x"})


def test_who_no_longer_wants_them_stops_the_drawing(exhibits, drawn):
    def report(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        figures_zip(exhibits, Print("Nature", "single column", "pdf"), browser="x", report=report)


def test_a_caption_is_plain_text_in_one_line(similarity):
    text = caption(similarity.pictures[0])
    assert "model fake · layer 2" in text
    assert "\n" not in text
    assert "&lt;" not in text
    assert "<br>" not in text


def test_sources_have_all_that_a_citation_needs():
    for source in REFERENCES.values():
        assert source.authors
        assert 1900 < source.year < 2030
        assert source.venue
