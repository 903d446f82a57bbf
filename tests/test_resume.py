"""``--resume``: a run that was stopped, killed or ran out of disk goes on, and its file is that of a run in one piece."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from esmviz.errors import OutOfMemoryError
from tests.test_cli import ENVIRONMENT, SLOW, backend, run, stop_at  # noqa: F401  fixtures

PROTEINS = [
    ("one", "MKVLAWGH"),
    ("two", "ACDEFGHIKLMNP"),
    ("twin", "MKVLAWGH"),
    ("three", "MSTXKLV"),
    ("four", "MKKACDEFGHIKLMNP"),
]
FASTA = "".join(f">{name}\n{sequence}\n" for name, sequence in PROTEINS)
COMMANDS = {
    "vectors.npz": ["embed"],
    "vectors.h5": ["embed", "--pooling", "max"],
    "vectors.csv": ["embed", "--layer", "1"],
    "residues.npz": ["embed", "--pooling", "none"],
    "residues.h5": ["embed", "--pooling", "none"],
    "logits.npz": ["logits"],
    "attention.npz": ["attention", "--layer", "2"],
    "contacts.npz": ["contacts"],
}


def content(path):
    """All of a file; of an h5 file, which notes its time in places, what h5py reads."""
    if path.suffix != ".h5":
        return path.read_bytes()
    with h5py.File(path) as file:
        return {
            name: (data[...].tobytes(), sorted(map(repr, data.attrs.items()))) for name, data in file.items()
        }


@pytest.mark.parametrize("name", COMMANDS)
def test_stopped_and_resumed_is_as_in_one_piece(run, backend, name):  # noqa: F811
    Path("in.fasta").write_text(FASTA)
    command = [*COMMANDS[name], "in.fasta", "-o"]
    assert run(*command, f"whole-{name}").exit_code == 0
    n_records = backend.n_records
    assert n_records == 4  # the twin is not computed
    stop_at(backend, "two")  # the shortest come first: three, one, two, four
    assert run(*command, name).new == [f"{name}.part"]
    backend._before_each = lambda record: None
    done = run(*command, name, "--resume", "--stats", "s.json")
    assert done.exit_code == 0
    assert done.stderr == "resumed: 2 of 5 proteins were finished before.\n"
    assert done.new == sorted([name, "s.json"])
    assert not Path(f"{name}.part").exists()
    assert backend.n_records == 2 * n_records  # nothing was computed again
    assert content(Path(name)) == content(Path(f"whole-{name}"))
    assert '"sequences": 3,' in Path("s.json").read_text()
    assert '"resumed": 2,' in Path("s.json").read_text()


def test_resume_with_nothing_to_go_on_with_starts(run, backend):  # noqa: F811
    done = run("embed", "in.fasta", "-o", "out.npz", "--resume")
    assert (done.exit_code, done.new, done.stderr) == (0, ["out.npz"], "")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "holds 1 finished proteins of an earlier run. Go on with --resume, or delete the folder"),
        (["--resume", "--layer", "1"], "is of another run: layer 2 there, 1 here."),
        (["--resume", "--pooling", "max"], "is of another run: pooling mean there, max here."),
        (["--resume", "--pooling", "none"], "results vectors there, residues here."),
        (["--resume", "--precision", "float32"], "is of another run: precision auto there, float32 here."),
    ],
)
def test_runs_are_not_mixed(run, backend, options, text):  # noqa: F811
    stop_at(backend, "first")
    run("embed", "in.fasta", "-o", "out.npz")
    backend._before_each = lambda record: None
    done = run("embed", "in.fasta", "-o", "out.npz", *options)
    assert (done.exit_code, done.new) == (2, [])
    assert text in done.stderr
    assert run("embed", "in.fasta", "-o", "out.npz", "--resume").exit_code == 0


def test_other_proteins_are_another_run(run, backend):  # noqa: F811
    stop_at(backend, "first")
    run("embed", "in.fasta", "-o", "out.npz")
    Path("in.fasta").write_text(">first\nMKVLAWGW\n>second\nMKV\n")
    done = run("embed", "in.fasta", "-o", "out.npz", "--resume")
    assert done.exit_code == 2
    assert "is of another run: proteins " in done.stderr


def test_a_run_that_ended_before_its_file_was_made_computes_nothing(run, backend, monkeypatch):  # noqa: F811
    def full(self, identifier, array, sequence):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("esmviz.writers.PooledNpzWriter._write", full)
        done = run("embed", "in.fasta", "-o", "out.npz")
    assert (done.exit_code, done.new) == (3, ["out.npz.part"])
    kept, error = done.stderr.splitlines()
    assert kept.startswith("kept: 3 of 3 proteins are in out.npz.part; ")
    assert error == "error: out.npz.part/whole.npz: No space left on device."
    assert run("embed", "in.fasta", "-o", "out.npz", "--resume").new == ["out.npz"]
    assert backend.n_records == 3


def test_rejected_proteins_are_tried_again(run, backend):  # noqa: F811
    Path("in.fasta").write_text(FASTA)
    backend._fail_on = {"one": OutOfMemoryError("one does not fit.")}
    stop_at(backend, "four")
    done = run("embed", "in.fasta", "-o", "out.csv")
    assert "rejected: record 1 (one), line 1: one does not fit." in done.stderr
    backend._fail_on, backend._before_each = {}, lambda record: None
    assert run("embed", "in.fasta", "-o", "out.csv", "--resume").exit_code == 0
    with open("out.csv", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["id", *(name for name, _ in PROTEINS)]


def test_a_twin_of_a_rejected_protein_is_rejected_too(run, backend):  # noqa: F811
    Path("in.fasta").write_text(FASTA)
    backend._fail_on = {"one": OutOfMemoryError("one does not fit.")}
    done = run("embed", "in.fasta", "-o", "out.npz")
    assert done.exit_code == 0
    assert "rejected: record 3 (twin), line 5: Its sequence is that of record 1." in done.stderr
    with np.load("out.npz") as file:
        assert file["ids"].tolist() == ["two", "three", "four"]


# As a process

NAMES = [f"p{number}" for number in range(40)]
MANY = "".join(
    f">{name}\nMK{'ACDEFGHIKLMNPQRSTVWY'[n % 20] * (n // 2 + 1)}\n" for n, name in enumerate(NAMES)
)


def started(folder, seconds, *options):
    """The command line over the fake backend, so many seconds a protein; a line on stdout for each one computed."""
    code = SLOW.replace("models = Fake", "tell = lambda record: print(record.id, flush=True)\nmodels = Fake")
    code = code.replace("seconds_per_record=float(sys.argv.pop(1))", "seconds_per_record=float(sys.argv.pop(1)), "
                        "before_each=tell")  # fmt: skip
    command = [sys.executable, "-c", code, str(seconds), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, **pipes)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no such limit here")
def test_a_full_disk_is_one_clear_error_and_keeps_what_was_there(tmp_path):
    """The limit of a file's size stands in for a full disk: the write fails, in the middle of a row."""
    (tmp_path / "in.fasta").write_text(MANY)
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))\n"
    command = ["0", "embed", "in.fasta", "-o", "out.npz"]
    done = subprocess.run(
        [sys.executable, "-c", limit + SLOW, *command],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    kept, error = done.stderr.splitlines()
    assert done.returncode == 3
    assert error.startswith("error: out.npz.part/")
    assert error.endswith(": File too large.")
    n_kept = int(kept.split()[1])
    assert 0 < n_kept < len(NAMES)
    process = started(tmp_path, 0, *command[1:], "--resume")
    computed, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert computed.split() == NAMES[n_kept:]


KILLS = 34  # for each of three formats: a hundred


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [["-o", "out.npz"], ["-o", "out.npz", "--pooling", "none"], ["-o", "out.csv"]]
)
def test_killed_at_random_moments(tmp_path, options):
    """Again and again, until it is through, and again; no finished protein is lost or computed twice."""
    (tmp_path / "in.fasta").write_text(MANY)
    command = ["embed", "in.fasta", *options, "--resume"]
    whole = started(tmp_path, 0, *command)
    assert whole.communicate(timeout=120)[0].split() == NAMES
    path = tmp_path / options[1]
    expected = path.read_bytes()
    chance, n_kills = random.Random(0), 0
    while n_kills < KILLS:
        path.unlink()
        begun, kills = killed_until_through(tmp_path, command, path, expected, chance)
        n_kills += kills
        firsts = [NAMES.index(names[0]) for names in begun if names]
        lasts = [NAMES.index(names[-1]) for names in begun if names]
        assert firsts[0] == 0
        for first, last in zip(firsts[1:], lasts, strict=False):
            assert first in (last, last + 1)  # the one at work when it was killed, or the one after


def killed_until_through(folder, command, path, expected, chance):
    """The proteins that each process began, and how many were killed."""
    begun, kills = [], 0
    while True:
        process = started(folder, 0.02, *command)
        n_lines, delay = chance.randrange(1, 8), chance.random() * 0.03
        told = [line for line in (process.stdout.readline() for _ in range(n_lines)) if line]
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        rest, errors = process.communicate(timeout=120)
        begun.append("".join([*told, rest]).split())
        assert process.returncode in (0, -signal.SIGKILL), errors
        kills += process.returncode != 0
        if path.exists():  # through, though it may have been killed on its way out
            assert path.read_bytes() == expected
            shutil.rmtree(f"{path}.part", ignore_errors=True)
            return begun, kills
