"""ModelCache: names, presence, memory, loading once."""

import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from esmviz.errors import CorruptCheckpointError, ModelUnavailableError, UnknownModelError
from esmviz.models import checkpoints, local, memory
from esmviz.models.base import AMINO_ACID_TOKENS, tokens
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.types import ProteinRecord, Request

GIB = 2**30


@pytest.fixture
def models_dir(saved, tmp_path):
    """Three good checkpoints, one broken, and a file that is no folder."""
    root = tmp_path / "models"
    for kind, name in {"esm1b": "elder", "esm2": "esm2", "esmc": "esmc"}.items():
        shutil.copytree(saved / kind, root / name)
    (root / "broken").mkdir()
    (root / "notes.txt").write_text("mine")
    return root


@pytest.fixture
def cache(models_dir, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return ModelCache(models_dir=models_dir, device="cpu", offline=True)


def test_specs_are_the_catalogue_and_the_folders(cache):
    assert list(cache.specs()) == [*CATALOG, "broken", "elder", "esm2", "esmc"]


def test_folders_of_other_programs_are_no_models(cache, models_dir):
    (models_dir / ".git").mkdir()
    assert ".git" not in cache.specs()
    (models_dir / ".git").rmdir()


def test_a_folder_called_snapshots_makes_no_commit_of_a_name(models_dir, tmp_path):
    shutil.copytree(models_dir / "esm2", tmp_path / "snapshots" / "mine")
    backend = ModelCache(models_dir=tmp_path / "snapshots", device="cpu", offline=True).backend("mine")
    assert len(backend.revision) == 64


def test_a_checkpoint_that_did_not_change_is_not_read_again(cache, models_dir, monkeypatch):
    before = cache.specs()
    read = []
    monkeypatch.setattr(local, "describe", lambda path, name: read.append(name) or before[name])
    assert cache.specs() == before
    assert read == ["broken"]  # it may be whole by now
    read.clear()
    (models_dir / "esm2" / "card.json").write_text('{"licence": "mine"}')
    cache.specs()
    assert read == ["broken", "esm2"]


def test_what_replaces_a_checkpoint_is_seen(cache, models_dir, saved):
    assert cache.spec("esm2").family == "esm"
    shutil.rmtree(models_dir / "esm2")
    assert "esm2" not in cache.specs()
    shutil.copytree(saved / "esmc", models_dir / "esm2")
    assert cache.spec("esm2").family == "esmc"


def test_a_regression_that_comes_later_is_seen(saved, tmp_path):
    weights = tmp_path / "mine.pt"
    weights.write_bytes(b"")
    stamp = local._stamp(weights)
    (tmp_path / "mine-contact-regression.pt").write_bytes(b"")
    assert local._stamp(weights) != stamp
    (tmp_path / "nowhere.pt").symlink_to(tmp_path / "gone.pt")
    assert local._stamp(tmp_path / "nowhere.pt") is None


def test_a_folder_that_cannot_be_read_is_listed_with_its_reason(cache):
    assert cache.specs()["broken"].provides == frozenset()
    status = cache.status("broken")
    assert not status.present
    assert "has no config.json" in status.reason
    with pytest.raises(CorruptCheckpointError, match=r"has no config\.json"):
        cache.backend("broken")


def test_an_unknown_name_lists_the_models(cache, models_dir):
    for name in ("esm9", str(models_dir / "esm2"), "../models/esm2"):
        with pytest.raises(UnknownModelError, match=r"mini, esm2-8m.*esmc-6b, .*broken, elder, esm2, esmc"):
            cache.backend(name)


def test_paths_are_names_only_where_they_are_allowed(models_dir):
    path = str(models_dir / "esm2")
    cache = ModelCache(device="cpu", allow_paths=True, offline=True)
    assert cache.spec(path).n_layers == 3
    assert cache.backend(path).spec.name == path
    with pytest.raises(UnknownModelError, match="path of a checkpoint"):
        cache.spec(str(models_dir / "nothing"))


def test_a_model_loads_once_whoever_asks(cache, monkeypatch):
    load, calls = checkpoints.load, []
    monkeypatch.setattr(checkpoints, "load", lambda *a: calls.append(a) or load(*a))
    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.backend("esm2"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len({id(backend) for backend in found}) == 1
    assert len(found) == 4
    assert cache.status("esm2").loaded


def test_a_loaded_model_knows_its_revision(cache):
    backend = cache.backend("esmc")
    assert len(backend.revision) == 64
    assert backend.spec.revision == backend.revision
    [output] = backend.run([ProteinRecord("p", "MKV")], Request(logits=True))
    assert output.logits.shape == (3, 20)


def test_a_folder_named_like_a_catalogue_model_must_be_that_model(saved, models_dir, cache):
    shutil.copytree(saved / "esm2", models_dir / "esm2-8m")
    assert cache.specs()["esm2-8m"] == CATALOG["esm2-8m"]
    assert cache.status("esm2-8m").present
    with pytest.raises(CorruptCheckpointError, match="its n_layers is 3, not 6"):
        cache.backend("esm2-8m")


COMMIT = "c0ffee" + 34 * "0"
OLD_CONFIG = {  # what transformers 4.23 wrote besides the sizes
    "_name_or_path": "/tmp/esm",
    "architectures": ["EsmForMaskedLM"],
    "classifier_dropout": None,
    "esmfold_config": None,
    "is_folding_model": False,
    "torch_dtype": "float32",
    "transformers_version": "4.23.0.dev0",
    "use_cache": True,
    "vocab_list": None,
}


@pytest.fixture
def elder(references, monkeypatch):
    """Make a catalogue name mean a small model, and save it where the test says, as its hub repository is: with
    ``pytorch_model.bin`` alone, position ids, and the decoder tied to the embedding.
    """

    def save(name, kind, folder):
        folder.mkdir(parents=True)
        model = references[kind]
        embedding = model.esm.embeddings.word_embeddings.weight.detach().clone()
        extra = {"esm.embeddings.position_ids": torch.arange(64)[None], "lm_head.decoder.weight": embedding}
        model.config.save_pretrained(folder)
        config = json.loads((folder / "config.json").read_text()) | OLD_CONFIG
        (folder / "config.json").write_text(json.dumps(config))
        torch.save({**model.state_dict(), **extra}, folder / "pytorch_model.bin")
        small = {"n_layers": 3, "n_heads": 4, "d_model": 32, "max_residues": 60}
        small["n_parameters"] = sum(weight.numel() for weight in references[name[:5]].parameters())
        monkeypatch.setitem(CATALOG, name, replace(CATALOG[name], **small))
        return model

    return save


def same_as(backend, model):
    record = ProteinRecord("p", "MKVLAWGH")
    ids = torch.from_numpy(tokens(record))[None]
    with torch.inference_mode():
        expected = model(ids, attention_mask=torch.ones_like(ids)).logits[0, 1:-1, list(AMINO_ACID_TOKENS)]
    [output] = backend.run([record], Request(logits=True))
    np.testing.assert_allclose(output.logits, expected, rtol=0, atol=1e-4)
    return True


ELDERS = [("esm1b", "esm1b"), ("esm1v-1", "esm1v"), ("esm1v-5", "esm1v")]


@pytest.mark.parametrize(("name", "kind"), ELDERS)
def test_an_elder_loads_from_the_hubs_cache_and_states_its_commit(cache, elder, tmp_path, name, kind):
    """Of none of them a revision is pinned: the branch's commit, as the cache noted it, is the revision."""
    assert CATALOG[name].revision is None
    repo = tmp_path / "hub" / f"models--{CATALOG[name].repo_id.replace('/', '--')}"
    model = elder(name, kind, repo / "snapshots" / COMMIT)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    assert cache.status(name).present
    backend = cache.backend(name)
    assert backend.revision == backend.spec.revision == COMMIT
    assert same_as(backend, model)
    assert ("contacts" in backend.spec.provides) == (kind == "esm1b")


@pytest.mark.parametrize(("name", "kind"), ELDERS)
def test_an_elder_loads_from_a_folder_of_its_name(cache, elder, models_dir, name, kind):
    model = elder(name, kind, models_dir / name)
    assert cache.specs()[name] == CATALOG[name]
    assert cache.status(name).present
    backend = cache.backend(name)
    assert len(backend.revision) == 64
    assert same_as(backend, model)


@pytest.mark.parametrize(
    ("name", "kind", "differs"),
    [
        ("esm1b", "esm1v", r"it has [\d,]+ parameters, not"),
        ("esm1v-1", "esm1b", r"it has [\d,]+ parameters, not"),
        ("esm1b", "esm2", "its max_residues is None, not 60"),
    ],
)
def test_an_elder_is_not_taken_for_another(cache, elder, models_dir, name, kind, differs):
    """Layers, heads and width are the same; what differs are learned positions and the norm before the blocks."""
    elder(name, kind, models_dir / name)
    with pytest.raises(CorruptCheckpointError, match=f"{name} is not {name}: {differs}"):
        cache.backend(name)


def test_weights_that_are_not_here_name_the_ways_out(cache):
    assert not cache.status("esm2-8m").present
    with pytest.raises(ModelUnavailableError) as caught:
        cache.backend("esm2-8m")
    text = str(caught.value)
    for word in (
        "HF_HOME",
        "HF_ENDPOINT",
        "HF_HUB_OFFLINE",
        "ESMVIZ_MODELS_DIR",
        "facebook/esm2_t6_8M_UR50D",
    ):
        assert word in text
    assert CATALOG["esm2-8m"].revision in text


def test_offline_never_downloads(cache):
    with pytest.raises(ModelUnavailableError, match="ESMVIZ_OFFLINE"):
        cache.download("esm2-8m", lambda done, total: None)
    cache.download("esm2", lambda done, total: pytest.fail("it is here already"))


def test_too_big_names_both_figures_and_what_fits(cache, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB)
    monkeypatch.setattr(cache, "_weights", lambda name, spec: Path("somewhere"))
    status = cache.status("esm2-650m")
    assert not status.fits
    assert status.needed_bytes > 3 * GIB
    with pytest.raises(ModelUnavailableError, match=r"needs 3\.2 GiB.*free are 1\.0 GiB.*esm2-35m"):
        cache.backend("esm2-650m")


def test_the_least_recently_used_leaves_when_memory_is_short(cache, monkeypatch):
    cache.backend("esm2")
    cache.backend("esmc")
    cache.backend("esm2")
    need = memory.needed_bytes(cache.spec("elder"))
    monkeypatch.setattr(memory, "free_bytes", lambda device: need if len(cache._loaded) > 1 else 2 * need)
    cache.backend("elder")
    assert not cache.status("esmc").loaded
    assert cache.status("esm2").loaded
    assert cache.status("elder").loaded


class Kept:
    """Results of so many bytes, and what was let go of them."""

    def __init__(self, n_bytes):
        self.n_bytes, self.sheds = n_bytes, []

    def shed(self, n_bytes):
        self.sheds.append(n_bytes)
        gone, self.n_bytes = min(n_bytes, self.n_bytes), max(0, self.n_bytes - n_bytes)
        return gone


def test_results_go_before_any_model(models_dir, monkeypatch, tmp_path):
    kept = Kept(GIB)
    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True, spare=kept)
    cache.backend("esm2")
    need = memory.needed_bytes(cache.spec("elder"))
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB - kept.n_bytes + need)
    cache.backend("elder")
    assert sum(kept.sheds) >= need / 0.8 - need
    assert cache.status("esm2").loaded
    kept.n_bytes = 0  # nothing left: now a model goes
    monkeypatch.setattr(memory, "free_bytes", lambda device: (3 - len(cache._loaded)) * need)
    cache.backend("esmc")
    assert not cache.status("esm2").loaded


