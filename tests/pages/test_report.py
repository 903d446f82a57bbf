"""The Report page: what was looked at comes along, what is unticked does not, and names stay text."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from esmviz.report import archive
from esmviz.report.methods import methods_text
from esmviz.ui import exhibits, resources
from esmviz.ui.frame import ROOT


@pytest.fixture
def walked(workbench, monkeypatch):
    """Opens pages one after the other in one tab, and gives the last."""
    monkeypatch.setattr(resources, "_shared", lambda: workbench)
    held = {}

    def walking(*names, **state):
        for name in names:
            at = AppTest.from_file(str(ROOT / "pages" / f"{name}.py"), default_timeout=60)
            for key, value in (held | state).items():
                at.session_state[key] = value
            at.run()
            held["session"] = at.session_state["session"]
        return at

    return walking


def boxes(at):
    return [box.label.replace("\\", "") for box in at.checkbox]


def test_nothing_looked_at_yet(walked):
    at = walked("report")
    assert "No page has shown anything" in at.info[0].value
    assert not at.exception
    assert not at.get("download_button")


def test_pages_come_in_their_order_and_with_what_they_showed(walked):
    at = walked("logits", "home", "similarity", "report")
    assert [label.partition(":")[0] for label in boxes(at)[:-1]] == ["Home", "Similarity", "Logits"]
    assert "HBA_HUMAN (141 residues), " in boxes(at)[0]
    assert len(at.get("download_button")) == 4
    assert "wild-type marginals" in at.main.code[0].value


def test_an_unticked_page_stays_out_and_none_is_said(walked):
    at = walked("home", "similarity", "report")
    whole = at.main.code[0].value
    at.checkbox(key="take_home").uncheck().run()
    assert "Entropy." in whole
    assert "Entropy." not in at.main.code[0].value
    at.checkbox(key="take_similarity").uncheck().run()
    assert "Tick at least one page" in at.info[-1].value
    assert not at.get("download_button")


def test_the_text_is_that_of_the_exhibits(walked):
    at = walked("home", "report")
    shown = exhibits.latest(at.session_state["session"], "home")
    assert at.main.code[0].value == methods_text([shown]).strip()


def test_a_map_that_is_left_out_is_said_and_a_long_protein_without_one_is_not(walked, monkeypatch):
    at = walked("home", "logits", "similarity", "report")
    n_residues = int(boxes(at)[1].split("(")[1].split()[0])
    for most, is_left_out in ((n_residues**2 + n_residues, False), (n_residues**2 + n_residues - 1, True)):
        monkeypatch.setattr(archive, "MOST_CELLS", most)
        at = walked("similarity", "report")
        assert (archive.ARRAYS_ALONE in [caption.value for caption in at.caption]) is is_left_out
    at.checkbox(key="take_similarity").uncheck().run()
    assert archive.ARRAYS_ALONE not in [caption.value for caption in at.caption]


def test_leaving_sequences_out_says_what_remains(walked):
    at = walked("home", "report")
    at.checkbox(key="with_sequences").uncheck().run()
    assert any("name its residues" in str(caption.value) for caption in at.caption)


def test_a_hostile_name_is_no_markup_in_the_boxes(walked, records):
    at = walked("home")
    session = at.session_state["session"]
    name = "![x](http://tracker.example/p.png)"
    session.load(replace(session.proteins, records=(replace(records[0], id=name),)), name, "upload")
    session.protein = name
    at = walked("home", "report", session=session)
    assert not at.exception
    assert "![" not in at.checkbox[0].label
    assert "x" in boxes(at)[0]


def test_without_a_browser_the_page_says_what_else_there_is(walked, monkeypatch, tmp_path):
    at = walked("home", "report")
    monkeypatch.setenv("PATH", str(tmp_path))
    at.button(key="draw").click().run()
    assert "no Chromium or Chrome" in at.error[0].value.replace("\\", "")
    assert "camera" in at.error[0].value
    assert at.main.code[0].value  # the rest of the page is there


def test_widths_are_those_of_the_journal(walked):
    at = walked("home", "report")
    assert at.selectbox(key="column_Nature").options[0] == "single column, 89 mm"
    at.selectbox(key="journal").set_value("PLOS").run()
    assert at.selectbox(key="column_PLOS").options == ["text column, 132 mm", "full width, 190.5 mm"]
    assert "smallest letter is 8 pt" in str(at.caption[-1].value)
    assert at.selectbox(key="figure_dpi").disabled
    at.selectbox(key="figure_format").set_value("PNG").run()
    assert not at.selectbox(key="figure_dpi").disabled
