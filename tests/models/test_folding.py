"""Models that fold, small and random: equal to what transformers itself gives, bounded in memory, stopped at a block."""

import json
import shutil

import numpy as np
import pytest

from esmviz.errors import (
    CancelledError,
    CorruptCheckpointError,
    InvalidSequenceError,
    ModelUnavailableError,
    OutOfMemoryError,
    OutputNotProvidedError,
)
from esmviz.models import fold_memory, memory
from esmviz.models.base import sites
from esmviz.models.cache import ModelCache
from esmviz.models.catalog import CATALOG
from esmviz.types import ProteinRecord, Request

PEPTIDE = ProteinRecord("peptide", "MKVLAWGHMKVL")
FOLD = Request(structure=True)


@pytest.fixture(scope="session")
def esmfold2(shaken):
    """EsmFold2Model as transformers makes it, small and random."""
    import transformers

    atoms = {"hidden_size": 64, "output_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    atoms["intermediate_size"] = 32
    denoiser = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "fourier_dim": 16}
    denoiser |= {"intermediate_size": 32, "pair_intermediate_size": 16, "atom_encoder": atoms}
    msa = {"hidden_size": 16, "outer_hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 2}
    language = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.EsmFold2Config(
        hidden_size=32,
        pairwise_hidden_size=16,
        single_inputs_size=32 + 67,
        pair_transition_intermediate_size=32,
        sliding_window=32,
        folding_trunk_num_hidden_layers=2,
        parcae_num_coda_layers=1,
        num_loops=1,
        atom_encoder=atoms,
        lm_encoder={"num_hidden_layers": 1},
        msa_encoder={**msa, "head_dim": 8, "intermediate_size": 16},
        confidence_head={"num_hidden_layers": 1},
        structure_head={
            "inference_num_steps": 4,
            "num_diffusion_samples": 3,
            "diffusion_module": denoiser,
        },
        esmc_config={"model_type": "esmc", **language},
    )
    return shaken(transformers.EsmFold2Model(config), 0.2)


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory, esmfold_folder, esmfold2):
    root = tmp_path_factory.mktemp("models")
    shutil.copytree(esmfold_folder, root / "one")
    esmfold2.save_pretrained(root / "two")
    return root


@pytest.fixture(scope="session")
def cache(models_dir):
    return ModelCache(models_dir=models_dir, device="cpu", offline=True)


def folded(backend, record=PEPTIDE):
    [output] = backend.run([record], FOLD)
    return output.structure


def atoms(pdb):
    """What each atom line says before its coordinates, the coordinates (n, 3) and the B-factors (n,)."""
    lines = [line for line in pdb.splitlines() if line.startswith("ATOM")]
    numbers = np.array(
        [[float(line[a:b]) for a, b in ((30, 38), (38, 46), (46, 54), (60, 66))] for line in lines]
    )
    return [line[:30] for line in lines], numbers[:, :3], numbers[:, 3]


def test_esmfold_gives_what_transformers_gives(cache, esmfold):
    ours = folded(cache.backend("one"))
    reference = esmfold.infer(PEPTIDE.sequence)
    names, coordinates, b_factors = atoms(ours.pdb)
    expected_names, expected, fractions = atoms(esmfold.output_to_pdb(reference)[0])
    assert names == expected_names
    assert len(names) == sum(
        {"M": 8, "K": 9, "V": 7, "L": 8, "A": 5, "W": 14, "G": 4, "H": 10}[a] for a in PEPTIDE.sequence
    )
    np.testing.assert_allclose(coordinates, expected, atol=2e-3)  # a PDB file has three decimals
    assert np.ptp(coordinates) > 5
    np.testing.assert_allclose(b_factors / 100, fractions, atol=0.0051)
    np.testing.assert_allclose(ours.plddt / 100, reference["plddt"][0, :, 1].numpy(), atol=1e-4)
    np.testing.assert_allclose(ours.pae, reference["predicted_aligned_error"][0].numpy(), atol=1e-4)
    assert ours.ptm == pytest.approx(float(reference["ptm"]), abs=1e-4)
    assert ours.plddt.shape == (12,)
    assert np.ptp(ours.plddt) > 1
    assert not np.allclose(ours.pae, ours.pae.T)


def test_esmfold2_gives_the_best_sample_of_transformers(cache, esmfold2):
    import torch

    ours = folded(cache.backend("two"))
    torch.manual_seed(0)
    reference = esmfold2.infer_protein(PEPTIDE.sequence)
    best = int(reference.ptm.argmax())
    _, coordinates, b_factors = atoms(ours.pdb)
    n_atoms = len(coordinates)
    np.testing.assert_allclose(coordinates, reference.sample_atom_coords[best, :n_atoms].numpy(), atol=2e-3)
    np.testing.assert_allclose(ours.plddt / 100, reference.plddt[best].numpy(), atol=1e-4)
    np.testing.assert_allclose(ours.pae, reference.pae[best].numpy(), atol=1e-4)
    assert b_factors[1] == pytest.approx(ours.plddt[0], abs=0.0051)
    assert float(np.ptp(reference.ptm.numpy())) > 0


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_fold_does_not_depend_on_what_ran_before(cache, name):
    import torch

    backend = cache.backend(name)
    first = folded(backend)
    torch.rand(5)
    state = torch.get_rng_state()
    folded(backend, ProteinRecord("other", "ACDEFG"))
    assert torch.equal(torch.get_rng_state(), state)
    again = folded(backend)
    assert again.pdb == first.pdb
    np.testing.assert_array_equal(again.pae, first.pae)


