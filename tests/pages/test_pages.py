"""Every page by AppTest on the fake backend: the example, links, each choice and each refusal.

A page must stand alone; where several are walked, ``app.py`` is the script.
"""

import json
import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from limits import RateLimitItemPerMinute
from streamlit.testing.v1 import AppTest

from esmviz.exhibit import CAUTION, Facts
from esmviz.models.cache import ModelCache
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import HeadStatistic, Request
from esmviz.ui import exhibits, files, resources
from esmviz.ui.frame import PAGES as INFOS
from esmviz.ui.meter import Meter
from esmviz.ui.rates import Rates
from esmviz.views.mutations import ROW_ORDERS
from esmviz.workbench import Workbench

PAGES = Path(__file__).resolve().parents[2] / "pages"


@pytest.fixture
def app(workbench, monkeypatch):
    """Opens a page of the app: ``app("similarity", protein="HBA_HUMAN")`` is the link with that query."""
    monkeypatch.setattr(resources, "_shared", lambda: workbench)

    def opened(name, **query):
        path = PAGES.parent / "app.py" if name == "app" else PAGES / f"{name}.py"
        at = AppTest.from_file(str(path), default_timeout=120)
        for key, value in query.items():
            at.query_params[key] = value
        return settled(at.run())

    return opened


def settled(at):
    """Rerun until nothing is being computed, as the browser's fragment does."""
    for _ in range(600):
        if at.exception or not any(str(button.key).startswith("cancel_") for button in at.button):
            return at
        time.sleep(0.1)
        at.run()
    raise AssertionError("still computing")


def words(at):
    """All that the page says in plain elements, without the escapes of markdown."""
    parts = [*at.title, *at.caption, *at.markdown, *at.info, *at.warning, *at.error, *at.success]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")


def figures(at):
    """The figures of a page, as plotly's JSON."""
    return [chart.proto.spec for chart in at.get("plotly_chart")]


DRAWING = ["home", "similarity", "attention", "logits", "clusters"]
TOY = ">one OS=Homo sapiens family=left\nMKVLAWGHMKVLA\n>two family=right\nACDEFGHIKLMNPQ\n>three\nMSTKLVX\n"


@pytest.mark.parametrize("name", [page.file for page in INFOS])
def test_page_opens_with_the_example(app, name):
    at = app(name)
    assert not at.exception
    assert not at.error
    assert at.title[0].value == next(page.question for page in INFOS if page.file == name)
    assert ("Example: 58 proteins" in words(at)) == (name != "snapshots")
    assert len(figures(at)) == (name in DRAWING)


@pytest.mark.parametrize("name", DRAWING)
def test_figure_says_where_it_comes_from(app, name):
    [spec] = figures(app(name))
    texts = [note.get("text", "") for note in json.loads(spec)["layout"]["annotations"]]
    assert any("model fake" in text and "float32" in text and "revision" in text for text in texts)


def test_link_sets_protein_layer_and_head(app):
    at = app("attention", protein="MYG_HORSE", layer="1", head="2")
    assert at.selectbox(key="protein").value == "MYG_HORSE"
    assert at.slider(key="layer").value == 1
    assert at.slider(key="head").value == 2
    assert at.query_params["protein"] in ("MYG_HORSE", ["MYG_HORSE"])


def test_choice_goes_into_the_address_and_never_the_sequence(app):
    at = app("similarity")
    settled(at.selectbox(key="protein").set_value("CRAM_CRAAB").run())
    settled(at.slider(key="layer").set_value(1).run())
    address = str(dict(at.query_params))
    assert "CRAM_CRAAB" in address
    assert "TTCCPSIVARSNF" not in address
    assert {str(name) for name in at.query_params} == {"protein", "model", "layer"}


def test_link_to_a_protein_that_is_not_here(app):
    at = app("logits", protein="somebody_elses")
    assert "somebody_elses, which is not among your 58 proteins" in words(at)
    assert not figures(at)
    settled(at.button(key="show_first").click().run())
    assert at.selectbox(key="protein").value == "CSPA_ECOLI"
    assert len(figures(at)) == 1


