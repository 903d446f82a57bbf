"""A figure for a journal has the width of its column, no letter below the least size, and white paper."""

import json

import pytest

from esmviz.report.journals import JOURNALS, laid_out
from esmviz.views.frame import without_caption

COLUMNS = [(journal, column) for journal in JOURNALS.values() for column in journal.widths]


def sizes(value, name=""):
    """Sizes of all fonts in a figure."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from [inner] if key == "size" and name.endswith("font") else sizes(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from sizes(inner, name)


@pytest.mark.parametrize(("journal", "column"), COLUMNS, ids=lambda value: getattr(value, "name", value))
def test_width_height_and_letters_on_paper(exhibits, journal, column):
    for exhibit in exhibits:
        for picture in exhibit.pictures:
            sheet = laid_out(picture.figure, journal, column)
            width, height = sheet.mm
            assert width == pytest.approx(journal.widths[column])
            assert height <= journal.most_height + 1e-6
            points = [size * sheet.scale * 72 / 96 for size in sizes(sheet.figure)]
            assert min(points) == pytest.approx(journal.least_pt)
            assert sheet.figure["layout"]["template"]["layout"]["paper_bgcolor"] == "#FFFFFF"
            assert "paper_bgcolor" not in sheet.figure["layout"]


def test_cells_of_a_map_stay_square(similarity):
    sheet = laid_out(similarity.pictures[0].figure, JOURNALS["Nature"], "single column")
    margin = sheet.figure["layout"]["margin"]
    across, down = sheet.width - margin["l"] - margin["r"], sheet.height - margin["t"] - margin["b"]
    assert across == pytest.approx(down)


def test_a_map_as_wide_as_the_page_ends_where_the_page_does(similarity):
    sheet = laid_out(similarity.pictures[0].figure, JOURNALS["Nature"], "double column")
    assert sheet.mm[1] == pytest.approx(170)


def test_the_caption_goes_and_its_room_with_it(similarity):
    spec = json.loads(similarity.pictures[0].figure)
    bare = without_caption(spec)
    names = [note.get("name") for note in bare["layout"]["annotations"]]
    assert "caption" not in names
    assert "x title" in names
    gone = spec["layout"]["height"] - bare["layout"]["height"]
    assert gone == spec["layout"]["margin"]["b"] - bare["layout"]["margin"]["b"] > 15
    assert "caption" in [
        note.get("name") for note in spec["layout"]["annotations"]
    ]  # the original is as it was


def test_a_colour_bar_fits_its_plot(similarity):
    sheet = laid_out(similarity.pictures[0].figure, JOURNALS["PLOS"], "text column")
    margin = sheet.figure["layout"]["margin"]
    bar = sheet.figure["data"][0]["colorbar"]
    assert bar["len"] <= sheet.width - margin["l"] - margin["r"]


def test_every_journal_says_where_it_says_so():
    for journal in JOURNALS.values():
        assert "." in journal.source
        assert "//" not in journal.source
        assert all(50 < width < 200 for width in journal.widths.values())
