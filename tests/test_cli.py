"""The command line over the fake backend, and as a real process."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from esmviz import cli
from esmviz.commands import base, machine
from esmviz.errors import ModelUnavailableError, OutOfMemoryError, ProteinRefusedError, ServiceError
from esmviz.models.base import sites
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG, MINI_FOLDER
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from esmviz.types import AMINO_ACIDS, KeepHeads, Pooling, Precision, ProteinRecord, Request
from esmviz.workbench import Workbench
from tests.test_exhibit import exhibit

GOOD = ">first protein one\nMKVLAWGH\n>sp|P2|NAME\nACDEFGHIKLMNP\n>../up/../a\\b\nMSTXKLV\n"
SECRET = "WWWMKVLAWGHWWW"


@pytest.fixture
def backend():
    return FakeBackend()


@pytest.fixture
def run(tmp_path, monkeypatch, backend):
    """Calls esmviz inside tmp_path on ``in.fasta``; says status, stdout, stderr and the files that came to be."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.fasta").write_text(GOOD)

    def workbench(device="auto", precision="auto"):
        return Workbench(replace(Settings.from_env(), default_model="fake"), models=FakeModels(backend))

    monkeypatch.setattr(base, "workbench", workbench)

    def call(*args):
        before = set(tmp_path.iterdir())
        done = CliRunner().invoke(cli.app, list(map(str, args)))
        done.new = sorted(path.name for path in set(tmp_path.iterdir()) - before)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert "Traceback" not in done.output
        return done

    return call


def output_of(backend, name, sequence, request):
    [output] = type(backend)(backend.spec).run([ProteinRecord(name, sequence)], request)
    return output


def meta(npz):
    return json.loads(str(npz["meta"]))


# embed


def test_embed_npz(run, backend):
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new, done.stderr) == (0, ["out.npz"], "")
    with np.load("out.npz", allow_pickle=False) as file:
        assert file["ids"].tolist() == ["first", "sp|P2|NAME", "../up/../a\\b"]
        assert file["vectors"].dtype == np.float32
        expected = output_of(backend, "x", "ACDEFGHIKLMNP", Request(layers=(2,), pooling="mean")).pooled[0]
        np.testing.assert_array_equal(file["vectors"][1], expected)
        facts = meta(file)
    assert {key: facts[key] for key in ("model", "revision", "layer", "pooling", "precision")} == {
        "model": "fake",
        "revision": backend.revision,
        "layer": 2,
        "pooling": "mean",
        "precision": "float32",
    }


@pytest.mark.parametrize("pooling", ["mean", "max", "bos"])
@pytest.mark.parametrize("layer", [0, 1, -1])
def test_embed_h5(run, backend, pooling, layer):
    assert run("embed", "in.fasta", "-o", "out.h5", "--layer", layer, "--pooling", pooling).exit_code == 0
    with h5py.File("out.h5") as file:
        assert set(file) == {"first", "sp|P2|NAME", "%2E%2E%2Fup%2F%2E%2E%2Fa%5Cb"}
        expected = output_of(backend, "x", "MKVLAWGH", Request(layers=(layer,), pooling=pooling)).pooled[0]
        np.testing.assert_array_equal(file["first"][:], expected)
        attributes = dict(file["first"].attrs)
    names = ("model", "revision", "layer", "pooling", "precision")
    expected_values = ["fake", backend.revision, layer % 3, pooling, "float32"]
    assert [attributes[name] for name in names] == expected_values


def test_embed_csv(run):
    assert run("embed", "in.fasta", "-o", "out.csv").exit_code == 0
    lines = Path("out.csv").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].split(",")[:3] == ["id", "v1", "v2"]
    assert len(lines[1].split(",")) == 9


@pytest.mark.parametrize("ending", ["npz", "h5"])
def test_embed_residues(run, backend, ending):
    name = f"out.{ending}"
    assert run("embed", "in.fasta", "-o", name, "--pooling", "none", "--layer", 1).exit_code == 0
    expected = output_of(backend, "x", "MKVLAWGH", Request(layers=(1,))).hidden_states[0]
    with np.load(name) if ending == "npz" else h5py.File(name) as file:
        np.testing.assert_array_equal(file["first"][...], expected)
        assert file["sp|P2|NAME"].shape == (13, 8)


