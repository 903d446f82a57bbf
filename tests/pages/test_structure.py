"""The Structure page: nothing yet, a fold, an uploaded structure by chain and by numbers of the model, what is refused."""

import gzip
import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from esmviz.models import memory
from esmviz.models.fake import FakeBackend, FakeModels
from esmviz.sequences import example
from esmviz.settings import Settings
from esmviz.types import ProteinRecord, Request
from esmviz.ui import resources
from esmviz.workbench import Workbench
from tests.pages.test_pages import PAGES, figures, settled, words

CRAMBIN = next(record.sequence for record in example().records if record.id == "CRAM_CRAAB")


@pytest.fixture
def open_page(monkeypatch):
    def opened(workbench, protein="CRAM_CRAAB", **query):
        monkeypatch.setattr(resources, "_shared", lambda: workbench)
        at = AppTest.from_file(str(PAGES / "structure.py"), default_timeout=120)
        for name, value in {"protein": protein, **query}.items():
            at.query_params[name] = value
        return settled(at.run())

    return opened


@pytest.fixture
def folding(esmfold_folder):
    return Workbench(Settings(models_dir=esmfold_folder.parent, device="cpu", offline=True))


def drawn(at):
    """What the viewer was given."""
    [component] = at.get("bidi_component")
    return json.loads(component.proto.json)


def upload(at, text, name="mine.pdb"):
    return settled(at.file_uploader(key="structure").upload(name, text.encode()).run())


def test_a_model_that_does_not_fold_says_who_does(open_page, workbench):
    at = open_page(workbench)
    assert not at.exception
    assert "fake does not fold proteins" in words(at)
    assert "upload a structure" in words(at)


def test_a_fold_begins_with_the_button_and_says_what_it_takes(open_page, folding):
    at = open_page(folding, model="esmfold-tiny")
    assert "Folding 46 residues through esmfold-tiny takes about 0.0" in words(at)
    assert "GB are free" in words(at)
    assert not figures(at)
    settled(at.button(key="run").click().run())
    assert not at.exception
    record = ProteinRecord("x", CRAMBIN)
    fold = folding.inspect(record, "esmfold-tiny", Request(structure=True)).structure
    data = drawn(at)
    assert len(data["colours"]) == len(data["words"]) == 46
    assert data["words"][0] == f"T1 · pLDDT {fold.plddt[0]:.0f}"
    assert data["text"].count(" CA ") == 46
    assert f"Mean pLDDT: **{fold.plddt.mean():.1f}**" in words(at)
    profile, error = (json.loads(figure) for figure in figures(at))
    assert profile["data"][0]["type"] == "bar"
    assert error["data"][0]["z"]["shape"] == "46, 46"
    assert {button.key for button in at.get("download_button")} >= {
        "download_pdb",
        "download_cif",
        "download_npz",
    }


def test_residues_without_atoms_are_named(open_page, folding):
    at = open_page(folding, model="esmfold-tiny")
    session = at.session_state["session"]
    session.proteins = type(session.proteins)((ProteinRecord("odd", "MKVXLAB"),), ())
    session.choose(protein="odd")
    settled(at.run())
    settled(at.button(key="run").click().run())
    assert "places no atoms for X4, B7" in words(at)
    assert len(drawn(at)["colours"]) == 5


def test_a_fold_that_does_not_fit_is_refused(open_page, folding, monkeypatch):
    at = open_page(folding, model="esmfold-tiny")
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1000)
    settled(at.button(key="run").click().run())
    assert "CRAM_CRAAB has 46 residues; folding it with esmfold-tiny needs about" in words(at)
    assert not at.exception