@pytest.mark.parametrize(("name", "kind"), [("one", "esmfold"), ("two", "esmfold2")])
def test_a_folder_is_known_for_what_it_is(cache, name, kind):
    spec = cache.spec(name)
    assert spec.family == kind
    assert spec.provides == {"structure"}
    assert (spec.n_layers, spec.d_model, spec.d_pair) == ((3, 32, 32) if name == "one" else (2, 32, 16))
    assert spec.n_parameters > 100_000


def test_unknown_letters_keep_their_place(cache):
    ours = folded(cache.backend("one"), ProteinRecord("p", "MKXBV"))
    assert ours.plddt.shape == (5,)
    numbers = {int(name[22:26]) for name in atoms(ours.pdb)[0]}
    assert numbers == {1, 2, 5}


@pytest.mark.parametrize("letters", ["MK*", "mk", ""])
def test_letters_that_no_model_knows_are_refused(cache, letters):
    with pytest.raises(InvalidSequenceError):
        cache.backend("one").run([ProteinRecord("p", letters)], FOLD)


def test_only_a_structure_is_given(cache):
    with pytest.raises(OutputNotProvidedError):
        cache.backend("one").run([PEPTIDE], Request(logits=True))
    with pytest.raises(OutputNotProvidedError):
        cache.backend("one").run_masked(sites(PEPTIDE, [0]))


def test_progress_is_told_by_block_up_to_the_last(cache):
    for name, total in (("one", 3 + 2 * 2), ("two", 2 + 2 * (1 + 2) + 4)):
        told = []
        cache.backend(name).fold(PEPTIDE, lambda done, of, told=told: told.append((done, of)))
        assert told == [(n, total) for n in range(1, total + 1)]


def test_cancelling_stops_at_the_next_block_and_leaves_nothing_behind(cache):
    backend, told = cache.backend("one"), []

    def stop(done, total):
        told.append(done)
        if done == 4:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        backend.fold(PEPTIDE, stop)
    assert told == [1, 2, 3, 4]
    assert folded(backend).plddt.shape == (12,)
    assert told == [1, 2, 3, 4]


def test_a_fold_that_needs_more_than_is_free_is_refused_before_it_runs(cache, monkeypatch):
    backend, told = cache.backend("one"), []
    needed = fold_memory.fold_bytes(backend.spec, len(PEPTIDE))
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed - 1)
    with pytest.raises(
        OutOfMemoryError, match=r"12 residues; folding it with one needs about .* GiB.*11 residues"
    ):
        backend.fold(PEPTIDE, lambda done, total: told.append(done))
    assert told == []
    monkeypatch.setattr(memory, "free_bytes", lambda device: needed)
    assert backend.fold(PEPTIDE).structure.plddt.shape == (12,)


def test_torch_running_out_of_memory_is_said(cache, monkeypatch):
    backend = cache.backend("one")

    def too_much(sequence):
        raise RuntimeError("[enforce fail] not enough memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(backend._network, "fold", too_much)
    with pytest.raises(OutOfMemoryError, match=r"peptide \(12 residues\) alone does not fit"):
        backend.fold(PEPTIDE)


@pytest.mark.parametrize("name", ["esmfold", "esmfold2"])
def test_memory_of_a_fold_grows_with_the_square(name):
    spec = CATALOG[name]
    assert fold_memory.fold_bytes(spec, 800) / fold_memory.fold_bytes(spec, 400) == pytest.approx(4, abs=0.6)
    longest = fold_memory.longest_fold(spec, 10 << 30)
    assert fold_memory.fold_bytes(spec, longest) <= 10 << 30 < fold_memory.fold_bytes(spec, longest + 1)


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(models_dir, monkeypatch):
    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True)
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1000)
    with pytest.raises(ModelUnavailableError, match=r"one needs .* of memory"):
        cache.backend("one")


def test_the_language_model_runs_in_the_precision_that_is_set(models_dir):
    import torch

    cache = ModelCache(models_dir=models_dir, device="cpu", offline=True, precision="bfloat16")
    for name in ("one", "two"):
        backend = cache.backend(name)
        [output] = backend.run([PEPTIDE], FOLD)
        assert output.precision == "bfloat16"
        assert output.structure.plddt.dtype == np.float32
        model = backend._network.model
        language = model.esm if name == "one" else model.esmc
        assert {weight.dtype for weight in language.parameters()} == {torch.bfloat16}
        exact = folded(ModelCache(models_dir=models_dir, device="cpu", offline=True).backend(name))
        assert not np.array_equal(output.structure.plddt, exact.plddt)


@pytest.mark.parametrize("fault", ["missing", "too many", "not finite", "cut short"])
def test_a_spoilt_checkpoint_does_not_load(models_dir, tmp_path, fault):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(models_dir / "one", tmp_path / "spoilt")
    path = folder / "model.safetensors"
    if fault == "cut short":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        tensors = load_file(path)
        if fault == "missing":
            del tensors["trunk.blocks.1.mlp_seq.mlp.1.weight"]
        elif fault == "not finite":
            tensors["trunk.blocks.1.mlp_seq.mlp.1.weight"][0] = float("inf")
        else:
            tensors["trunk.blocks.9.extra"] = tensors["esm_s_combine"].clone()
        save_file(tensors, path)
    with pytest.raises(CorruptCheckpointError):
        ModelCache(models_dir=tmp_path, device="cpu", offline=True).backend("spoilt")


def test_a_config_that_lacks_its_language_model_is_no_checkpoint(models_dir, tmp_path):
    folder = shutil.copytree(models_dir / "two", tmp_path / "spoilt")
    config = json.loads((folder / "config.json").read_text())
    del config["esmc_config"]
    (folder / "config.json").write_text(json.dumps(config))
    spec = ModelCache(models_dir=tmp_path, device="cpu", offline=True).spec("spoilt")
    assert not spec.provides
    assert "esmc_config" in spec.note