def test_link_to_an_unknown_model_lists_the_models(app):
    at = app("logits", model="gpt")
    assert "no model 'gpt'" in words(at)
    assert "fake" in words(at)
    assert not at.exception


def test_link_to_a_layer_that_is_not_there_is_said(app):
    at = app("similarity", layer="40")
    assert "layer 40 was asked for" in words(at)
    assert at.slider(key="layer").value == SPEC.n_layers


@pytest.mark.parametrize("bad", ["1e9", "-3", "x" * 5000, "¹"])
def test_odd_layers_in_a_link_are_ignored(app, bad):
    at = app("attention", layer=bad)
    assert not at.exception
    assert at.slider(key="layer").value == SPEC.n_layers


def test_pasted_proteins_replace_the_example(app):
    at = app("home")
    at.text_area(key="paste").set_value(TOY).run()
    settled(at)
    assert at.selectbox(key="protein").options == ["one", "two", "three"]
    assert at.selectbox(key="protein").value == "one"
    assert "Pasted text: 3 proteins" in words(at)
    settled(at.button(key="example").click().run())
    assert "Example: 58 proteins" in words(at)


def test_a_bare_sequence_is_enough(app):
    at = app("home")
    settled(at.text_area(key="paste").set_value("MKVLAWGHMKVLA").run())
    assert "1 protein (1 mended; see Home)." in words(at)
    assert len(figures(at)) == 1


def test_upload_of_a_file_and_its_rejected_record(app):
    at = app("home")
    at.file_uploader(key="upload").upload("mine.fasta", b">a\nMKV\n>b\nMK1V\n").run()
    settled(at)
    assert "mine.fasta: 1 protein (1 rejected; see Home)" in words(at)
    shown = next(table.value for table in at.dataframe if "status" in table.value)
    assert list(shown["status"]) == ["accepted", "rejected"]
    assert "`1` at position 3 of line 4" in shown["what was done, or why not"].iloc[1]


def test_nothing_readable_keeps_what_was_loaded(app):
    at = app("home")
    settled(at.text_area(key="paste").set_value(">x\nACGTACGTACGTACGTACGTACGTACGTACGTACGT\n").run())
    assert "No protein could be read" in words(at)
    assert "Example: 58 proteins" in words(at)
    settled(at.checkbox(key="treat_as_protein").check().run())
    assert "1 protein." in words(at)


def test_labels_join_and_say_what_is_left_over(app):
    at = app("home")
    settled(at.text_area(key="paste").set_value(TOY).run())
    at.file_uploader(key="labels").upload("l.csv", b"id,colour\none,red\nnobody,blue\n").run()
    settled(at)
    assert "1 rows name no loaded protein" in words(at)
    assert "2 proteins have no row" in words(at)
    labels = at.session_state["session"].records[0].labels
    assert labels["colour"] == "red"
    assert labels["OS"] == "Homo sapiens"


def test_header_text_is_never_markup(app):
    at = app("home")
    hostile = "![x](http://evil.test/a.png)<img/src=x>"
    settled(at.text_area(key="paste").set_value(f">{hostile}\nMKVLA\n").run())
    marked = [str(part.value) for part in [*at.markdown, *at.caption, *at.info, *at.warning]]
    assert any("evil" in text for text in marked)
    assert not any(re.search(r"(?<!\\)[\[<!]", text) for text in marked if "evil" in text)


def test_similarity_of_two_proteins(app):
    at = app("similarity")
    settled(at.selectbox(key="other").set_value("CRAM_CRAAB").run())
    z = json.loads(figures(at)[0])["data"][0]["z"]
    assert z["shape"] == "141, 46"


def test_centring_is_said_in_the_caption(app):
    at = app("similarity")
    assert "mean residue vector subtracted" in figures(at)[0]
    settled(at.toggle(key="centre").set_value(False).run())
    assert "not centred" in figures(at)[0]


@pytest.mark.parametrize(
    "show", ["all heads", "heads in numbers", "mean over heads", "max over heads", "rollout", "contacts"]
)
def test_each_view_of_attention(app, show):
    at = app("attention")
    settled(at.selectbox(key="show").set_value(show).run())
    assert not at.exception
    assert not at.error
    assert len(figures(at)) == 1


