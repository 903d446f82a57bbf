"""The report is one file: plotly.js once, no address, nothing of a header that a browser would run."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from esmviz.exhibit import CAUTION, Facts, Table
from esmviz.report.fragments import MOST_ROWS, table
from esmviz.report.page import report_bytes

VOID = {"meta", "br", "img", "link", "input", "hr"}


class Outline(HTMLParser):
    """Elements, texts and scripts of a page; fails on one that is closed in the wrong order."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.scripts, self.texts, self.ids = [], [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.ids += [value for name, value in attributes if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append((dict(attributes), []))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts[-1][1] if self.open[-1:] == ["script"] else self.texts).append(data)


@pytest.fixture
def written(exhibits):
    return report_bytes(exhibits).decode()


def without_libraries(text):
    """The page without plotly.js and 3Dmol, which name servers of maps and structures that nothing of ours asks."""
    scripts = sorted(re.findall(r"<script>(.*?)</script>", text, re.DOTALL), key=len)
    for library in scripts[-2:] if "3Dmol" in text else scripts[-1:]:
        text = text.replace(library, "")
    return text


def test_it_is_well_formed_and_its_contents_lead_somewhere(written):
    outline = Outline(written)
    targets = [values["href"][1:] for tag, values in outline.elements if tag == "a"]
    assert (
        len(targets) == 1 + 1 + 5 + 3
    )  # the way past the contents; inputs; exhibits; methods, sources, versions
    assert set(targets) <= set(outline.ids)
    assert len(outline.ids) == len(set(outline.ids))


def test_plotly_is_there_once(written):
    assert written.count("Plotly.newPlot(") == 1
    assert len(re.findall(r"plotly\.js v\d", written)) == 1
    assert len(written) < 6_000_000


def test_3dmol_is_there_once_with_its_licence_and_only_for_a_structure(written, similarity, structure):
    twice = report_bytes([structure, similarity, structure]).decode()
    for text in (written, twice):
        assert text.count('root["3Dmol"]=factory()') == text.count("University of Pittsburgh") == 1
    assert twice.count('class="viewer"') == 2
    assert "3Dmol" not in without_libraries(report_bytes([similarity]).decode())
    assert len(report_bytes([similarity])) < len(written) - 500_000


def test_no_element_and_no_text_of_ours_names_an_address(exhibits, hostile):
    text = without_libraries(report_bytes([one for one in exhibits if one.records[0].id != hostile]).decode())
    assert not re.search(r"(?:https?:)?//[\w-]+\.", text)
    for tag, values in Outline(text).elements:
        assert tag not in ("img", "link", "iframe", "object", "embed", "form", "base")
        assert not {"src", "action", "srcset", "data"} & values.keys()


def test_a_hostile_header_is_text(written):
    outline = Outline(written)
    tags = [tag for tag, _ in outline.elements]
    assert "img" not in tags
    assert (
        tags.count("script") == 3 + 4 + 3
    )  # templates, plotly.js, ours; a figure each; 3Dmol, ours and the structure
    assert not any(name.startswith("on") for _, values in outline.elements for name in values)


def test_hostile_headers_are_shown_letter_by_letter(similarity):
    text = "".join(Outline(report_bytes([similarity]).decode()).texts)
    assert similarity.records[0].id in text


def test_only_our_scripts_may_run_and_nothing_may_be_fetched(written):
    outline = Outline(written)
    [policy] = [values["content"] for _, values in outline.elements if "http-equiv" in values]
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    for attributes, parts in outline.scripts:
        digest = base64.b64encode(hashlib.sha256("".join(parts).encode()).digest()).decode()
        assert (f"'sha256-{digest}'" in policy) == (attributes.get("type") != "application/json")


def test_figures_are_the_exhibits_own(written, exhibits):
    found = [
        json.loads("".join(parts))
        for attributes, parts in Outline(written).scripts
        if attributes.get("id", "").startswith("figure") and "layout" in "".join(parts)
    ]
    assert found == [json.loads(picture.figure) for one in exhibits for picture in one.pictures]
    assert "showSendToCloud: false" in written


def test_sequences_stay_out_when_asked(exhibits):
    sequence = exhibits[0].records[0].sequence
    kept = report_bytes(exhibits).decode()
    left = report_bytes(exhibits, with_sequences=False).decode()
    assert f"1 {sequence[:10]} {sequence[10:20]}" in kept
    assert f"{sequence[:10]} {sequence[10:20]}" not in left
    assert sequence[:20] not in left
    assert "left out on request" in left


def test_methods_sources_versions_and_parameters_are_in_it(written):
    text = " ".join("".join(Outline(written).texts).split())
    for fact in ("esmviz 0.1.0", "umap-learn", "Mu and Viswanath 2018", "doi:10.1093/bioinformatics/btm604"):
        assert fact in text
    assert "@misc{esmviz," in text
    assert "mean residue subtracted" in text


def test_a_long_table_says_that_it_is_cut():
    shown = table({"n": list(range(MOST_ROWS + 1))}, "numbers")
    assert f"The first {MOST_ROWS} of 201 rows" in shown
    assert shown.count("<tr>") == MOST_ROWS + 1
    assert "The first" not in table({"n": list(range(MOST_ROWS))}, "numbers")


def test_a_title_from_outside_is_text(similarity, hostile):
    text = report_bytes([similarity], title=hostile).decode()
    assert "<img" not in without_libraries(text)


def test_a_caution_stands_before_its_picture(similarity):
    words = "Read <this> as taste."
    text = report_bytes([replace(similarity, pieces=(Facts({CAUTION: words}), *similarity.pieces))]).decode()
    assert "<strong>Caution.</strong> Read &lt;this&gt; as taste.</p>" in text
    assert text.index('<p class="caution">') < text.index('<div class="figure"')


def test_no_exhibit_is_no_error():
    assert b"0 analyses" in report_bytes([])


def test_tables_of_any_value(similarity):
    assert Table("x", {"a": [1, None, float("nan"), "<b>"]}).columns
    shown = table({"a": [1, None, float("nan"), "<b>"]}, "x")
    assert "<b>" not in shown
    assert shown.count("<td></td>") == 2