def test_embed_residues_need_a_format_that_holds_them(run):
    done = run("embed", "in.fasta", "-o", "out.csv", "--pooling", "none")
    assert (done.exit_code, done.new) == (2, [])
    assert ".npz or .h5" in done.stderr


def test_same_sequences_are_computed_once(run, backend):
    Path("in.fasta").write_text(">a\nMKV\n>b\nMKV\n>a\nMKV\n")
    assert run("embed", "in.fasta", "-o", "out.npz").exit_code == 0
    assert backend.n_records == 1
    with np.load("out.npz") as file:
        assert file["ids"].tolist() == ["a", "b", "a~2"]
        assert file["vectors"].shape == (3, 8)


# logits, attention, contacts


def test_logits(run, backend):
    assert run("logits", "in.fasta", "-o", "out.npz").exit_code == 0
    with np.load("out.npz", allow_pickle=False) as file:
        assert "".join(file["amino_acids"]) == AMINO_ACIDS
        expected = output_of(backend, "x", "MKVLAWGH", Request(logits=True)).logits
        np.testing.assert_array_equal(file["first"], expected)
        assert set(file.files) == {
            "first",
            "sp|P2|NAME",
            "%2E%2E%2Fup%2F%2E%2E%2Fa%5Cb",
            "amino_acids",
            "meta",
        }


def test_attention_counts_layers_and_heads_from_one(run, backend):
    assert run("attention", "in.fasta", "-o", "one.npz", "--layer", 2, "--head", 1).exit_code == 0
    assert run("attention", "in.fasta", "-o", "all.npz", "--layer", 2).exit_code == 0
    probe = KeepHeads(2, (0, 1))
    expected = output_of(backend, "x", "MKVLAWGH", Request(probes=(probe,))).probes[probe.key]
    with np.load("one.npz") as one, np.load("all.npz") as all_heads:
        np.testing.assert_array_equal(one["first"], expected[0])
        np.testing.assert_array_equal(all_heads["first"], expected)
        assert (meta(one)["layer"], meta(one)["head"], meta(all_heads)["head"]) == (2, 1, None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--layer", 0], "layers are 1 to 2"),
        (["--layer", 3], "layers are 1 to 2"),
        (["--layer", 1, "--head", 3], "heads are 1 to 2"),
        (["--layer", 1, "--head", 0], "heads are 1 to 2"),
    ],
)
def test_attention_that_is_not_there(run, options, text):
    done = run("attention", "in.fasta", "-o", "out.npz", *options)
    assert (done.exit_code, done.new) == (2, [])
    assert text in done.stderr


def test_contacts(run):
    assert run("contacts", "in.fasta", "-o", "out.npz").exit_code == 0
    with np.load("out.npz") as file:
        assert file["sp|P2|NAME"].shape == (13, 13)