def test_heads_in_numbers_are_ranked(app, workbench):
    at = app("attention", protein="CRAM_CRAAB")
    settled(at.selectbox(key="show").set_value("heads in numbers").run())
    settled(at.selectbox(key="statistic").set_value("end").run())
    record = at.session_state["session"].record("CRAM_CRAAB")
    probe = HeadStatistic("end")
    values = workbench.inspect(record, "fake", Request(probes=(probe,))).probes[probe.key]
    table = at.dataframe[0].value
    assert list(table.columns) == ["layer", "head", "share on the end token"]
    np.testing.assert_allclose(table["share on the end token"], np.sort(values.ravel())[::-1], rtol=1e-2)
    layer, head = np.unravel_index(values.argmax(), values.shape)
    assert (table["layer"][0], table["head"][0]) == (layer + 1, head + 1)
    assert "share on the end token" in figures(at)[0]


def test_rollout_runs_through_the_layers_chosen(app):
    at = app("attention")
    settled(at.selectbox(key="show").set_value("rollout").run())
    assert "rollout through layers 1 to 2" in figures(at)[0]
    assert "comes from the start and end tokens" in words(at)
    settled(at.slider(key="layers_fake").set_value((2, 2)).run())
    assert "rollout through layer 2" in figures(at)[0]
    assert "takes from" in at.dataframe[0].value


@pytest.mark.parametrize("show", ["rollout", "heads in numbers"])
def test_what_windows_cannot_give_is_refused(monkeypatch, app, fake, show):
    bench = Workbench(Settings(default_model="fake", window_above=100), models=FakeModels(fake))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("attention", protein="HBA_HUMAN")
    settled(at.selectbox(key="show").set_value(show).run())
    assert "which fake reads in windows" in words(at)
    assert not figures(at)


def test_apc_is_said_and_diverging(app):
    at = app("attention")
    settled(at.selectbox(key="correction").set_value("symmetrised + APC").run())
    trace = json.loads(figures(at)[0])["data"][0]
    assert "APC-corrected" in figures(at)[0]
    assert trace["zmin"] == -trace["zmax"]


@pytest.mark.parametrize("show", ["probabilities", "entropy", "wild type"])
def test_each_view_of_logits(app, show):
    at = app("logits")
    settled(at.selectbox(key="show_logits").set_value(show).run())
    assert not at.exception
    assert len(figures(at)) == 1


@pytest.mark.parametrize("show", ["mutations", "probabilities"])
def test_rows_stand_in_the_order_that_was_picked(app, show):
    at = app("logits")
    settled(at.selectbox(key="show_logits").set_value(show).run())
    assert json.loads(figures(at)[0])["data"][0]["y"] == list(ROW_ORDERS["field"])
    settled(at.selectbox(key="row_order").set_value("alphabet").run())
    assert json.loads(figures(at)[0])["data"][0]["y"] == list(ROW_ORDERS["alphabet"])


@pytest.fixture
def short_windows(monkeypatch, workbench, fake):
    """The fake model takes 60 residues at once."""
    fake.spec = replace(SPEC, max_residues=60)
    workbench.models.backends = {"fake": fake}


@pytest.mark.parametrize("name", ["home", "similarity", "attention", "logits"])
def test_a_long_protein_is_drawn_from_windows_that_are_marked_and_named(app, short_windows, name):
    at = app(name, protein="HBA_HUMAN")
    assert not at.exception
    assert not at.error
    layout = json.loads(figures(at)[0])["layout"]
    marks = [shape for shape in layout["shapes"] if shape.get("name") == "window"]
    assert len(marks) == (4 if name in ("similarity", "attention") else 6)
    texts = " ".join(note.get("text", "") for note in layout["annotations"]).replace("<br>", " · ")
    assert "in 4 windows of 60 residues, overlap 33" in texts
    assert "read in overlapping windows" in words(at)
    assert "goes to the start and end tokens" not in words(at) + texts


def test_a_protein_in_one_piece_says_nothing_of_windows(app, short_windows):
    at = app("logits", protein="CRAM_CRAAB")
    assert "window" not in words(at) + figures(at)[0].replace('"window"', "")


