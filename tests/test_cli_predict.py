"""``esmviz predict``: a visitor's own classifiers and regressions, into a table or arrays."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from esmviz.analysis.predictions import probabilities
from esmviz.models.fake import SPEC, FakeBackend
from esmviz.types import Predictor, ProteinRecord, Request
from tests.test_cli import GOOD, backend, run  # noqa: F401  fixtures

SEQUENCES = {"first": "MKVLAWGH", "sp|P2|NAME": "ACDEFGHIKLMNP", "../up/../a\\b": "MSTXKLV"}
CLASSES = ("helix", "=1+1", "classes")


def predicting(backend, unit, problem="single_label_classification", classes=CLASSES):  # noqa: F811
    provides = frozenset({"hidden_states", "attentions", "predictions"})
    backend.spec = replace(backend.spec, provides=provides, predictor=Predictor(unit, problem, classes))


def expected(backend, sequence):  # noqa: F811
    [output] = FakeBackend(backend.spec).run([ProteinRecord("x", sequence)], Request(predictions=True))
    return probabilities(output.predictions, backend.spec.predictor.problem)


def rows(name):
    with open(name, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_table_of_proteins(run, backend):  # noqa: F811
    predicting(backend, "proteins")
    done = run("predict", "in.fasta", "-o", "out.csv")
    assert (done.exit_code, done.new, done.stderr) == (0, ["out.csv"], "")
    header, *lines = rows("out.csv")
    assert header == ["id", "p(helix)", "p(=1+1)", "p(classes)"]
    assert [line[0] for line in lines] == list(SEQUENCES)
    for line, sequence in zip(lines, SEQUENCES.values(), strict=True):
        np.testing.assert_array_equal(np.array(line[1:], np.float32), expected(backend, sequence))


def test_table_of_residues(run, backend):  # noqa: F811
    predicting(backend, "residues", "multi_label_classification")
    assert run("predict", "in.fasta", "-o", "out.csv").exit_code == 0
    header, *lines = rows("out.csv")
    assert header[:3] == ["id", "residue", "p(helix)"]
    assert len(lines) == sum(map(len, SEQUENCES.values()))
    assert [line[1] for line in lines[:3]] == ["M1", "K2", "V3"]
    assert lines[-1][:2] == ["../up/../a\\b", "V7"]
    for name, sequence in SEQUENCES.items():
        found = np.array([line[2:] for line in lines if line[0] == name], np.float32)
        np.testing.assert_array_equal(found, expected(backend, sequence))


def test_arrays_of_proteins(run, backend):  # noqa: F811
    predicting(backend, "proteins", "regression", ("melting point",))
    assert run("predict", "in.fasta", "-o", "out.npz").exit_code == 0
    with np.load("out.npz", allow_pickle=False) as file:
        assert set(file) == {"ids", "values", "classes", "meta"}
        assert file["ids"].tolist() == list(SEQUENCES)
        assert file["classes"].tolist() == ["melting point"]
        assert file["values"].dtype == np.float32
        np.testing.assert_array_equal(file["values"], [expected(backend, s) for s in SEQUENCES.values()])
        facts = json.loads(str(file["meta"]))
    assert (facts["model"], facts["revision"]) == ("fake", backend.revision)
    assert (facts["problem"], facts["of_each"], facts["precision"]) == ("regression", "proteins", "float32")


def test_arrays_of_residues_and_an_id_like_our_own_name(run, backend):  # noqa: F811
    predicting(backend, "residues")
    Path("in.fasta").write_text(GOOD + ">classes\nMKV\n")
    assert run("predict", "in.fasta", "-o", "out.npz").exit_code == 0
    with np.load("out.npz", allow_pickle=False) as file:
        assert file["classes"].tolist() == list(CLASSES)
        np.testing.assert_array_equal(file["first"], expected(backend, SEQUENCES["first"]))
        np.testing.assert_array_equal(file["%63lasses"], expected(backend, "MKV"))
        assert file["sp|P2|NAME"].shape == (13, 3)


def test_a_language_model_is_refused(run):  # noqa: F811
    done = run("predict", "in.fasta", "-o", "out.csv")
    assert (done.exit_code, done.new) == (2, [])
    assert "does not give predictions" in done.stderr


def test_other_endings_are_refused(run, backend):  # noqa: F811
    predicting(backend, "proteins")
    done = run("predict", "in.fasta", "-o", "out.h5")
    assert (done.exit_code, done.new) == (2, [])
    assert ".csv or .npz" in done.stderr


@pytest.mark.parametrize("unit", ["proteins", "residues"])
def test_a_rejected_record_is_told_and_strict_writes_nothing(run, backend, unit):  # noqa: F811
    predicting(backend, unit)
    Path("in.fasta").write_text(GOOD + ">bad\nMK1\n")
    done = run("predict", "in.fasta", "-o", "out.csv", "--stats", "s.json")
    assert (done.exit_code, done.new) == (0, ["out.csv", "s.json"])
    assert "rejected: record 4 (bad)" in done.stderr
    assert json.loads(Path("s.json").read_text())["sequences"] == 3
    done = run("predict", "in.fasta", "-o", "strict.csv", "--strict")
    assert (done.exit_code, done.new) == (2, [])


def test_models_of_ones_own_say_what_they_predict(run, backend):  # noqa: F811
    predicting(backend, "proteins")
    [listed] = json.loads(run("models", "--json").stdout)
    assert listed["predictor"]["classes"] == list(CLASSES)
    assert SPEC.predictor is None
