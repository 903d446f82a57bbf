"""Numbers of the real models, where their weights can be had: in ESMVIZ_MODELS_DIR or in the hub's cache."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest

from esmviz.analysis.mutations import mutation_scores
from esmviz.errors import EsmvizError
from esmviz.models.base import AMINO_ACID_TOKENS
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.types import AMINO_ACIDS, ContactHead, ProteinRecord, Request

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


LOGITS = Request(logits=True)
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


@pytest.mark.parametrize(("name", "key"), [("esm1b", "esm1b"), ("esm1v-1", "esm1v")])
def test_last_layer_of_the_elders(golden, models, name, key):
    """bio_embeddings' reference files, after the final norm; its tolerance is 1e-3 of a value."""
    model = backend(models, name)
    for sequence, facts in golden["bio_embeddings_layer33"]["values"][key].items():
        output = one(model, sequence, LAST)
        close = {"rtol": 1e-3, "atol": 1e-4}
        assert list(output.hidden_states[0].shape) == facts["shape"]
        np.testing.assert_allclose(output.hidden_states[0, 0, :8], facts["[0,:8]"], **close)
        np.testing.assert_allclose(output.pooled[0, :4], facts["mean[:4]"], **close)


MEMBERS = CATALOG["esm1v"].members
ROUNDING = 5e-3  # of a GPU that nobody named


@pytest.fixture(scope="module")
def wild_type(golden):
    """TEM-1 of fair-esm's example: mature chain, numbered from 24."""
    return golden["esm1v_BLAT_wt_marginals"]


def score(model, facts):
    """Score of a mutation like H24C: wild-type marginals."""
    scores = mutation_scores(one(model, facts["sequence"], LOGITS).logits, facts["sequence"])
    first = facts["offset_idx"]

    def of(mutant):
        wild, index, letter = mutant[0], int(mutant[1:-1]) - first, mutant[-1]
        assert facts["sequence"][index] == wild
        return float(scores[index, AMINO_ACIDS.index(letter)])

    return of


@pytest.mark.parametrize(("name", "number"), [(name, i) for i, name in enumerate(MEMBERS, 1)])
def test_mutations_as_scored_by_the_authors_of_esm1v(wild_type, models, name, number):
    of = score(backend(models, name), wild_type)
    for mutant in ("H24C", "H24E"):
        assert of(mutant) == pytest.approx(wild_type[mutant][f"esm1v_t33_650M_UR90_{number}"], abs=ROUNDING)
    expected = wild_type["spearman_vs_2500"][f"esm1v_t33_650M_UR90_{number}"]
    assert spearman(of, wild_type) == pytest.approx(expected, abs=1e-3)


def test_the_ensemble_scores_the_mean_of_the_authors_scores(wild_type, models):
    of = score(backend(models, "esm1v"), wild_type)
    for mutant in ("H24C", "H24E"):
        assert of(mutant) == pytest.approx(np.mean(list(wild_type[mutant].values())), abs=ROUNDING)
    assert spearman(of, wild_type) == pytest.approx(wild_type["spearman_vs_2500"]["mean_of_5"], abs=1e-3)


def spearman(of, facts):
    """Against the measurement at 2,500 ug/ml of ampicillin, ProteinGym's DMS_score (Stiffler et al. 2015)."""
    from scipy.stats import spearmanr

    path = GOLDEN.parent / "dms" / "BLAT_ECOLX_Stiffler_2015.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == facts["n_mutants"]
    return spearmanr([of(row["mutant"]) for row in rows], [float(row["DMS_score"]) for row in rows]).statistic
