"""``esmviz report``: what the pages show, without a browser; and errors in words."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from esmviz import cli
from esmviz.commands import base
from esmviz.commands.report import View
from esmviz.errors import OutOfMemoryError
from esmviz.exhibit import Exhibit, Picture, caution_of
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.runs import Run
from esmviz.settings import Settings
from esmviz.tour import VIEWS, Tour
from esmviz.ui import exhibits
from esmviz.workbench import Workbench
from tests.pages.test_pages import app, settled  # noqa: F401  the pages over the fake backend

EXAMPLE = Path(__file__).parents[1] / "esmviz" / "assets" / "example" / "example.fasta"
GOOD = ">one first\nMKVLAWGHMKVLAWGH\n>two\nACDEFGHIKLMNP\n>three\nMSTXKLVMST\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Calls ``esmviz report`` inside tmp_path; says status and output."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.fasta").write_text(GOOD)
    call = {"spec": SPEC}

    def workbench(device="auto", precision="auto"):
        settings = replace(Settings.from_env(), default_model="fake", max_map_residues=15)
        return Workbench(settings, models=FakeModels(FakeBackend(call["spec"])))

    monkeypatch.setattr(base, "workbench", workbench)

    def report(*args, spec=SPEC):
        call["spec"] = spec
        done = CliRunner().invoke(cli.app, ["report", "in.fasta", "-o", "out.html", *args])
        assert "Traceback" not in done.output
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return report


def kept():
    """Name and SHA-256 of the files in the archive."""
    with zipfile.ZipFile("out.zip") as archive:
        return {entry["name"]: entry for entry in json.loads(archive.read("manifest.json"))["files"]}


def test_the_names_are_written_out_twice():
    assert [str(view) for view in View] == list(VIEWS)


@pytest.mark.parametrize(
    ("page", "view", "controls"),
    [
        ("similarity", "similarity", {}),
        ("attention", "heads", {"show": "all heads"}),
        ("attention", "attention", {}),
        ("attention", "contacts", {"show": "contacts"}),
        ("logits", "mutations", {}),
        ("clusters", "clusters", {}),
    ],
)
@pytest.mark.parametrize("is_careful", [False, True])
def test_a_picture_is_that_of_its_page(app, workbench, fake, page, view, controls, is_careful, tmp_path):  # noqa: F811
    """Figure, words, numbers, tables, cautions and files are the same value."""
    fake.spec = replace(SPEC, predicts_effects=not is_careful, trained_residues=50 if is_careful else None)
    at = app(page)
    for key, value in controls.items():
        at = settled(at.selectbox(key=key).set_value(value).run())
    session = at.session_state["session"]
    of_page = Exhibit.from_bytes(exhibits.latest(session, page).to_bytes())

    run = Run(workbench, EXAMPLE, tmp_path / "out.html", "fake", "float32")
    tour = Tour(run, layer=-1, head=0, is_masked=False)
    tour.records = list(session.records)  # with the labels of the example, which are in a table of their own
    run.source = Path(session.source)
    made = Exhibit.from_bytes(
        tour.exhibit(view, session.record(session.protein or tour.records[0].id)).to_bytes()
    )

    assert (made.title, made.records, made.model) == (of_page.title, of_page.records, of_page.model)
    assert made.versions == of_page.versions
    for mine, theirs in zip(made.pieces, of_page.pieces, strict=True):
        assert type(mine) is type(theirs)
        for name, value in vars(theirs).items():
            if name in ("columns", "arrays"):
                same(getattr(mine, name), value)
            else:
                assert getattr(mine, name) == value, name
    n_cautions = is_careful * {"clusters": 0, "mutations": 2}.get(view, 1)
    assert [bool(caution_of(piece)) for piece in made.pieces[: n_cautions + 1]] == [True] * n_cautions + [
        False
    ]
    assert any(isinstance(piece, Picture) for piece in made.pieces)
    words = [text for picture in made.pictures for text in picture.reading] + [t.note for t in made.tables]
    assert not any("click" in text.lower() for text in words)  # there is nothing to click outside of the app
    assert ("Click a head to open it." in [caption.value for caption in at.caption]) is (view == "heads")


def same(mine, theirs):
    assert list(mine) == list(theirs)
    for name in theirs:
        np.testing.assert_array_equal(np.asarray(mine[name]), np.asarray(theirs[name]))


def test_all_that_the_model_gives_goes_into_both_files(run):
    done = run("--zip", "out.zip", "--protein", "two", "--head", "2", "--title", "My <b>proteins</b>")
    assert (done.exit_code, done.stderr) == (0, "")
    text = Path("out.html").read_text()
    assert text.count('class="figure"') == len(VIEWS)
    assert "My &lt;b&gt;proteins&lt;/b&gt;" in text
    assert "ACDEFGHIKL MNP" in text
    names = list(kept())
    assert [f"{n}-{VIEWS[view][1]}/exhibit.json" in names for n, view in enumerate(VIEWS, 1)] == [True] * 6
    assert "inputs.fasta" in names
    with zipfile.ZipFile("out.zip") as archive:
        attention = np.load(io.BytesIO(archive.read("3-attention/attention-two-fake-layer2-head2.npz")))
        assert attention["attention"].shape == (13, 13)


def test_headings_of_one_page_tell_its_pictures_apart(run):
    run("--protein", "two", "--protein", "three", "--show", "heads", "--show", "contacts")
    text = Path("out.html").read_text()
    for heading in ("every layer: all heads: two (13", "Map of contacts, residue by residue: three (10"):
        assert text.count(f"{heading} residues)</h2>") == 1


def test_the_first_protein_is_taken_and_that_is_said(run):
    done = run("--protein", "two", "--show", "mutations")
    assert done.stderr == ""
    done = run("--show", "mutations", "--no-sequences")
    assert done.exit_code == 0
    assert "pictures of one, the first of 3 proteins; --protein takes others." in done.stderr
    assert "left out on request" in Path("out.html").read_text()


def test_what_the_model_does_not_give_is_said(run):
    without = replace(SPEC, provides=SPEC.provides - {"contacts"})
    done = run("--protein", "two", spec=without)
    assert done.exit_code == 0
    assert "left out: contacts, as fake gives no contacts." in done.stderr
    done = run("--protein", "two", "--show", "contacts", spec=without)
    assert done.exit_code == 2
    assert "fake does not give contacts" in done.stderr


def test_a_protein_too_long_for_maps_loses_only_its_maps(run):
    done = run("--protein", "one")
    assert done.exit_code == 0
    for name in ("similarity", "heads", "contacts"):
        assert f"left out: {name} of one: one has 16 residues; maps are" in done.stderr
    assert Path("out.html").read_text().count('class="figure"') == 2


def test_nothing_is_written_where_nothing_can_be_made(run):
    for extra in (["--show", "similarity"], ["--strict"]):
        done = run("--protein", "one", *extra)
        assert done.exit_code == 2
        assert "maps are drawn up to 15" in done.stderr
    assert [path.name for path in Path().iterdir()] == ["in.fasta"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--protein", "four"], "There is no protein four in in.fasta. There are one, two, three."),
        (["--layer", "9"], "fake has no layer 9. Its layers are 0 to 2."),
        (["--layer", "-100"], "fake has no layer -100. Its layers are 0 to 2."),
        (["--layer", "-4", "--show", "clusters"], "no layer -4"),
        (["--layer", "99", "--show", "heads", "--protein", "two"], "no layer 99"),
        (["--layer", "99", "--show", "mutations"], "no layer 99"),
        (["--protein", "two", "--head", "99"], "head"),
        (["--zip", "out.tar"], "must end in .zip"),
        (["--show", "structure"], "structure"),
    ],
)
def test_what_is_not_there_is_named(run, arguments, said):
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not Path("out.html").exists()


def test_masked_marginals(run):
    assert run("--protein", "two", "--show", "mutations", "--masked", "--zip", "out.zip").exit_code == 0
    assert kept()["1-logits/mutations-two-fake.npz"]["provenance"]["scheme"] == "masked marginals"
    assert "masked in turn" in Path("out.html").read_text()


def test_a_rejected_record_is_named(run):
    Path("in.fasta").write_text(GOOD + ">four\nMKV1LA\n")
    done = run("--show", "clusters")
    assert done.exit_code == 0
    assert "rejected: record 4 (four)" in done.stderr


def test_memory_that_is_not_there_ends_one_picture(run, monkeypatch):
    def full(*arguments):
        raise OutOfMemoryError("Too large.", "Take less.")

    monkeypatch.setattr(Tour, "_clusters", full)
    done = run("--protein", "two")
    assert done.exit_code == 0
    assert "left out: clusters of one: Too large. Take less." in done.stderr