def test_a_model_that_computes_stays(models_dir, monkeypatch):
    busy = {"esm2"}
    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True, is_busy=busy.__contains__)
    cache.backend("esm2")
    cache.backend("esmc")
    need = memory.needed_bytes(cache.spec("elder"))
    monkeypatch.setattr(memory, "free_bytes", lambda device: (3 - len(cache._loaded)) * need)
    cache.backend("elder")
    assert [name for name in ("esm2", "esmc", "elder") if cache.status(name).loaded] == ["esm2", "elder"]
    busy.add("elder")
    with pytest.raises(ModelUnavailableError, match="needs"):
        cache.backend("esmc")
    assert not cache.drop_idle()


def test_nothing_leaves_for_a_model_that_would_never_fit(cache, monkeypatch):
    cache.backend("esm2")
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB)
    monkeypatch.setattr(cache, "_weights", lambda name, spec: Path("somewhere"))
    with pytest.raises(ModelUnavailableError, match="needs"):
        cache.backend("esm2-3b")
    assert cache.status("esm2").loaded


def test_control_group_and_machine_both_limit(tmp_path):
    for name, text in (
        ("memory.max", "1000"),
        ("memory.current", "900"),
        ("memory.stat", "anon 1\ninactive_file 300"),
    ):
        (tmp_path / name).write_text(text)
    assert memory._free_in_group(tmp_path) == 400
    (tmp_path / "memory.max").write_text("max")
    assert memory._free_in_group(tmp_path) == memory.UNKNOWN
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   7 kB\n")
    assert memory._free_ram(tmp_path / "meminfo") == 7 * 1024
    assert 0 < memory.free_bytes("cpu") < memory.UNKNOWN


def test_importing_the_cache_does_not_import_torch():
    import subprocess
    import sys

    code = "import sys, esmviz.models.cache as c; c.ModelCache().specs(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