@pytest.mark.parametrize("show", ["mean over heads", "max over heads", "contacts"])
def test_maps_from_windows_are_grey_where_no_window_has_both(app, short_windows, show):
    at = app("attention", protein="HBA_HUMAN")
    settled(at.selectbox(key="show").set_value(show).run())
    assert not at.error
    assert "grey: in no window together" in figures(at)[0].replace("<br>", " ")


def test_all_heads_at_once_need_the_protein_in_one_piece(app, short_windows):
    at = app("attention", protein="HBA_HUMAN")
    settled(at.selectbox(key="show").set_value("all heads").run())
    assert "reads in windows: the picture of all heads needs it in one piece" in words(at)
    assert not figures(at)


def test_the_other_proteins_windows_are_named_too(app, short_windows):
    at = app("similarity", protein="CRAM_CRAAB")
    settled(at.selectbox(key="other").set_value("HBA_HUMAN").run())
    assert "HBA_HUMAN in 4 windows of 60" in figures(at)[0].replace("<br>", " ")


def test_masked_marginals_of_a_long_protein(app, short_windows, workbench):
    at = app("logits", protein="HBA_HUMAN")
    settled(at.button(key="run").click().run())
    assert not at.error
    assert "Pseudo-perplexity (masked)" in words(at)


def test_a_very_long_protein_is_drawn_in_blocks_or_part_by_part(app):
    at = app("home")
    settled(at.text_area(key="paste").set_value(">long\n" + "MKVLAWGHTE" * 500).run())
    assert "means over blocks of residues" in figures(at)[0].replace("<br>", " ")
    [picker] = [slider for slider in at.slider if str(slider.key).startswith("stretch_")]
    settled(picker.set_value((1001, 2000)).run())
    spec = json.loads(figures(at)[0])
    assert "means over blocks" not in figures(at)[0]
    assert (spec["data"][0]["x"][0], spec["data"][0]["x"][-1]) == ("M1001", "E2000")


def test_masked_marginals_give_the_pseudo_perplexity(app, workbench):
    at = app("logits", protein="CRAM_CRAAB")
    assert "Pseudo-perplexity: **run masked marginals**" in words(at)
    settled(at.button(key="run").click().run())
    record = at.session_state["session"].record("CRAM_CRAAB")
    logits = workbench.masked_logits(record, "fake")
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    columns = ["ACDEFGHIKLMNPQRSTVWY".index(letter) for letter in record.sequence]
    expected = np.exp(-log_p[np.arange(len(columns)), columns].mean())
    assert f"Pseudo-perplexity (masked): **{expected:.2f}**" in words(at)
    assert "masked marginals" in figures(at)[0]


@pytest.mark.parametrize("name", ["similarity", "attention", "logits", "clusters"])
def test_a_checkpoint_that_cannot_be_read_says_why(monkeypatch, app, tmp_path, name):
    (tmp_path / "cut.pt").write_bytes(b"off")
    bench = Workbench(Settings(), models=ModelCache(models_dir=tmp_path, device="cpu", offline=True))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app(name, model="cut")
    assert "cut.pt is truncated or no file of torch.save" in words(at)
    assert not at.exception
    assert not figures(at)


def test_a_model_that_predicts_nothing_says_so(monkeypatch, app):
    spec = replace(SPEC, predicts_effects=False)
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(FakeBackend(spec)))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    assert "does not predict mutation effects" in words(app("logits"))


def test_an_empty_form_is_said(app):
    at = app("home")
    at.text_area(key="paste").set_value("  \n").run()
    at.button(key="run").click().run()
    assert "There is nothing to read yet" in words(at)
    at.text_area(key="paste").set_value(TOY)
    settled(at.button(key="run").click().run())
    assert "nothing to read" not in words(at)
    assert "Pasted text: 3 proteins" in words(at)


def test_what_was_mended_or_left_out_is_announced_on_every_page(app):
    at = app("home")
    at.text_area(key="paste").set_value(">one\nMKVL*\n>two\nMK1V\n>three\nACDE\n").run()
    settled(at)
    assert "Pasted text: 2 proteins (1 mended and 1 rejected; see Home)." in words(at)