def test_contacts_of_a_model_without(run, backend):
    backend.spec = replace(SPEC, provides=frozenset({"logits"}))
    done = run("contacts", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (2, [])
    assert "fake does not give contacts" in done.stderr


@pytest.mark.parametrize("command", [("embed",), ("logits",), ("attention", "--layer", "1"), ("contacts",)])
@pytest.mark.parametrize("name", ["broken.pt", "in.fasta", "empty"])
def test_a_path_that_is_no_checkpoint_says_why(run, tmp_path, monkeypatch, name, command):
    models = ModelCache(device="cpu", offline=True, allow_paths=True)
    monkeypatch.setattr(base, "workbench", lambda *_: Workbench(Settings(), models=models))
    (tmp_path / "broken.pt").write_bytes(b"cut off")
    (tmp_path / "empty").mkdir()
    done = run(command[0], "in.fasta", "-o", "out.npz", "--model", name, *command[1:])
    assert (done.exit_code, done.new) == (3, [])
    reason = "has no config.json" if name == "empty" else "is truncated or no file of torch.save"
    assert reason in done.stderr


def test_an_ensemble_gives_logits_and_no_vectors(run, ensemble_models, monkeypatch):
    bench = Workbench(Settings(default_model="both"), models=ensemble_models)
    monkeypatch.setattr(base, "workbench", lambda *_: bench)
    assert run("logits", "in.fasta", "-o", "out.npz", "--model", "both").exit_code == 0
    with np.load("out.npz") as file:
        assert file["sp|P2|NAME"].shape == (13, 20)
        np.testing.assert_allclose(np.exp(file["first"]).sum(-1), 1, rtol=1e-5)
        assert meta(file)["revision"] == ensemble_models.backends["both"].revision
    done = run("embed", "in.fasta", "-o", "vectors.npz", "--model", "both")
    assert (done.exit_code, done.new) == (2, [])
    assert "both does not give hidden states. Models that do: fake, one, two." in done.stderr
    assert [row.split()[0] for row in run("models").stdout.splitlines()[1:]] == ["fake", "one", "two", "both"]


# Rejected records and exit status


def test_rejected_records_are_named_and_the_rest_goes_on(run):
    Path("in.fasta").write_text(">a\nMKV\n>b\nMK1V\n>c\n\n>d\nMKL\n")
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("rejected: record 2 (b), line 3: ")
    assert "position 3" in lines[0]
    assert lines[1].startswith("rejected: record 3 (c), line 5: ")
    with np.load("out.npz") as file:
        assert file["ids"].tolist() == ["a", "d"]


COMMANDS = [
    ["embed"],
    ["logits"],
    ["embed", "--pooling", "none"],
    ["contacts"],
    ["attention", "--layer", "1"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_records_too_long_for_the_model_are_read_in_windows_and_this_is_said(run, backend, command):
    backend.spec = replace(SPEC, max_residues=10)
    done = run(*command, "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    said = "windows: record 2 (sp|P2|NAME) was read in 2 windows of 10 residues, overlap 7"
    assert done.stderr.splitlines() == [said]
    with np.load("out.npz") as file:
        assert json.loads(str(file["meta"]))["windows"] == {"sp|P2|NAME": ["1-10", "4-13"]}
        assert "sp|P2|NAME" in (file["ids"].tolist() if "ids" in file else file.files)


@pytest.mark.parametrize("pooling", ["mean", "none"])
def test_an_h5_file_says_where_the_windows_of_a_protein_lie(run, backend, pooling):
    backend.spec = replace(SPEC, max_residues=10)
    assert run("embed", "in.fasta", "-o", "out.h5", "--pooling", pooling).exit_code == 0
    with h5py.File("out.h5") as file:
        windows = {name: list(dataset.attrs.get("windows", [])) for name, dataset in file.items()}
    assert windows.pop("sp|P2|NAME") == ["1-10", "4-13"]
    assert set(map(tuple, windows.values())) == {()}


def test_strict_writes_nothing(run, backend):
    Path("in.fasta").write_text(GOOD + ">bad\nMK1\n")
    done = run("embed", "in.fasta", "-o", "out.npz", "--strict", "--stats", "s.json")
    assert (done.exit_code, done.new) == (2, [])
    assert "1 of 4 records rejected; nothing was written" in done.stderr
    assert backend.n_calls == 0


def test_no_good_record_writes_nothing(run):
    Path("in.fasta").write_text(">bad\nMK1\n")
    done = run("logits", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (2, [])
    assert "rejected: record 1 (bad), line 1: " in done.stderr


@pytest.mark.parametrize("content", ["", "\n\n", "\x00\x01\x02"])
def test_nothing_to_read(run, content):
    Path("in.fasta").write_text(content)
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (2, [])
    assert done.stderr.startswith("error: ")


def test_mended_records_are_mentioned(run):
    Path("in.fasta").write_text(">a\nmk-v*\n>b\nMKL\n")
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    assert done.stderr.startswith("mended: 1, the first is record 1 (a): ")


def test_headers_cannot_steer_the_terminal(run):
    Path("in.fasta").write_text(">evil\x1b[2Jname\nMK1\n>a\nMKV\n")
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("command", "ending", "names"),
    [
        (["embed"], "out.txt", [".npz", ".h5", ".csv"]),
        (["embed"], "out", [".npz", ".h5", ".csv"]),
        (["logits"], "out.h5", [".npz"]),
        (["attention", "--layer", "1"], "out.csv", [".npz"]),
        (["contacts"], "out.csv", [".npz"]),
    ],
)
def test_unknown_ending_names_the_known(run, backend, command, ending, names):
    done = run(*command, "in.fasta", "-o", ending)
    assert (done.exit_code, done.new, backend.n_calls) == (2, [], 0)
    assert all(name in done.stderr for name in names)


def test_unknown_model(run):
    done = run("embed", "in.fasta", "-o", "out.npz", "--model", "nope")
    assert (done.exit_code, done.new) == (2, [])
    assert "There are fake" in done.stderr


def test_environment_errors_exit_with_3(run, monkeypatch):
    def unavailable(self, name):
        raise ModelUnavailableError("The weights are missing.", "Download them.")

    monkeypatch.setattr(FakeModels, "backend", unavailable)
    monkeypatch.setattr(FakeModels, "spec", lambda self, name: SPEC)
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (3, [])
    assert done.stderr == "error: The weights are missing. Download them.\n"


@pytest.mark.parametrize("command", [["embed"], ["logits"]])
def test_one_protein_that_does_not_fit_is_rejected(run, backend, command):
    backend._fail_on = {"sp|P2|NAME": OutOfMemoryError("sp|P2|NAME does not fit.", "Take a smaller model.")}
    done = run(*command, "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    assert "rejected: record 2 (sp|P2|NAME), line 3: sp|P2|NAME does not fit." in done.stderr
    with np.load("out.npz") as file:
        assert (len(file["ids"]) if "ids" in file else len(file.files) - 2) == 2


@pytest.mark.parametrize("options", [[], ["--strict"]])
def test_no_protein_fits(run, backend, options):
    shortage = OutOfMemoryError("It does not fit.")
    backend._fail_on = dict.fromkeys(["first", "sp|P2|NAME", "../up/../a\\b"], shortage)
    done = run("logits", "in.fasta", "-o", "out.npz", *options)
    assert (done.exit_code, done.new) == (3, [])


def test_a_bug_gives_its_place_and_no_sequence(run, backend):
    Path("in.fasta").write_text(f">a\n{SECRET}\n")
    backend._fail_on = {"a": KeyError(SECRET)}
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (3, [])
    assert SECRET not in done.output
    assert "Unexpected KeyError in fake.py, line " in done.stderr


def stop_at(backend, name):
    def stop(record):
        if record.id == name:
            raise KeyboardInterrupt

    backend._before_each = stop


def test_masked_logits_of_a_file(run, backend):
    assert run("logits", "in.fasta", "-o", "out.npz", "--masked").exit_code == 0
    with np.load("out.npz") as file:
        for name, sequence in (("first", "MKVLAWGH"), ("sp|P2|NAME", "ACDEFGHIKLMNP")):
            record = ProteinRecord(name, sequence)
            expected = np.concatenate([rows for _, rows in backend.run_masked(sites(record))])
            np.testing.assert_array_equal(file[name.replace("/", "%2F")], expected)
        assert meta(file)["masked"] is True


def test_ctrl_c_before_the_first_protein_leaves_nothing(run, backend):
    stop_at(backend, "../up/../a\\b")  # the shortest comes first
    done = run("logits", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new, done.stderr) == (130, [], "Stopped.\n")


def test_ctrl_c_keeps_what_is_finished(run, backend):
    stop_at(backend, "first")
    done = run("logits", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (130, ["out.npz.part"])
    kept = "kept: 1 of 3 proteins are in out.npz.part; the same command with --resume goes on from there.\n"
    assert done.stderr == f"{kept}Stopped.\n"


def test_an_earlier_file_survives_a_failure(run, backend):
    assert run("embed", "in.fasta", "-o", "out.npz").exit_code == 0
    before = Path("out.npz").read_bytes()
    backend._fail_on = {"first": KeyError("x")}
    assert run("embed", "in.fasta", "-o", "out.npz").exit_code == 3
    assert Path("out.npz").read_bytes() == before


def test_folder_that_is_not_there(run, backend):
    done = run("embed", "in.fasta", "-o", "nowhere/out.npz")
    assert (done.exit_code, backend.n_calls) == (3, 0)
    assert done.stderr == "error: nowhere: there is no such folder.\n"
    done = run("embed", "in.fasta", "-o", "out.npz", "--stats", "nowhere/s.json")
    assert (done.exit_code, done.new) == (3, [])


def test_folder_that_cannot_be_written_to(run, backend, monkeypatch):
    monkeypatch.setattr("esmviz.surroundings.os.access", lambda path, mode: mode != os.W_OK)  # root may
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new, backend.n_calls) == (3, [], 0)
    assert done.stderr == "error: .: this folder cannot be written to.\n"


def test_input_that_is_not_there(run):
    done = run("embed", "missing.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (2, [])
    assert "missing.fasta" in done.stderr


def test_gzip_and_no_limit_of_an_upload(run, monkeypatch):
    Path("in.fasta.gz").write_bytes(gzip.compress(GOOD.encode()))
    monkeypatch.setenv("ESMVIZ_MAX_RECORDS", "2")
    monkeypatch.setenv("ESMVIZ_MAX_RESIDUES", "9")
    assert run("embed", "in.fasta.gz", "-o", "out.npz").exit_code == 0
    with np.load("out.npz") as file:
        assert len(file["ids"]) == 3


def test_longest_protein_of_the_settings(run, monkeypatch):
    monkeypatch.setenv("ESMVIZ_MAX_LENGTH", "10")
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    assert "rejected: record 2 (sp|P2|NAME), line 3: " in done.stderr
    assert "ESMVIZ_MAX_LENGTH" in done.stderr


# Stats, models, app


def test_stats(run):
    Path("in.fasta").write_text(GOOD + ">bad\nMK1\n")
    assert run("embed", "in.fasta", "-o", "out.npz", "--stats", "s.json").new == ["out.npz", "s.json"]
    stats = json.loads(Path("s.json").read_text())
    assert list(stats) == [
        "sequences",
        "residues",
        "seconds",
        "residues_per_second",
        "peak_memory_mb",
        "model",
        "device",
        "precision",
        "resumed",
        "rejected",
    ]
    assert (stats["sequences"], stats["residues"]) == (3, 28)
    assert (stats["model"], stats["device"], stats["precision"]) == ("fake", "cpu", "float32")
    assert stats["seconds"] > 0
    assert 10 < stats["peak_memory_mb"] < 100_000
    [rejected] = stats["rejected"]
    assert (rejected["record"], rejected["line"], rejected["id"]) == (4, 7, "bad")


def test_stats_of_logits_count_the_same(run):
    assert run("logits", "in.fasta", "-o", "out.npz", "--stats", "s.json").exit_code == 0
    stats = json.loads(Path("s.json").read_text())
    assert (stats["sequences"], stats["residues"], stats["rejected"]) == (3, 28, [])


def test_models_table_and_json(run):
    table = run("models").stdout.splitlines()
    assert table[0].split()[:2] == ["name", "parameters"]
    assert table[1].split()[0] == "fake"
    [listed] = json.loads(run("models", "--json").stdout)
    assert (listed["name"], listed["n_layers"], listed["present"]) == ("fake", 2, True)
    assert listed["provides"] == ["attentions", "contacts", "hidden_states", "logits"]


def test_app_names_a_misspelt_setting_before_it_starts_anything(run, monkeypatch):
    monkeypatch.setenv("ESMVIZ_TYPO", "1")
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: pytest.fail("a server was started"))
    result = run("app")
    assert result.exit_code == 3
    assert "ESMVIZ_TYPO is no setting" in result.stderr


def test_app_is_started_beside_the_package(run, monkeypatch):
    commands = []

    def start(command, **options):
        commands.append((command, options))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(machine.subprocess, "run", start)
    monkeypatch.setattr(machine.Path, "is_file", lambda self: True)
    assert run("app", "--port", 9000).exit_code == 0
    [(command, _)] = commands
    assert command[1:4] == ["-m", "streamlit", "run"]
    assert command[4] == str(Path(cli.__file__).resolve().parent.parent / "app.py")
    assert command[command.index("--server.port") + 1] == "9000"
    monkeypatch.setattr(machine.Path, "is_file", lambda self: False)
    done = run("app")
    assert done.exit_code == 2
    assert "app.py is not beside the package" in done.stderr


def test_choices_are_those_of_the_types():
    assert set(get_args(get_args(base.PrecisionName)[0])) == set(get_args(Precision))
    assert set(get_args(get_args(base.PoolingName)[0])) == {*get_args(Pooling), "none"}


def test_options_reach_the_settings():
    settings = base.workbench("cpu", "bfloat16").settings
    assert (settings.device, settings.precision) == ("cpu", "bfloat16")


# As a process

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).resolve().parent.parent)}

SLOW = """
import sys
from dataclasses import replace
from esmviz import cli
from esmviz.commands import base
from esmviz.models.fake import FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from esmviz.workbench import Workbench
from tests.test_exhibit import exhibit

models = FakeModels(FakeBackend(seconds_per_record=float(sys.argv.pop(1))))
base.workbench = lambda *options: Workbench(replace(Settings(), default_model="fake"), models=models)
cli.main()
"""


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "esmviz.cli", "--help"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "embed" in done.stdout
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"numpy", "torch", "transformers", "umap", "sklearn", "h5py", "plotly", "streamlit"}


def test_interrupted_process(tmp_path):
    (tmp_path / "in.fasta").write_text(GOOD)
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "60", "logits", "in.fasta", "-o", "out.npz"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with the interrupt ignored, and a child would inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not list(tmp_path.glob("out.npz.part/rows-*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (130, "Stopped.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["in.fasta"]


@pytest.mark.skipif(
    not (MINI_FOLDER / "model.safetensors").is_file(), reason="the embedded model is not here"
)
def test_whole_process_with_the_embedded_model(tmp_path):
    (tmp_path / "in.fasta").write_text(">a\nMKVLAWGH\n>b\nMK1\n>c\nACDEFGHIKLMNP\n")
    done = subprocess.run(
        [sys.executable, "-m", "esmviz.cli", "embed", "in.fasta", "-o", "out.h5", "--stats", "s.json"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("rejected: record 2 (b), line 3: ")
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["model"], stats["sequences"], stats["residues"]) == ("mini", 2, 21)
    with h5py.File(tmp_path / "out.h5") as file:
        assert set(file) == {"a", "c"}
        assert file["a"].shape == (CATALOG["mini"].d_model,)
        assert file["a"].attrs["precision"] == stats["precision"]


def test_whole_process_reads_standard_input(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SLOW, "0", "embed", "-", "-o", "out.npz"],
        cwd=tmp_path,
        env=ENVIRONMENT,
        input=GOOD,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with np.load(tmp_path / "out.npz") as file:
        assert file["ids"].tolist() == ["first", "sp|P2|NAME", "../up/../a\\b"]


def test_a_protein_that_a_server_refuses_is_left_out(run, backend, tmp_path):
    backend.spec = replace(backend.spec, host="far.test")
    backend._fail_on = {"sp|P2|NAME": ProteinRefusedError("sp|P2|NAME: far.test refuses.", status=422)}
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    assert "fake is hosted by far.test: sequences are sent there." in done.stderr
    assert "rejected: record 2 (sp|P2|NAME), line 3: sp|P2|NAME: far.test refuses." in done.stderr
    assert list(np.load(tmp_path / "out.npz")["ids"]) == ["first", "../up/../a\\b"]


def test_a_server_that_is_gone_ends_the_run(run, backend):
    backend._fail_on = {"sp|P2|NAME": ServiceError("far.test refuses with status 503.", status=503)}
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (3, ["out.npz.part"])
    assert done.stderr.endswith("error: far.test refuses with status 503.\n")


def test_snapshots_are_listed_without_links_and_purged(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ESMVIZ_DATA_DIR", str(tmp_path / "data"))
    handed = Sharing(Settings.from_env()).share(exhibit(), title="Globins", days=30)
    done = run("snapshots")
    assert (done.exit_code, done.stdout.count("\n")) == (0, 1)
    for told in (handed.snapshot.id[:12], "0.00 MB", "similarity", "mini", "Globins"):
        assert told in done.stdout
    assert handed.token not in done.stdout
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 38 * 24 * 3600)
    assert run("snapshots", "--purge").stdout == "removed: 1 expired, 0 without a record\n"
