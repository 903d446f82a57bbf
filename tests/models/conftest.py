"""Checkpoints of the true architectures: small, random, and sharp enough that attention is far from uniform."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from esmviz.models.base import ModelStatus
from esmviz.models.folders import describe
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ProteinRecord

KINDS = ("esm2", "esm1b", "esm1v", "esmc")
ELDERS = ("esm1b", "esm1v")  # absolute positions
MEMBERS = ("member-1", "member-2", "member-3")


def build(kind, seed=7):
    """A model as transformers makes it, in eager mode."""
    import torch
    import transformers

    torch.manual_seed(seed)
    common = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    if kind == "esmc":
        model = transformers.EsmcForMaskedLM(
            transformers.EsmcConfig(**common, attn_implementation="eager"),
        )
    else:
        config = transformers.EsmConfig(
            **common,
            vocab_size=33,
            mask_token_id=32,
            pad_token_id=1,
            bos_token_id=0,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=1e-5,
            token_dropout=True,
            max_position_embeddings=64 if kind in ELDERS else 1026,
            position_embedding_type="absolute" if kind in ELDERS else "rotary",
            emb_layer_norm_before=kind == "esm1b",
            attn_implementation="eager",
        )
        model = transformers.EsmForMaskedLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.35)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                weight.fill_(2.0)
            if "contact_head" in name:
                weight.normal_(0, 3.0)
    return model.eval()


def attend_eagerly(model):
    model.set_attn_implementation("eager")
    return model


@pytest.fixture(scope="session")
def references():
    """The same weights in transformers' own hands, by kind."""
    return {kind: attend_eagerly(build(kind)) for kind in KINDS}


@pytest.fixture(scope="session")
def saved(tmp_path_factory, references):
    """Folder of each kind as ``save_pretrained`` writes it; never write into it."""
    root = tmp_path_factory.mktemp("checkpoints")
    for kind, model in references.items():
        model.save_pretrained(root / kind)
    return root


@pytest.fixture(scope="session")
def members(tmp_path_factory):
    """A folder of three ESM-1v that differ, and transformers' models by their names."""
    root = tmp_path_factory.mktemp("members")
    models = {name: build("esm1v", seed) for seed, name in enumerate(MEMBERS)}
    for name, model in models.items():
        model.save_pretrained(root / name)
    return root, models


@pytest.fixture(scope="session")
def ensemble(members):
    """The catalogue's facts about an ensemble of these members."""
    root, _ = members
    spec = describe(root / MEMBERS[0], "together")
    return replace(
        spec,
        members=MEMBERS,
        provides=frozenset({"logits"}),
        n_parameters=len(MEMBERS) * spec.n_parameters,
    )


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the ESM-2 folder that a test may spoil."""
    return shutil.copytree(saved / "esm2", tmp_path / "spoilt")


@pytest.fixture(scope="session")
def backends(saved):
    """Our backend of each kind; rows of at most 64 tokens, so that several are needed."""
    from esmviz.models.checkpoints import load
    from esmviz.models.transformer import TransformerBackend

    result = {}
    for kind in KINDS:
        spec = describe(saved / kind, kind)
        result[kind] = TransformerBackend(spec, "0" * 64, load(saved / kind, spec, "cpu"), max_tokens=64)
    return result


class Loaded:
    """Loaded backends by name, as an ensemble takes them from ModelCache; remembers who was asked."""

    def __init__(self, backends):
        self.backends, self.asked, self.all_fit = backends, [], True

    def backend(self, name):
        self.asked.append(name)
        return self.backends[name]

    def status(self, name):
        return ModelStatus(True, self.all_fit, 0, 0, True)


@pytest.fixture(scope="session")
def loaded(members):
    """The members in memory."""
    from esmviz.models.checkpoints import load
    from esmviz.models.transformer import TransformerBackend

    root, _ = members
    specs = {name: describe(root / name, name) for name in MEMBERS}
    networks = {name: load(root / name, spec, "cpu") for name, spec in specs.items()}
    return {
        name: TransformerBackend(specs[name], name.ljust(64, "0"), network, max_tokens=64)
        for name, network in networks.items()
    }


@pytest.fixture
def cache_of_members(loaded):
    return Loaded(loaded)


@pytest.fixture(scope="session")
def together(ensemble, loaded):
    """The ensemble's backend."""
    from esmviz.models.ensemble import EnsembleBackend

    revisions = [backend.revision for backend in loaded.values()]
    return EnsembleBackend(ensemble, revisions, Loaded(loaded), max_tokens=64)


@pytest.fixture(scope="session")
def esm3_backend(esm3_folder):
    """Our backend of it; rows of at most 64 tokens, so that several are needed."""
    from esmviz.models.checkpoints import load
    from esmviz.models.transformer import TransformerBackend

    spec = describe(esm3_folder, "esm3")
    return TransformerBackend(spec, "0" * 64, load(esm3_folder, spec, "cpu"), max_tokens=64)


@pytest.fixture
def edit_config(folder):
    """Change fields of the spoilt folder's config; None removes one."""

    def edit(**fields):
        config = json.loads((folder / "config.json").read_text()) | fields
        config = {key: value for key, value in config.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(config))

    return edit


def protein(length, seed=0, name=None):
    letters = np.random.default_rng([seed, length]).choice(list(AMINO_ACIDS), length)
    return ProteinRecord(name or f"p{length}-{seed}", "".join(letters))


@pytest.fixture(scope="session")
def mixed():
    """Nine proteins of 1 to 40 residues, some of equal length, one with every letter."""
    every = ProteinRecord("every", AMINO_ACIDS + AMBIGUOUS)
    return [*(protein(n, i) for i, n in enumerate((40, 7, 7, 1, 2, 33, 12, 12))), every]