def test_a_caution_alone_is_nothing_to_keep(app):
    session, caution = app("home").session_state["session"], Facts({CAUTION: "Mind the gap."})
    with exhibits.drafting("attention", session, SPEC):
        exhibits.note_caution(caution)
    assert exhibits.latest(session, "attention") is None
    with exhibits.drafting("attention", session, SPEC):
        exhibits.note(lambda: Facts({"Residues": "3"}))
        exhibits.note_caution(caution)
    assert [dict(piece.values) for piece in exhibits.latest(session, "attention").pieces] == [
        {CAUTION: "Mind the gap."},
        {"Residues": "3"},
    ]


def test_the_second_protein_of_a_comparison_is_warned_of_too(app, fake):
    fake.spec = replace(SPEC, trained_residues=143)
    at = app("similarity", protein="HBA_HUMAN")  # 141 residues
    assert not at.warning
    settled(at.selectbox(key="other").set_value("HBB_HUMAN").run())
    [warning] = at.warning
    assert "up to 143 residues, and HBB" in warning.value.replace("\\", "").replace("\u2060", "")


def test_a_set_that_is_mostly_noise_says_what_helps(app, monkeypatch):
    at = app("clusters")
    is_noisy = "More than half are noise" in words(at)
    noise = next(line for line in words(at).splitlines() if line.startswith("Noise"))
    n_noise, n = map(int, re.findall(r"\d+", noise))
    assert is_noisy == (2 * n_noise > n)
    settled(at.selectbox(key="grouping").set_value("k-means").run())
    assert "More than half are noise" not in words(at)
    monkeypatch.setattr("esmviz.analysis.clustering.kmeans", lambda vectors, **_: np.full(len(vectors), -1))
    settled(at.number_input(key="k_58").set_value(5).run())
    assert "More than half are noise" in words(at)


def test_a_map_begins_anew_with_labels_that_came_later(app):
    at = app("app")
    at.text_area(key="paste").set_value(">a\nMKVLAWGH\n>b\nACDEFGHI\n>c\nMSTKLVWW\n>d\nACDEFGHK\n").run()
    settled(at)
    settled(at.switch_page("pages/clusters.py").run())

    def colour():
        return next(box for box in at.sidebar.selectbox if box.label == "Colour by")

    assert colour().value == "cluster"
    settled(at.switch_page("pages/home.py").run())
    at.file_uploader(key="labels").upload("l.csv", b"id,kind\na,x\nb,y\nc,x\nd,y\n").run()
    settled(at.switch_page("pages/clusters.py").run())
    assert colour().value == "kind"
    settled(colour().set_value("length").run())
    settled(at.switch_page("pages/home.py").run())
    settled(at.switch_page("pages/clusters.py").run())
    assert colour().value == "length"  # what somebody chose


def test_clusters_colour_by_family_and_list_the_proteins(app):
    at = app("clusters")
    assert "Groups:" in words(at)
    assert "adjusted Rand index" in words(at)
    assert "Globins" in figures(at)[0]
    assert len(at.dataframe[0].value) == 58


def test_two_proteins_get_pca_and_it_is_said(app):
    at = app("app")
    settled(at.text_area(key="paste").set_value(">a\nMKVLAWGH\n>b\nACDEFGHIK\n").run())
    at.switch_page("pages/clusters.py").run()
    settled(at)
    assert not at.exception
    assert "this is PCA" in words(at)
    assert len(figures(at)) == 1


def test_one_protein_alone_is_a_point(app):
    at = app("app")
    settled(at.text_area(key="paste").set_value(">a\nMKVLAWGH\n").run())
    at.switch_page("pages/clusters.py").run()
    settled(at)
    assert "this is PCA" in words(at)
    assert "1 of 1 proteins" in words(at)
    assert len(figures(at)) == 1


def test_session_follows_from_page_to_page(app):
    at = app("app")
    settled(at.text_area(key="paste").set_value(TOY).run())
    settled(at.selectbox(key="protein").set_value("two").run())
    at.switch_page("pages/similarity.py").run()
    settled(at)
    assert at.selectbox(key="protein").value == "two"
    assert json.loads(figures(at)[0])["data"][0]["z"]["shape"] == "14, 14"


