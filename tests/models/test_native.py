"""Files of the models' own packages: the same numbers as the Hugging Face folder, or no numbers at all."""

import argparse
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from esmviz.errors import CorruptCheckpointError, OutputNotProvidedError
from esmviz.models.base import AMINO_ACID_TOKENS, tokens
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.models.checkpoints import load
from esmviz.models.folders import describe
from esmviz.models.transformer import TransformerBackend
from esmviz.models.weights import revision, weight_files
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ContactHead, ProteinRecord, Request

RECORD = ProteinRecord("every", AMINO_ACIDS + AMBIGUOUS)
EVERYTHING = Request(logits=True, layers=(0, 1, 2, 3))
WITH_CONTACTS = Request(logits=True, layers=(0, 1, 2, 3), probes=(ContactHead(),))
CONTACTS = "esm.contact_head.regression"

# Written out, not computed: what the loader does backwards. One name of transformers, one of fair-esm.
NAMES = {
    "esm.embeddings.word_embeddings.weight": "encoder.sentence_encoder.embed_tokens.weight",
    "esm.embeddings.position_embeddings.weight": "encoder.sentence_encoder.embed_positions.weight",
    "esm.embeddings.layer_norm": "encoder.sentence_encoder.emb_layer_norm_before",
    "esm.encoder.emb_layer_norm_after": "encoder.sentence_encoder.emb_layer_norm_after",
    "esm.encoder.layer": "encoder.sentence_encoder.layers",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    ".output.dense": ".fc2",
    ".LayerNorm": ".final_layer_norm",
    "lm_head.decoder.weight": "lm_head.weight",
    "lm_head": "encoder.lm_head",
    CONTACTS: "contact_head.regression",
}


def fair_esm(model, kind):
    """What fair-esm's two files of a model hold."""
    state = {}
    for name, x in model.state_dict().items():
        if name.endswith("inv_freq"):
            state |= {f"encoder.sentence_encoder.layers.{n}.self_attn.rot_emb.inv_freq": x for n in range(3)}
            continue
        for ours, theirs in NAMES.items():
            name = name.replace(ours, theirs)
        state[name] = x
    regression = {name: state.pop(name) for name in list(state) if name.startswith("contact_head")}
    settings = {
        "encoder_layers": 3,
        "encoder_embed_dim": 32,
        "encoder_attention_heads": 4,
        "token_dropout": True,
    }
    if kind == "esm2":
        head = {"cfg": {"model": argparse.Namespace(**settings)}}
    else:
        head = {"args": argparse.Namespace(**settings, arch="roberta_large", max_positions=62)}
    return {**head, "model": state}, {"model": regression}


def write(folder, name, kind, references, **how):
    content, regression = fair_esm(references[kind], kind)
    torch.save(content, folder / f"{name}.pt", **how)
    if kind != "esm1v":
        torch.save(regression, folder / f"{name}-contact-regression.pt", **how)
    return folder / f"{name}.pt"


@pytest.fixture
def path(tmp_path, references):
    """ESM-2's file and its regression, which a test may spoil."""
    return write(tmp_path, "esm2_t3", "esm2", references)


def change(path, what):
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, weights_only=True)
    what(content)
    torch.save(content, path)


def run(path, request=EVERYTHING):
    spec = describe(path, "own")
    [output] = TransformerBackend(spec, "", load(path, spec, "cpu")).run([RECORD], request)
    return output


def refused(path, match):
    with pytest.raises(CorruptCheckpointError, match=match):
        run(path)


def assert_same(found, expected):
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.hidden_states, expected.hidden_states)
    for key, probe in expected.probes.items():
        np.testing.assert_array_equal(found.probes[key], probe)


