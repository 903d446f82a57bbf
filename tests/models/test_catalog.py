"""The catalogue's facts agree with each other and with the architectures they name."""

import pytest
import torch
import transformers

from esmviz.models.catalog import CATALOG, CORE, HASHES, MINI_FOLDER, REVISIONS
from esmviz.models.folders import describe

HUB = [spec for spec in CATALOG.values() if spec.repo_id]


def test_names_and_repositories_are_unique():
    assert list(CATALOG) == [spec.name for spec in CATALOG.values()]
    assert len({spec.repo_id for spec in HUB}) == len(HUB) == 9
    assert next(iter(CATALOG)) == "mini"


@pytest.mark.parametrize("spec", HUB, ids=lambda spec: spec.name)
def test_parameters_follow_from_the_shape(spec):
    sizes = {
        "hidden_size": spec.d_model,
        "num_hidden_layers": spec.n_layers,
        "num_attention_heads": spec.n_heads,
    }
    with torch.device("meta"):
        if spec.family == "esmc":
            inner = -(-spec.d_model * 8 // 3 // 256) * 256
            model = transformers.EsmcForMaskedLM(transformers.EsmcConfig(**sizes, intermediate_size=inner))
        else:
            config = transformers.EsmConfig(
                **sizes,
                intermediate_size=4 * spec.d_model,
                vocab_size=33,
                mask_token_id=32,
                pad_token_id=1,
                position_embedding_type="rotary",
                emb_layer_norm_before=False,
            )
            model = transformers.EsmForMaskedLM(config)
    model.tie_weights()
    assert sum(p.numel() for p in model.parameters()) == spec.n_parameters


def test_contacts_are_offered_where_a_regression_was_trained():
    for spec in HUB:
        assert ("contacts" in spec.provides) == (spec.family == "esm")
        assert spec.provides >= CORE


def test_revisions_and_hashes_are_whole():
    assert {spec.repo_id for spec in HUB} - REVISIONS.keys() == {"facebook/esm2_t48_15B_UR50D"}
    assert REVISIONS.keys() == HASHES.keys()
    digits = set("0123456789abcdef")
    for revision in REVISIONS.values():
        assert len(revision) == 40
        assert set(revision) <= digits
    for files in HASHES.values():
        assert "config.json" in files
        assert len(files) > 1
        for value in files.values():
            assert len(value) in (40, 64)
            assert set(value) <= digits


def test_the_embedded_model_is_what_its_folder_holds():
    if not (MINI_FOLDER / "model.safetensors").is_file():
        pytest.skip("the embedded model is not in this checkout")
    spec, found = CATALOG["mini"], describe(MINI_FOLDER, "mini")
    for field in ("n_layers", "n_heads", "d_model", "n_parameters", "trained_residues", "family"):
        assert getattr(spec, field) == getattr(found, field)
    assert not spec.max_residues
