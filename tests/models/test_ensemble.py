"""An ensemble says what its members say on average, holds none of them, and needs no more memory than one."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from esmviz.analysis.mutations import mutation_scores
from esmviz.errors import (
    CorruptCheckpointError,
    ModelUnavailableError,
    OutputNotProvidedError,
    SequenceTooLongError,
)
from esmviz.models import checkpoints, hub, memory
from esmviz.models.base import AMINO_ACID_TOKENS, MASK, sites, tokens
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG, CORE
from esmviz.models.ensemble import ROWS_OF_A_TURN, EnsembleBackend
from esmviz.models.windowed import WindowedBackend
from esmviz.types import AMINO_ACIDS, KeepHeads, ProteinRecord, Request

CLOSE = {"rtol": 0, "atol": 1e-4}
LOGITS = Request(logits=True)


@pytest.fixture
def backend(ensemble, cache_of_members):
    return EnsembleBackend(ensemble, ["a", "b", "c"], cache_of_members, max_tokens=64)


def expected(models, ids):
    """Mean of torch's own log-probabilities of the 20 amino acids, normalised, (L + 2, A)."""
    ids = torch.as_tensor(ids)[None]
    with torch.inference_mode():
        rows = [
            model(ids, attention_mask=torch.ones_like(ids)).logits[0, :, list(AMINO_ACID_TOKENS)]
            for model in models.values()
        ]
    return torch.stack([row.log_softmax(-1) for row in rows]).mean(0).log_softmax(-1).numpy()


def test_logits_are_the_mean_of_the_members_log_probabilities(backend, members, mixed):
    for record, output in zip(mixed, backend.run(mixed, LOGITS), strict=True):
        np.testing.assert_allclose(output.logits, expected(members[1], tokens(record))[1:-1], **CLOSE)
        np.testing.assert_allclose(np.exp(output.logits).sum(-1), 1, rtol=1e-5)


def test_masked_logits_likewise(backend, members, mixed):
    record, positions = mixed[-1], [0, 24, 3, 10, 11]
    batches = list(backend.run_masked(sites(record, positions)))
    assert [int(index) for some, _ in batches for index in some] == list(range(len(positions)))
    for position, logits in zip(positions, np.concatenate([rows for _, rows in batches]), strict=True):
        ids = tokens(record)
        ids[position + 1] = MASK
        np.testing.assert_allclose(logits, expected(members[1], ids)[position + 1], **CLOSE)


def test_a_mutation_scores_the_mean_of_the_members_scores(backend, loaded, mixed):
    """As Meier et al. average the five: differences of log-probabilities over the whole vocabulary of 33."""
    record = mixed[0]
    [output] = backend.run([record], LOGITS)
    scores = [mutation_scores(next(m.run([record], LOGITS)).logits, record.sequence) for m in loaded.values()]
    np.testing.assert_allclose(
        mutation_scores(output.logits, record.sequence), np.mean(scores, axis=0), **CLOSE
    )


