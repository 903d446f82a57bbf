"""fair-esm itself as the reference: its modules, its files, its loader; in a folder and a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from esmviz.models.base import AMINO_ACID_TOKENS, sites
from esmviz.models.cache import ModelCache
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ContactHead, KeepHeads, ProteinRecord, Request

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
PACKAGE = "fair-esm==2.0.0"
INSTALLED = HERE.parents[1] / "build" / PACKAGE
KINDS = ("esm2_t3_random", "esm1b_t3_random", "esm1v_t3_random_1")
PROTEINS = (AMINO_ACIDS + AMBIGUOUS, "MKVLAWGHDEMKVLAWGHDEMKVLYWSTMKVLAWGHDEMKVLAWGHDEMKVLYW", "MKV")
MASKED = 2


@pytest.fixture(scope="module")
def fair_esm():
    """A folder with fair-esm alone: beside the package `esm` it could not be imported."""
    if not INSTALLED.is_dir():
        unfinished = INSTALLED.with_suffix(".unfinished")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target"]
        done = subprocess.run([*command, unfinished, PACKAGE], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"{PACKAGE} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        unfinished.rename(INSTALLED)
    return INSTALLED


@pytest.fixture(scope="module")
def files(fair_esm, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fair-esm")
    done = subprocess.run(
        [sys.executable, HERE / "fair_esm_reference.py", folder, *PROTEINS],
        env={**os.environ, "PYTHONPATH": str(fair_esm), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module", params=KINDS)
def backend(request, files):
    return ModelCache(models_dir=files, device="cpu", offline=True).backend(request.param)


@pytest.mark.parametrize("number", range(len(PROTEINS)))
def test_every_output_equals_fair_esm(backend, files, number):
    spec, record = backend.spec, ProteinRecord("protein", PROTEINS[number])
    heads = [KeepHeads(layer, tuple(range(spec.n_heads))) for layer in range(1, spec.n_layers + 1)]
    has_contacts = "contacts" in spec.provides
    request = Request(
        logits=True,
        layers=tuple(range(spec.n_layers + 1)),
        probes=(*heads, *([ContactHead()] if has_contacts else [])),
    )
    [found] = backend.run([record], request)
    with np.load(files / f"{spec.name}-{number}.npz") as expected:
        near(found.logits, expected["logits"][:, list(AMINO_ACID_TOKENS)])
        near(found.hidden_states, expected["hidden"])
        near(np.stack([found.probes[probe.key] for probe in heads]), expected["attentions"])
        if has_contacts:
            near(found.probes["contacts"], expected["contacts"])
        [(_, masked)] = backend.run_masked(sites(record, [MASKED]))
        near(masked[0], expected["masked"][list(AMINO_ACID_TOKENS)])
        assert expected["attentions"].max() > 0.3  # far from uniform, or the comparison says little


def near(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_contacts_are_offered_where_fair_esm_has_a_regression(backend):
    assert ("contacts" in backend.spec.provides) == ("esm1v" not in backend.spec.name)