@pytest.mark.parametrize("kind", ["esm2", "esm1b"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_fair_esm_gives_the_same_numbers(saved, references, tmp_path, kind, as_zip):
    path = write(tmp_path, "x", kind, references, _use_new_zipfile_serialization=as_zip)
    assert_same(run(path, WITH_CONTACTS), run(saved / kind, WITH_CONTACTS))


@pytest.mark.parametrize("kind", ["esm2", "esm1b"])
def test_fair_esm_is_described_as_the_same_model(saved, references, tmp_path, kind):
    path = write(tmp_path, "x", kind, references)
    assert describe(path, "own") == describe(saved / kind, "own")


def test_esm1v_has_no_contacts_even_beside_a_regression(saved, references, tmp_path, path):
    own = write(tmp_path, "esm1v_t3_1", "esm1v", references)
    assert_same(run(own), run(saved / "esm1v"))
    for _ in range(2):
        spec = describe(own, "own")
        assert (spec.n_layers, spec.n_heads, spec.max_residues) == (3, 4, 60)
        assert "contacts" not in spec.provides
        assert load(own, spec, "cpu").contact_regression() is None
        shutil.copy(tmp_path / "esm2_t3-contact-regression.pt", tmp_path / "esm1v_t3_1-contact-regression.pt")


def test_contacts_are_offered_only_with_the_second_file(path):
    assert weight_files(path) == [path, path.with_name("esm2_t3-contact-regression.pt")]
    assert "contacts" in describe(path, "own").provides
    before = revision(path)
    weight_files(path)[1].unlink()
    assert "contacts" not in describe(path, "own").provides
    assert revision(path) != before
    assert run(path).logits.shape == (len(RECORD), 20)
    with pytest.raises(OutputNotProvidedError):
        run(path, WITH_CONTACTS)


def test_the_regression_of_another_model_is_refused(path):
    torch.save(
        {"model": {"contact_head.regression.weight": torch.zeros(1, 660)}},
        path.with_name("esm2_t3-contact-regression.pt"),
    )
    refused(path, rf"in another shape: {CONTACTS}\.weight")


def test_rotary_frequencies_are_the_files(path):
    before = run(path).logits
    name = "encoder.sentence_encoder.layers.0.self_attn.rot_emb.inv_freq"  # of one storage with the others
    change(path, lambda content: content["model"][name].mul_(1.1))
    assert np.abs(run(path).logits - before).max() > 0.01


def test_half_precision_becomes_float32(path):
    before = run(path).logits
    change(path, lambda content: content.update(model={k: x.half() for k, x in content["model"].items()}))
    network = load(path, describe(path, "own"), "cpu")
    assert network.words.dtype == network.blocks[0].query_key_value.weight.dtype == torch.float32
    np.testing.assert_allclose(run(path).logits, before, atol=0.2)


FC2 = "encoder.sentence_encoder.layers.1.fc2.weight"
EMBEDDING = "encoder.sentence_encoder.embed_tokens.weight"


@pytest.mark.parametrize(
    ("what", "match"),
    [
        (lambda m: m.pop(FC2), r"lacks: esm\.encoder\.layer\.1\.output\.dense\.weight"),
        (lambda m: m.pop(EMBEDDING), r"lacks a part of its layout: 'embed_tokens\.weight'"),
        (lambda m: m.pop("encoder.lm_head.weight"), r"lacks lm_head\.weight"),
        (lambda m: m.update({"encoder.lm_head.weight": torch.ones(33, 32)}), "differs from embed_tokens"),
        (lambda m: m.update({FC2: torch.zeros(3, 3)}), r"in another shape: esm\.encoder\.layer\.1\.output"),
        (lambda m: m.update(stranger=torch.zeros(2)), "beyond the model's: .*stranger"),
        (
            lambda m: m.update({"encoder.sentence_encoder.embed_positions.weight": torch.zeros(1026, 32)}),
            "beyond",
        ),
        (lambda m: m.pop("encoder.sentence_encoder.layers.1.self_attn.rot_emb.inv_freq"), "rot_emb.inv_freq"),
        (
            lambda m: m["encoder.sentence_encoder.layers.1.self_attn.rot_emb.inv_freq"].add_(1),
            "rot_emb.inv_freq",
        ),
        (lambda m: m.clear(), "lacks a part of its layout"),
        (lambda m: m.update({EMBEDDING: "no tensor"}), "lacks a part of its layout|no checkpoint"),
    ],
)
def test_a_tensor_missing_too_many_or_of_another_shape_is_refused(path, what, match):
    def spoil(content):
        content["model"] = {name: x.clone() for name, x in content["model"].items()}
        what(content["model"])

    change(path, spoil)
    refused(path, match)


@pytest.mark.parametrize(
    "arch", ["protein_bert_base", "msa_transformer", "vt_medium_with_invariant_gvp", None]
)
def test_another_architecture_of_fair_esm_is_refused_by_name(references, tmp_path, arch):
    path = write(tmp_path, "x", "esm1b", references)
    change(path, lambda content: setattr(content["args"], "arch", arch))
    refused(path, f"x.pt is {arch}, which esmviz cannot load")


class Bomb:
    def __reduce__(self):
        return (print, ("a pickle ran",))


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_file_with_anything_else_inside_is_refused(path, capsys, as_zip):
    change(path, lambda content: setattr(content["cfg"]["model"], "task", [1]))
    assert run(path).logits is not None
    with torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, weights_only=True)
    content["cfg"]["model"].task = Bomb()
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    refused(path, "print, which is neither a tensor nor a setting")
    assert "a pickle ran" not in capsys.readouterr().out


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("n_bytes", [0, 100, 20_000, -1000, -1])
def test_a_truncated_file_is_refused(references, tmp_path, as_zip, n_bytes):
    path = write(tmp_path, "x", "esm2", references, _use_new_zipfile_serialization=as_zip)
    path.write_bytes(path.read_bytes()[:n_bytes])
    refused(path, r"x\.pt (is truncated|cannot be loaded)")


@pytest.mark.parametrize(
    "content", [{"weight": torch.zeros(2)}, {"model": {}}, [torch.zeros(2)], torch.zeros(2), None]
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pt")
    refused(tmp_path / "x.pt", r"x\.pt is no checkpoint of fair-esm")


# --- where the files may be -----------------------------------------------------------------------------------------


@pytest.fixture
def models_dir(tmp_path, references, saved):
    root = tmp_path / "models"
    for name in ("folder", "both", "two", "trained"):
        (root / name).mkdir(parents=True)
    write(root, "esm2_t3", "esm2", references)
    write(root, "esm2-8m", "esm2", references)
    write(root, "both", "esm2", references)
    write(root / "folder", "anything", "esm1b", references)
    write(root / "two", "a", "esm2", references)
    write(root / "two", "b", "esm2", references)
    shutil.copytree(saved / "esm2", root / "trained", dirs_exist_ok=True)
    (root / "trained" / "optimizer.pt").write_bytes(b"left by a training run")
    (root / "junk.pth").write_bytes(b"no checkpoint")
    return root


def test_files_and_folders_of_files_are_models(models_dir):
    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True)
    specs = cache.specs()
    own = {"both", "both.pt", "esm2_t3", "folder", "junk", "trained", "two"}
    assert own == specs.keys() - CATALOG.keys()
    for name in ("esm2_t3", "both.pt", "folder", "trained"):
        assert specs[name].n_layers == 3
        assert cache.status(name).present
        assert cache.backend(name).spec.revision == revision(cache._local.path_of(name))
    assert "no weights" in specs["both"].note or "config.json" in specs["both"].note
    assert "holds several checkpoints: a.pt, b.pt" in specs["two"].note
    for name in ("junk", "two", "both"):
        assert not cache.status(name).fits
        assert cache.status(name).reason == specs[name].note
        with pytest.raises(CorruptCheckpointError):
            cache.backend(name)


def test_a_file_named_like_a_catalogue_model_must_be_that_model(models_dir):
    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True)
    assert cache.status("esm2-8m").present
    with pytest.raises(CorruptCheckpointError, match="its n_layers is 3, not 6"):
        cache.backend("esm2-8m")


