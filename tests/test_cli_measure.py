"""``esmviz measure``: models side by side on the records of a file."""

import json
import re
from pathlib import Path

from tests.test_cli import backend, run  # noqa: F401  fixtures


def test_two_models_are_compared_in_words(run, backend):  # noqa: F811
    done = run("measure", "in.fasta", "--model", "fake", "--model", "fake")
    assert (done.exit_code, done.new) == (0, [])
    first, second, sentence = done.stdout.splitlines()
    assert first.startswith("fake: ")
    assert "residues/s" in first
    assert "3 proteins" in second
    assert re.search("too short to compare|as many residues a second", sentence)  # whatever the clock said


def test_numbers_for_programs(run, backend):  # noqa: F811
    done = run("measure", "in.fasta", "--json")
    assert done.exit_code == 0
    [row] = json.loads(done.stdout)
    assert (row["model"], row["n_proteins"], row["n_residues"]) == ("fake", 3, 28)
    assert row["pseudo_perplexity"] > 1
    assert row["residues_per_second"] > 0


def test_rejected_records_are_told_and_the_others_measured(run, backend):  # noqa: F811
    Path("bad.fasta").write_text(">good\nMKVLAWGH\n>bad\nMK1VL\n")
    done = run("measure", "bad.fasta", "--json")
    assert done.exit_code == 0
    assert "rejected: record" in done.stderr
    [row] = json.loads(done.stdout)
    assert row["n_proteins"] == 1
    assert run("measure", "bad.fasta", "--strict").exit_code == 2


def test_a_file_that_is_not_there_and_an_unknown_model(run, backend):  # noqa: F811
    assert run("measure", "nothing.fasta").exit_code == 2
    done = run("measure", "in.fasta", "--model", "gpt")
    assert done.exit_code == 2
    assert "no model 'gpt'" in done.stderr