def test_a_map_too_large_is_refused_with_the_setting(monkeypatch, app, fake):
    bench = Workbench(Settings(default_model="fake", max_map_residues=100), models=FakeModels(fake))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("similarity", protein="HBA_HUMAN")
    assert "HBA_HUMAN has 141 residues; maps are drawn up to 100" in words(at)
    assert "ESMVIZ_MAX_MAP_RESIDUES" in words(at)


def test_a_model_without_the_output_names_others(monkeypatch, app):
    spec = replace(SPEC, provides=frozenset({"logits", "hidden_states"}))
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(FakeBackend(spec)))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("attention")
    assert "gives no attentions" in words(at)
    assert not at.exception


@pytest.fixture
def ensemble_app(app, monkeypatch, ensemble_models):
    """The app where ``both`` can be chosen, which gives logits alone."""
    bench = Workbench(Settings(default_model="both"), models=ensemble_models)
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    return app


@pytest.mark.parametrize(
    ("name", "output"),
    [("similarity", "hidden states"), ("attention", "attentions"), ("clusters", "hidden states")],
)
def test_pages_that_need_more_than_logits_name_the_models_that_give_it(ensemble_app, name, output):
    at = ensemble_app(name)
    assert not at.exception
    assert f"both gives no {output}. These do: fake, one, two." in words(at)
    assert not figures(at)
    assert not at.sidebar.slider
    settled(at.selectbox(key="model").set_value("one").run())
    assert len(figures(at)) == 1


@pytest.mark.parametrize("name", ["home", "logits", "models"])
def test_logits_alone_are_enough_for_the_other_pages(ensemble_app, name):
    at = ensemble_app(name, model="both")
    assert not at.exception
    assert not at.warning or "predict" in words(at)  # the fake is known not to predict effects
    assert not at.error
    assert len(figures(at)) == (0 if name in ("predictions", "structure", "models", "report") else 1)


def test_masked_marginals_of_an_ensemble(ensemble_app, ensemble_models):
    at = ensemble_app("logits", protein="CRAM_CRAAB")
    settled(at.radio(key="scheme").set_value("masked marginals").run())
    assert not at.exception
    assert "masked marginals" in figures(at)[0]
    assert ensemble_models.backends["fake"].n_calls == 0


def test_an_unforeseen_failure_is_a_number_without_the_sequence(monkeypatch, app, caplog):
    def fail(record):
        raise RuntimeError(f"secret {record.sequence}")

    bench = Workbench(Settings(default_model="fake"), models=FakeModels(FakeBackend(before_each=fail)))
    monkeypatch.setattr(resources, "_shared", lambda: bench)
    at = app("home", protein="CRAM_CRAAB")
    assert "Its reference in the log is" in words(at)
    assert not at.exception
    assert "TTCCPSIV" not in caplog.text
    assert "TTCCPSIV" not in words(at)


def test_a_cached_rerun_computes_nothing(app, fake):
    at = app("similarity")
    before = fake.n_calls
    at.run()
    settled(at)
    assert fake.n_calls == before


def test_models_page_lists_and_explains(app):
    at = app("models")
    table = at.dataframe[0].value
    assert list(table["name"]) == ["fake"]
    assert "Use your own checkpoint" in str([part.label for part in at.expander])


def test_an_unknown_model_can_be_left(app):
    at = app("logits", model="gpt")
    settled(at.button(key="use_default").click().run())
    assert at.selectbox(key="model").value == "fake"
    assert len(figures(at)) == 1


def test_no_format_of_the_camera_is_svg(app):
    at = app("similarity")
    at.session_state["image_format"] = None
    at.run()
    assert not at.error
    assert len(figures(at)) == 1


def test_an_older_address_brings_its_layer_back(app):
    at = app("similarity", model="fake", layer="1")
    session = at.session_state["session"]
    session.model, session.written = "other", {**session.written, "model": "other"}
    at.run()
    assert (session.model, session.layer) == ("fake", 1)


def test_a_late_address_does_not_undo_a_pick(app):
    at = app("similarity", protein="HBA_HUMAN")
    session = at.session_state["session"]
    session.pick(protein="MYG_HORSE")
    session.written = {**session.written, "protein": "CRAM_CRAAB"}  # the browser is still at HBA_HUMAN
    at.run()
    assert session.protein == "MYG_HORSE"