@pytest.mark.parametrize("all_fit", [True, False])
def test_members_take_turns_and_each_computes_once_a_turn(backend, cache_of_members, ensemble, all_fit):
    cache_of_members.all_fit = all_fit
    records = [ProteinRecord(f"p{i}", "MKVLAWGHDE" * 3) for i in range(40)]  # two to a row of 64 tokens
    outputs = list(backend.run(records, LOGITS))
    n_turns = 20 if all_fit else -(-20 // ROWS_OF_A_TURN)
    there, back = list(ensemble.members), list(ensemble.members)[::-1]
    assert cache_of_members.asked == (back + there) * (n_turns // 2)
    for output in outputs[1:]:
        np.testing.assert_allclose(output.logits, outputs[0].logits, **CLOSE)


def test_one_may_stop_between_the_batches_of_any_member(backend, cache_of_members):
    cache_of_members.all_fit = False
    steps = backend.run_masked(sites(ProteinRecord("p", "MKVLAWGHDE" * 3), range(30)))
    positions, logits = next(steps)
    assert (positions.shape, logits.shape) == ((0,), (0, 20))
    assert cache_of_members.asked == ["member-3"]


def test_nothing_is_computed_before_everything_is_checked(backend, cache_of_members):
    too_long = ProteinRecord("long", "M" * 61)
    with pytest.raises(SequenceTooLongError, match="61 residues; together takes at most 60"):
        backend.run([ProteinRecord("p", "MKV"), too_long], LOGITS)
    with pytest.raises(SequenceTooLongError):
        backend.run_masked(sites(too_long, [0]))
    with pytest.raises(ValueError, match="index 3"):
        backend.run_masked(sites(ProteinRecord("p", "MKV"), [3]))
    for request in (Request(layers=(1,)), Request(probes=(KeepHeads(1, (0,)),))):
        with pytest.raises(OutputNotProvidedError):
            backend.run([ProteinRecord("p", "MKV")], request)
    assert cache_of_members.asked == []


def test_long_proteins_run_in_windows(backend):
    record = ProteinRecord("long", "MKVLAWGHDE" * 10)
    windowed = WindowedBackend(backend, above=60)
    [output] = windowed.run([record], LOGITS)
    assert output.logits.shape == (100, 20)
    assert output.windows[0] == (0, 60)
    [first] = backend.run([ProteinRecord("first", record.sequence[:60])], LOGITS)
    np.testing.assert_allclose(output.logits[0], first.logits[0], **CLOSE)  # no other window reaches so far
    steps = list(windowed.run_masked(sites(record, [0, 99])))
    assert [int(index) for some, _ in steps for index in some] == [0, 1]


def test_revision_is_of_all_members_and_their_order(ensemble, cache_of_members):
    revisions = {
        EnsembleBackend(ensemble, some, cache_of_members).revision
        for some in (["a", "b", "c"], ["a", "b", "d"], ["b", "a", "c"])
    }
    assert len(revisions) == 3
    assert {len(revision) for revision in revisions} == {64}


# Through ModelCache, under the catalogue's rules but with small members.


@pytest.fixture
def models_dir(members, tmp_path):
    return shutil.copytree(members[0], tmp_path / "models")


@pytest.fixture
def cache(models_dir, ensemble, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setitem(CATALOG, "together", ensemble)
    for number, name in enumerate(ensemble.members, 1):
        facts = replace(ensemble, name=name, repo_id=f"lab/m{number}", members=())
        facts = replace(facts, provides=CORE, n_parameters=ensemble.n_parameters // 3)
        monkeypatch.setitem(CATALOG, name, facts)
    return ModelCache(models_dir=models_dir, device="cpu", offline=True)


def test_folders_of_the_members_names_are_enough(cache, members):
    record = ProteinRecord("p", "MKVLAWGHDE")
    assert cache.status("together").present
    assert not cache.status("together").loaded
    backend = cache.backend("together")
    assert cache.backend("together") is backend
    assert cache.status("together").loaded
    assert backend.spec.revision == backend.revision
    [output] = backend.run([record], LOGITS)
    np.testing.assert_allclose(output.logits, expected(members[1], tokens(record))[1:-1], **CLOSE)


def test_a_missing_member_is_named(cache, models_dir):
    shutil.rmtree(models_dir / "member-2")
    status = cache.status("together")
    assert not status.present
    assert status.reason == "Not on this machine: member-2."
    assert status.download_bytes == 4 * cache.spec("member-2").n_parameters
    with pytest.raises(ModelUnavailableError, match=r"lacks member-2.*hf download lab/m2$"):
        cache.backend("together")
    with pytest.raises(ModelUnavailableError, match="ESMVIZ_OFFLINE"):
        cache.download("together", lambda done, total: None)


def test_only_missing_members_are_fetched(cache, models_dir, monkeypatch):
    fetched = []
    monkeypatch.setattr(hub, "download", lambda specs, *_: fetched.extend(spec.name for spec in specs))
    cache._offline = False
    cache.download("together", lambda done, total: None)
    assert fetched == []
    shutil.rmtree(models_dir / "member-1")
    shutil.rmtree(models_dir / "member-3")
    cache.download("together", lambda done, total: None)
    assert fetched == ["member-1", "member-3"]


def test_a_broken_member_is_found_before_any_output(cache, models_dir):
    weights = models_dir / "member-3" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CorruptCheckpointError, match="member-3"):
        cache.backend("together")


def test_it_needs_the_memory_of_one_member(cache, monkeypatch):
    one = memory.needed_bytes(cache.spec("member-1"))
    assert cache.status("together").needed_bytes == one
    monkeypatch.setattr(memory, "free_bytes", lambda device: one)
    assert not cache.status("together").fits  # one model may take 80 % of the free memory
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2 * one)
    assert cache.status("together").fits


def test_it_runs_where_two_members_fit_at_once(cache, members, monkeypatch):
    one = memory.needed_bytes(cache.spec("member-1"))
    monkeypatch.setattr(memory, "free_bytes", lambda device: (3 - len(cache._loaded)) * one)
    n_loads, load, most = [], checkpoints.load, []

    def counted(folder, *rest):
        n_loads.append(folder.name)
        most.append(len(cache._loaded))
        return load(folder, *rest)

    monkeypatch.setattr(checkpoints, "load", counted)
    monkeypatch.setattr("esmviz.models.ensemble.ROWS_OF_A_TURN", 1)
    backend = cache.backend("together")
    assert n_loads == ["member-1", "member-2", "member-3"]
    backend._max_tokens = 64
    records = [ProteinRecord(f"p{i}", letter * 50) for i, letter in enumerate(AMINO_ACIDS[:4])]  # four turns
    for record, output in zip(records, backend.run(records, LOGITS), strict=True):
        np.testing.assert_allclose(output.logits, expected(members[1], tokens(record))[1:-1], **CLOSE)
    assert max(most) == 1  # a third never joins two
    assert not cache.status("together").loaded
    assert n_loads[3:] == ["member-1", "member-3", "member-1", "member-3"]  # one load a turn, not three


def test_the_catalogues_ensemble_asks_for_the_catalogues_members(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    status = ModelCache(device="cpu", offline=True).status("esm1v")
    assert status.needed_bytes == memory.needed_bytes(CATALOG["esm1v-1"])
    assert status.reason == "Not on this machine: esm1v-1, esm1v-2, esm1v-3, esm1v-4, esm1v-5."
    assert status.download_bytes == 5 * 4 * CATALOG["esm1v-1"].n_parameters
