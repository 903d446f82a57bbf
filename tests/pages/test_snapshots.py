"""Share, open, continue, revoke: by AppTest on the fake backend."""

import json
import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from esmviz.models.fake import SPEC
from esmviz.stores import Limits
from esmviz.ui import visitor
from tests.pages.test_pages import DRAWING, PAGES, app, figures, settled, words  # noqa: F401
from tests.pages.test_predictions_page import backend_of, opened  # noqa: F401

MINE = "a" * 64


@pytest.fixture(autouse=True)
def browser(monkeypatch):
    """The browser that looks at the pages; another one when the test says so."""
    seen = {"is": MINE}
    monkeypatch.setattr(visitor, "browser", lambda: seen["is"])
    return seen


def share(at, title="", note=""):
    """Fill the dialog in; token and owner key. A dialog stays open in a browser, not in AppTest: hence both at once."""
    at.button(key="share").click().run()
    at.text_input(key="share_title").set_value(title)
    at.text_area(key="share_note").set_value(note)
    at.button(key="share").click()
    at.button(key="make_link").click().run()
    assert not at.exception
    assert not at.error, words(at)
    link, key = (code.value for code in at.code[-2:])
    return re.fullmatch(r"/snapshots\?s=([\w-]{22})", link)[1], key


@pytest.mark.parametrize("name", DRAWING)
def test_a_shared_page_opens_as_it_was(app, fake, name):  # noqa: F811
    at = app(name)
    [drawn] = figures(at)
    token, _ = share(at, title="Mine", note="Look here.")
    calls = fake.n_calls
    seen = app("snapshots", s=token)
    assert not seen.exception
    assert seen.title[0].value == "Mine"
    assert json.loads(figures(seen)[0])["data"] == json.loads(drawn)["data"]
    for told in ("Look here.", "model fake", "revision", "esmviz 0", "until 20", "UTC"):
        assert told in words(seen)
    assert fake.n_calls == calls
    assert seen.get("download_button")
    assert not seen.sidebar.selectbox


def test_a_caution_is_shown_before_the_picture(app, fake):  # noqa: F811
    fake.spec = replace(SPEC, predicts_effects=False, trained_residues=100)
    token, _ = share(app("logits", protein="HBA_HUMAN"))
    seen = app("snapshots", s=token)
    [beyond, taste] = (warning.value for warning in seen.warning)
    assert "was trained on stretches of up to 100 residues" in beyond
    assert "does not predict mutation effects" in taste
    order = [element.type for element in seen.main]
    assert order.index("alert" if "alert" in order else "warning") < order.index("plotly_chart")


def test_the_dialog_says_what_will_be_seen(app):  # noqa: F811
    at = app("similarity")
    at.button(key="share").click().run()
    assert "with the sequences of what it shows (1 protein)" in words(at)
    assert at.selectbox(key="share_days").value == 365
    assert at.selectbox(key="share_days").options == ["7 days", "30 days", "1 year", "10 years"]


@pytest.mark.parametrize("name", ["predictions", "structure", "models", "snapshots"])
def test_a_page_without_a_figure_offers_nothing(app, name):  # noqa: F811
    assert not [button for button in app(name).button if button.key == "share"]


def test_texts_are_shown_letter_by_letter(app):  # noqa: F811
    at = app("home")
    hostile = "![x](http://evil.test/a.png) <b>bold</b> **bold** $x$"
    token, _ = share(at, title=hostile, note=f"{hostile}\n# second")
    seen = app("snapshots", s=token)
    assert hostile in words(seen).replace("\u2060", "")
    for element in [*seen.title, *seen.markdown]:
        assert "](http" not in element.value
        assert "<b>" not in element.value


@pytest.mark.parametrize("token", ["", "A" * 22, "x" * 5000, "../../../etc/passwd", "<script>", "é"])
def test_another_link_opens_nothing_and_says_what_to_do(app, token):  # noqa: F811
    seen = app("snapshots", s=token)
    assert not seen.exception
    assert not seen.error
    assert "There is no snapshot under this link" in seen.info[0].value
    assert not seen.title


def test_a_damaged_snapshot_is_an_error_and_no_picture(app, workbench):  # noqa: F811
    token, _ = share(app("similarity"))
    folder = workbench.settings.data_folder / "payloads"
    [path] = [path for path in folder.rglob("*") if path.is_file()]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    seen = app("snapshots", s=token)
    assert "damaged" in seen.error[0].value
    assert not figures(seen)


def test_what_hinders_sharing_is_said_in_the_dialog(app, workbench, monkeypatch):  # noqa: F811
    at = app("home")
    folder = workbench.settings.data_folder
    folder.mkdir(parents=True)
    (folder / "payloads").write_text("in the way")
    at.button(key="share").click().run()
    at.button(key="share").click()
    at.button(key="make_link").click().run()
    assert "cannot be written" in at.error[0].value
    assert len(figures(at)) == 1
    (folder / "payloads").unlink()
    monkeypatch.setattr(workbench.sharing.snapshots, "_limits", Limits(100, 100, 100, 3650))
    at.button(key="share").click()
    at.button(key="make_link").click().run()
    assert "a snapshot may take" in at.error[0].value
    monkeypatch.undo()