def test_labels_join_proteins_that_come_after_them(app):
    at = app("home")
    at.file_uploader(key="labels").upload("l.csv", b"id,colour\none,red\n").run()
    settled(at.text_area(key="paste").set_value(TOY).run())
    assert at.session_state["session"].records[0].labels["colour"] == "red"


@pytest.fixture
def far():
    """A model on another server, of which no layer 0 and no vector of BOS can be had."""
    spec = replace(
        SPEC,
        name="far@biolm",
        title="Far, hosted by far.test",
        host="far.test",
        provides=SPEC.provides - {"attentions"},
        poolings=("mean", "max"),
        layer_range=(1, 2),
    )
    return FakeBackend(spec)


@pytest.fixture
def with_far(far, fake, monkeypatch):
    """Opens a page by a link that chooses that model."""
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(fake, far))
    monkeypatch.setattr(resources, "_shared", lambda: bench)

    def opened(name, **query):
        at = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=120)
        for key, value in {"model": "far@biolm", **query}.items():
            at.query_params[key] = value
        return settled(at.run())

    return opened


@pytest.mark.parametrize("name", ["home", "similarity", "logits", "clusters"])
def test_a_link_to_a_hosted_model_sends_nothing_before_a_click(with_far, far, name):
    at = with_far(name)
    if name == "clusters":
        assert far.n_calls == 0
        at = settled(at.button(key="run").click().run())
    assert far.n_calls == 0
    assert figures(at) == []
    assert "are sent to far.test" in words(at)
    assert "Hosted by far.test: sequences are sent there." in words(at)
    at = settled(at.button(key="trust").click().run())
    assert not at.exception
    assert not at.error
    assert len(figures(at)) == 1
    assert far.n_calls > 0


def test_a_page_offers_only_layers_and_poolings_that_a_hosted_model_gives(with_far):
    at = with_far("clusters")
    assert at.selectbox(key="pooling").options == ["mean", "max"]
    assert (at.slider(key="layer").min, at.slider(key="layer").max) == (1, 2)


def test_attention_of_a_hosted_model_is_not_offered(with_far, far):
    at = with_far("attention")
    assert "gives no attentions. These do: fake" in words(at)
    assert far.n_calls == 0


def test_models_page_lists_a_hosted_model_without_a_download(with_far, far):
    at = with_far("models")
    assert not at.exception
    assert "hosted" in list(at.dataframe[0].value["here"])
    assert not any("Download" in button.label for button in at.button)
    assert "GB of memory" not in words(at)
    assert far.n_calls == 0


@pytest.mark.parametrize(("trained", "is_warned"), [(100, True), (141, False), (None, False)])
def test_a_protein_longer_than_any_in_training_is_warned_of(app, workbench, monkeypatch, trained, is_warned):
    spec = replace(workbench.spec("fake"), trained_residues=trained)
    monkeypatch.setattr(workbench, "spec", lambda name: spec)
    said = words(app("attention", protein="HBA_HUMAN"))  # 141 residues
    assert ("was trained on stretches of up to 100 residues" in said) == is_warned


@pytest.mark.parametrize(
    ("page", "key", "name", "content"),
    [
        ("home", "upload", "mine.fasta", b">a\nMKV\n"),
        ("home", "labels", "l.csv", b"id,colour\nCSPA_ECOLI,red\n"),
        ("home", "saved_session", "s.json", b"{}"),
        ("structure", "structure", "s.pdb", b"ATOM"),
    ],
)
def test_who_has_used_up_the_time_reads_no_more_files(app, monkeypatch, page, key, name, content):
    spent = Meter(Rates(), ((RateLimitItemPerMinute(1, 10), "me"),))
    monkeypatch.setattr(files, "quotas", lambda: SimpleNamespace(meter=lambda visitor: spent))
    at = app(page)
    spent.charged(lambda: None)
    at.file_uploader(key=key).upload(name, content).run()
    settled(at)
    assert "Files took 1 seconds of the processor" in words(at)
    assert "Example: 58 proteins" in words(at)
    assert not at.exception