def test_a_model_of_the_catalogue_without_its_second_file_offers_no_contacts(models_dir):
    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True)
    assert "contacts" in cache.spec("esm2-8m").provides & cache.specs()["esm2-8m"].provides
    (models_dir / "esm2-8m-contact-regression.pt").unlink()
    assert "contacts" not in cache.spec("esm2-8m").provides | cache.specs()["esm2-8m"].provides


def test_a_path_is_a_name_where_paths_are_allowed(models_dir):
    cache = ModelCache(device="cpu", offline=True, allow_paths=True)
    path = str(models_dir / "esm2_t3.pt")
    assert cache.spec(path).n_layers == 3
    [output] = cache.backend(path).run([RECORD], Request(logits=True))
    assert output.logits.shape == (len(RECORD), 20)
    (models_dir / "notes.txt").write_text("mine")
    with pytest.raises(CorruptCheckpointError, match=r"notes\.txt"):
        cache.backend(str(models_dir / "notes.txt"))


def test_describing_imports_no_torch(models_dir):
    code = (
        "import sys, pathlib, esmviz.models.cache as c\n"
        "specs = c.ModelCache(models_dir=pathlib.Path(sys.argv[1])).specs()\n"
        "assert specs['esm2_t3'].n_layers == 3 and 'contacts' in specs['esm2_t3'].provides\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, models_dir], check=False).returncode == 0


# --- ESM C ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def esmc():
    """A small ESM C by the esm package's own modules."""
    models = pytest.importorskip("esm.models.esmc", reason="the package esm is not installed: make install")
    tokenization = pytest.importorskip("esm.tokenization")
    torch.manual_seed(5)
    model = models.ESMC(128, 2, 3, tokenization.get_esmc_model_tokenizers(), use_flash_attn=False).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.2)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
            elif name.endswith(("q_ln.weight", "k_ln.weight")):
                weight.fill_(2.0)
    return model