def test_continue_takes_proteins_model_and_settings_along(app):  # noqa: F811
    at = app("similarity", protein="MYG_HORSE", layer="1")
    at.selectbox(key="other").set_value("HBA_HUMAN")
    at.toggle(key="centre").set_value(False)
    settled(at.run())
    [drawn] = figures(at)
    token, _ = share(at, title="Two globins")
    seen = app("app")
    seen.switch_page(str(PAGES / "snapshots.py"))
    seen.query_params["s"] = token
    seen.run()
    settled(seen.button(key="continue").click().run())
    assert seen.selectbox(key="protein").options == ["MYG_HORSE", "HBA_HUMAN"]
    assert (seen.selectbox(key="protein").value, seen.selectbox(key="other").value) == (
        "MYG_HORSE",
        "HBA_HUMAN",
    )
    assert seen.slider(key="layer").value == 1
    assert seen.toggle(key="centre").value is False
    assert json.loads(figures(seen)[0])["data"] == json.loads(drawn)["data"]
    assert "Snapshot Two globins: 2 proteins" in words(seen)
    assert token not in str(dict(seen.query_params))


def test_the_owner_key_extends_and_revokes_from_another_browser(app, browser):  # noqa: F811
    token, key = share(app("home"))
    browser["is"] = "b" * 64
    seen = app("snapshots", s=token)
    assert seen.button(key="revoke").disabled
    seen.text_input(key="owner_key").set_value("A" * 22).run()
    seen.button(key="revoke").click().run()
    assert "not the owner key" in seen.warning[-1].value
    seen.text_input(key="owner_key").set_value(f" {key} ").run()
    seen.selectbox(key="extend_days").set_value(3650).run()
    seen.button(key="extend").click().run()
    assert "Kept until 203" in seen.success[0].value
    assert "until 203" in words(seen)
    seen.button(key="revoke").click().run()
    assert "There is no snapshot under this link" in words(seen)


def test_a_browser_lists_its_own(app, browser):  # noqa: F811
    _, key = share(app("home"), title="first")
    browser["is"] = "b" * 64
    assert "Nothing has been shared from this browser" in words(app("snapshots"))
    browser["is"] = None
    assert "takes no cookies" in words(app("snapshots"))
    browser["is"] = MINE
    at = app("snapshots")
    [table] = at.dataframe
    assert (table.value["title"].tolist(), table.value["page"].tolist()) == (["first"], ["Home"])
    at.button(key="open_snapshot").click().run()
    assert at.title[0].value == "first"
    at.text_input(key="owner_key").set_value(key).run()
    at.selectbox(key="extend_days").set_value(3650).run()
    at.button(key="extend").click().run()
    assert "until 203" in words(at)  # not the day it had when it was opened
    assert len(figures(at)) == 1
    at.button(key="all_snapshots").click().run()
    at.selectbox(key="extend_days").set_value(7).run()
    at.button(key="extend").click().run()
    assert at.dataframe[0].value["until"][0] != table.value["until"][0]
    at.button(key="revoke").click().run()
    assert "Nothing has been shared from this browser" in words(at)


def test_a_structure_is_shown_as_it_was_coloured(app, workbench, helix):  # noqa: F811
    at = app("structure", protein="CRAM_CRAAB")
    sequence = at.session_state["session"].record("CRAM_CRAAB").sequence
    settled(at.file_uploader(key="structure").upload("mine.pdb", helix(sequence).encode()).run())
    settled(at.selectbox(key="paint").set_value("entropy (bits)").run())
    [picture] = at.get("bidi_component")
    token, _ = share(at)
    seen = app("snapshots", s=token)
    [again] = seen.get("bidi_component")
    assert json.loads(again.proto.json) == json.loads(picture.proto.json)
    assert [frame.value.shape for frame in seen.dataframe[:2]] == [
        frame.value.shape for frame in at.dataframe
    ]


def test_predictions_of_a_set_come_with_their_table_and_files(opened):  # noqa: F811
    at, _ = opened(backend_of("proteins", "single_label_classification"))
    token, _ = share(at)
    seen = AppTest.from_file(str(PAGES / "snapshots.py"), default_timeout=120)
    seen.query_params["s"] = token
    seen.run()
    assert not seen.exception
    assert not seen.error
    whole = next(table.value for table in at.dataframe if "predicted" in table.value)
    again = next(table.value for table in seen.dataframe if "predicted" in table.value)
    assert again.equals(whole[again.columns])
    assert {"download_csv", "download_table1_csv", "download_table1_npz"} <= {
        button.key for button in seen.get("download_button")
    }
