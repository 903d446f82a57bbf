"""Numbers of the real models, where their weights can be had: in ESMVIZ_MODELS_DIR or in the hub's cache."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from esmviz.errors import EsmvizError
from esmviz.models.base import AMINO_ACID_TOKENS
from esmviz.models.cache import ModelCache
from esmviz.types import ContactHead, ProteinRecord, Request

pytestmark = pytest.mark.weights

GOLDEN = Path(__file__).parents[3] / "shared" / "data" / "golden"


@pytest.fixture(scope="module")
def golden():
    if not (GOLDEN / "golden_numbers.json").is_file():
        pytest.skip("shared/data/golden is not beside this checkout")
    return json.loads((GOLDEN / "golden_numbers.json").read_text())


@pytest.fixture(scope="module")
def models():
    folder = os.environ.get("ESMVIZ_MODELS_DIR")
    return ModelCache(models_dir=Path(folder) if folder else None, device="cpu", offline=True)


def backend(models, name):
    try:
        return models.backend(name)
    except EsmvizError as error:
        pytest.skip(str(error))


def one(backend, sequence, request):
    [output] = backend.run([ProteinRecord("golden", sequence)], request)
    return output


LAST = Request(logits=True, layers=(-1,), pooling="mean", keep_residues=True)


def test_esm2_8m_float32(golden, models):
    model = backend(models, "esm2-8m")
    facts = golden["esm_bridge_rust_esm2_t6_8M"]
    np.testing.assert_allclose(
        one(model, facts["sequence"], LAST).pooled[0, :8], facts["mean[:8]"], atol=1e-3
    )
    facts = golden["hf_transformers_esm2_t6_8M"]["encoder"]
    hidden = one(model, facts["sequence"], LAST).hidden_states[0]
    np.testing.assert_allclose(hidden[:2, :3], np.array(facts["last_hidden_state[0,:3,:3]"])[1:], atol=1e-4)


def test_esm2_650m_float32(golden, models):
    model = backend(models, "esm2-650m")
    facts = golden["biolm_docs_esm2_650M"]
    request = Request(logits=True, layers=(33,), pooling="mean", probes=(ContactHead(),))
    output = one(model, facts["sequence"], request)
    np.testing.assert_allclose(output.pooled[0, :3], facts["mean_representations[33][:3]"], atol=1e-3)
    np.testing.assert_allclose(output.probes["contacts"][0, :3], facts["contacts[0][:3]"], atol=1e-3)
    lag = [list(AMINO_ACID_TOKENS).index(token) for token in (4, 5, 6)]
    np.testing.assert_allclose(
        output.logits[0, lag], facts["logits[0][:3] (order L,A,G of 20 aa)"], atol=1e-2
    )


@pytest.mark.parametrize(
    ("name", "file", "distance", "cosine"),
    [
        ("esm2-8m", "esm2_8m", 1e-2, 0.999),
        ("esm2-35m", "esm2_35m", 1e-2, 0.999),
        ("esm2-150m", "esm2_150m", 1e-2, 0.999),
        ("esmc-300m", "esmc_small", 2.9e-2, 0.997),
    ],
)
def test_outputs_of_the_official_code(golden, models, name, file, distance, cosine):
    from safetensors.torch import load_file

    model = backend(models, name)
    tensors = load_file(GOLDEN / f"{file}.safetensors")
    for row, sequence in enumerate(golden["fastplms"]["sequences"]):
        output = one(model, sequence, LAST)
        hidden = tensors["output__last_hidden_state"][row, 1 : len(sequence) + 1].float().numpy()
        logits = (
            tensors["output__logits"][row, 1 : len(sequence) + 1].float().numpy()[:, list(AMINO_ACID_TOKENS)]
        )
        for ours, theirs in ((output.hidden_states[0], hidden), (output.logits, logits)):
            assert np.linalg.norm(ours - theirs) <= distance * np.linalg.norm(theirs)
            norms = np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
            assert ((ours * theirs).sum(-1) / norms).min() >= cosine