def test_an_uploaded_structure_is_coloured_by_chain(open_page, workbench, helix):
    at = open_page(workbench)
    upload(at, helix(CRAMBIN) + helix("MKV", chain="B", shift=30))
    assert not at.exception
    data = drawn(at)
    assert len(set(data["colours"])) == 2
    assert [label for label, _ in data["legend"]] == ["chain A", "chain B"]
    assert data["words"][0] == "A T1"
    table = at.dataframe[0].value
    assert list(table["residues"]) == [46, 3]
    assert list(table["paired"]) == [46, 0]
    assert "residues of CRAM_CRAAB" in words(at)


def test_colours_are_the_models_numbers_on_the_chains_that_are_the_protein(open_page, workbench, helix):
    at = open_page(workbench)
    upload(at, helix("GS" + CRAMBIN, first=-1) + helix("MKVWWWHH", chain="B", shift=30))
    settled(at.selectbox(key="paint").set_value("entropy (bits)").run())
    data = drawn(at)
    logits = workbench.inspect(ProteinRecord("x", CRAMBIN), "fake", Request(logits=True)).logits
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    entropy = -(p * np.log2(p)).sum(axis=1)
    assert data["words"][0] == "A G-1 · entropy (bits) not known"
    assert data["words"][2] == f"A T1 · entropy (bits) {entropy[0]:.3g}"
    assert data["words"][48].endswith("not known")
    ranked = at.dataframe[1].value
    assert len(ranked) == 46
    least = int(entropy.argmin())
    assert (
        ranked["in the protein"].iloc[0][0] == CRAMBIN[least]
    )  # equal letters have equal numbers in the fake
    assert ranked["entropy (bits)"].iloc[0] == pytest.approx(entropy.min(), rel=1e-3)
    assert "model fake" in words(at)


def test_attention_received_is_offered_where_there_is_attention(open_page, workbench, helix):
    at = open_page(workbench)
    upload(at, helix(CRAMBIN))
    settled(at.selectbox(key="paint").set_value("attention received (times the even share)").run())
    values = np.array([float(text.split()[-1]) for text in drawn(at)["words"]])
    assert 0.5 < values.mean() < 1.5
    assert not at.exception


def test_another_protein_offers_its_chains(open_page, workbench, helix):
    at = open_page(workbench, protein="HBA_HUMAN")
    upload(at, helix(CRAMBIN), name="crambin.pdb")
    settled(at.selectbox(key="paint").set_value("entropy (bits)").run())
    assert "No chain of crambin.pdb is HBA_HUMAN" in words(at)
    settled(at.button(key="add_0").click().run())
    assert at.selectbox(key="protein").value == "crambin_A"
    assert not any("not known" in text for text in drawn(at)["words"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b">fasta\nMKV\n", "neither PDB nor mmCIF"),
        (b"PK\x03\x04zip", "esmviz reads PDB or mmCIF text"),
        (b"ATOM      1  CA  ALA A   1      nothing here\n", "line 1"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_drawn(open_page, workbench, content, reason):
    at = open_page(workbench)
    settled(at.file_uploader(key="structure").upload("bad.pdb", content).run())
    assert reason in words(at)
    assert not at.exception
    assert not at.get("bidi_component")


def test_gzip_is_unpacked_within_the_limit(open_page, helix):
    text = helix(CRAMBIN * 8)
    bench = Workbench(Settings(default_model="fake", max_upload_mb=1), models=FakeModels(FakeBackend()))
    at = open_page(bench)
    settled(at.file_uploader(key="structure").upload("a.pdb.gz", gzip.compress(text.encode())).run())
    assert len(drawn(at)["colours"]) == 46 * 8
    settled(at.file_uploader(key="structure").upload("b.pdb.gz", gzip.compress(text.encode() * 20)).run())
    assert "1 MB" in words(at)


def test_a_hostile_file_name_is_plain_text(open_page, workbench, helix):
    at = open_page(workbench)
    upload(at, helix(CRAMBIN), name="![x](http://evil.test/a.png)<b>.pdb")
    marked = [str(part.value) for part in [*at.markdown, *at.caption, *at.info]]
    assert any("evil" in text for text in marked)
    assert not any("](" in text for text in marked if "evil" in text)
