"""The catalogue's facts agree with each other and with the architectures they name."""

import pytest
import torch
import transformers

from esmviz.models import esm_package
from esmviz.models.catalog import CATALOG, CORE, MINI_FOLDER
from esmviz.models.folders import describe, has_trained_contacts
from esmviz.models.pins import HASHES, REVISIONS

HUB = [spec for spec in CATALOG.values() if spec.repo_id]
FOLDING = [spec for spec in HUB if spec.provides == {"structure"}]
LANGUAGE = [spec for spec in HUB if spec not in FOLDING]


def test_names_and_repositories_are_unique():
    assert list(CATALOG) == [spec.name for spec in CATALOG.values()]
    assert len({spec.repo_id for spec in HUB}) == len(HUB) == 18
    assert next(iter(CATALOG)) == "mini"


@pytest.mark.parametrize("spec", LANGUAGE, ids=lambda spec: spec.name)
def test_parameters_follow_from_the_shape(spec):
    sizes = {
        "hidden_size": spec.d_model,
        "num_hidden_layers": spec.n_layers,
        "num_attention_heads": spec.n_heads,
    }
    if spec.family == "esm3" and not esm_package.is_installed():
        pytest.skip(f"the esm package is not installed: {esm_package.COMMAND}")
    with torch.device("meta"):
        if spec.family == "esm3":
            from esm.models.esm3 import ESM3

            model = ESM3(spec.d_model, spec.n_heads, 256, spec.n_layers, None, None, None, None)
        elif spec.family == "esmc":
            inner = -(-spec.d_model * 8 // 3 // 256) * 256
            model = transformers.EsmcForMaskedLM(transformers.EsmcConfig(**sizes, intermediate_size=inner))
        else:
            is_elder = spec.max_residues is not None
            config = transformers.EsmConfig(
                **sizes,
                intermediate_size=4 * spec.d_model,
                vocab_size=33,
                mask_token_id=32,
                pad_token_id=1,
                position_embedding_type="absolute" if is_elder else "rotary",
                max_position_embeddings=1026,
                emb_layer_norm_before=is_elder and "contacts" in spec.provides,
            )
            assert has_trained_contacts(config.to_dict()) == ("contacts" in spec.provides)
            model = transformers.EsmForMaskedLM(config)
    if spec.family != "esm3":
        model.tie_weights()
    assert sum(p.numel() for p in model.parameters()) == spec.n_parameters


def test_contacts_are_offered_where_a_regression_was_trained():
    for spec in LANGUAGE:
        is_esm1v = "esm1v" in spec.repo_id
        assert ("contacts" in spec.provides) == (spec.family == "esm" and not is_esm1v)
        assert spec.provides >= CORE


def test_folding_models_are_of_the_shape_they_name():
    one, two = FOLDING
    config = transformers.EsmConfig(
        hidden_size=one.d_model,
        num_hidden_layers=one.n_layers,
        num_attention_heads=one.n_heads,
        intermediate_size=4 * one.d_model,
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        position_embedding_type="rotary",
        is_folding_model=True,
        esmfold_config={"trunk": {"pairwise_state_dim": one.d_pair}},
    )
    with torch.device("meta"):
        models = (
            transformers.EsmForProteinFolding(config),
            transformers.EsmFold2Model(transformers.EsmFold2Config()),
        )
    for spec, model in zip(FOLDING, models, strict=True):
        assert sum(p.numel() for p in model.parameters()) == spec.n_parameters
    language = models[1].config.esmc_config
    sizes = language.num_hidden_layers, language.num_attention_heads, language.hidden_size
    assert sizes == (two.n_layers, two.n_heads, two.d_model)
    assert models[1].config.pairwise_hidden_size == two.d_pair
    assert (
        models[1].config.structure_head.num_diffusion_samples == 8
    )  # what fold_memory.PAIR_STATES counts on


def test_learned_positions_end_at_1022():
    limits = {spec.repo_id: spec.max_residues for spec in HUB if spec.max_residues is not None}
    members = [f"facebook/esm1v_t33_650M_UR90S_{number}" for number in range(1, 6)]
    assert limits == dict.fromkeys(["facebook/esm1b_t33_650M_UR50S", *members], 1022)


def test_an_ensemble_is_its_members():
    [ensemble] = [spec for spec in CATALOG.values() if spec.members]
    members = [CATALOG[name] for name in ensemble.members]
    assert len(members) == len({member.repo_id for member in members}) == 5
    assert ensemble.provides == {"logits"}
    assert ensemble.n_parameters == sum(member.n_parameters for member in members)
    for field in ("n_layers", "n_heads", "d_model", "max_residues", "trained_residues", "licence"):
        assert {getattr(member, field) for member in members} == {getattr(ensemble, field)}


def test_revisions_and_hashes_are_whole():
    unpinned = {spec.repo_id for spec in HUB} - REVISIONS.keys()
    elders = {spec.repo_id for spec in HUB if spec.max_residues is not None}
    assert unpinned == {"facebook/esm2_t48_15B_UR50D"} | elders
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