@pytest.fixture
def pth(esmc, tmp_path):
    """Where EvolutionaryScale's repositories keep it."""
    path = tmp_path / "esmc-small" / "data" / "weights" / "esmc_small_v0.pth"
    path.parent.mkdir(parents=True)
    torch.save(esmc.state_dict(), path)
    return path


@torch.inference_mode()
def test_esmc_gives_the_numbers_of_the_esm_package(esmc, pth, tmp_path, assert_states_close):
    spec = describe(tmp_path / "esmc-small", "own")
    assert (spec.family, spec.n_layers, spec.n_heads, spec.d_model) == ("esmc", 3, 2, 128)
    assert spec.n_parameters == sum(p.numel() for p in esmc.parameters())
    output = run(tmp_path / "esmc-small")
    expected = esmc(torch.from_numpy(np.asarray(tokens(RECORD)))[None])
    logits = expected.sequence_logits[0, 1:-1, list(AMINO_ACID_TOKENS)]
    np.testing.assert_allclose(output.logits, logits, rtol=0, atol=1e-4)
    np.testing.assert_allclose(output.hidden_states[3], expected.embeddings[0, 1:-1], rtol=0, atol=1e-4)
    # The package gives the last one before the norm.
    assert_states_close(output.hidden_states[1:3], expected.hidden_states[:2, 0, 1:-1])


@pytest.mark.parametrize(
    ("what", "match"),
    [
        (
            lambda m: m.pop("transformer.blocks.1.attn.q_ln.weight"),
            r"lacks: esmc\.layers\.1\.self_attn\.q_norm",
        ),
        (lambda m: m.update(stranger=torch.zeros(2)), "beyond the model's: .*stranger"),
        (lambda m: m.update({"transformer.blocks.1.ffn.1.weight": torch.zeros(1025, 128)}), "another shape"),
        (
            lambda m: m.update({"transformer.blocks.1.attn.layernorm_qkv.1.weight": torch.tensor(1.0)}),
            "layout",
        ),
        (lambda m: m.update({"embed.weight": torch.zeros(64, 100)}), "100 wide; the heads of ESM C have 64"),
        (lambda m: m.pop("embed.weight"), "lacks a part of its layout"),
        (lambda m: m.pop("sequence_head.0.weight"), "no checkpoint of fair-esm"),
    ],
)
def test_a_spoilt_esmc_is_refused(pth, what, match):
    change(pth, what)
    refused(pth, match)
