"""A run learns, and a run that stopped goes on as if it had not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.fake_gpu import fake_gpu  # noqa: F401  fixture
from training.checkpoint import export, load_run
from training.corpus import Pool, build_pool
from training.network import Network, Shape
from training.optimiser import orthogonalise
from training.schedule import Schedule
from training.train import Run, main, to_tensors, train


@pytest.fixture
def pools() -> dict[str, Pool]:
    rng = np.random.default_rng(0)
    proteins = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 40)) for _ in range(4)]
    return {"general": build_pool((f"c{i}", p, 1.0) for i, p in enumerate(proteins))}


@pytest.fixture
def settings() -> dict[str, Any]:
    training = {
        "seed": 0, "n_steps": 12, "batch_tokens": 256, "row_tokens": 64, "long_row_tokens": 128, "long_share": 0.25,
        "mask_ratio_first": 0.25, "mask_ratio_last": 0.15, "muon_rate": 0.02, "adam_rate": 0.01,
        "weight_decay": 0.01, "warm_up": 0.1, "decay_from": 0.5, "average_from": 0.6, "save_every_minutes": 60.0,
        "bf16": False,
    }  # fmt: skip
    model = {"n_layers": 1, "n_heads": 2, "d_model": 32, "d_hidden": 64}
    return {"model": model, "data": {"general": 1.0}, "training": training}


CPU = torch.device("cpu")


def test_a_stopped_run_goes_on_as_if_it_had_not(
    settings: dict[str, Any], pools: dict[str, Pool], tmp_path: Path
) -> None:
    whole = Run.start(settings, pools, CPU)
    train(whole, tmp_path / "whole", None)
    first = Run.start(settings, pools, CPU)
    for _ in range(8):  # past the start of averaging
        first.step()
    first.save(tmp_path / "part")
    second = Run.resume(settings, pools, CPU, tmp_path / "part")
    train(second, tmp_path / "part", None)
    groups, progress, shape = load_run(tmp_path / "whole")
    again, progress_again, shape_again = load_run(tmp_path / "part")
    assert shape == shape_again
    assert (
        (progress.step, progress.residues)
        == (progress_again.step, progress_again.residues)
        == (12, progress.residues)
    )
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, again[group][name]), f"{group} {name}"


def test_one_protein_is_learnt_by_heart(settings: dict[str, Any]) -> None:
    settings["training"] |= {"n_steps": 100, "batch_tokens": 256}
    run = Run.start(settings, {"general": build_pool([("c", "ACDEFGHIKLMNPQRSTVWY" * 2, 1.0)])}, CPU)
    losses = [float(run.step()) for _ in range(100)]
    assert np.mean(losses[:3]) > 2.8
    assert np.mean(losses[-10:]) < 1.5


def test_a_wider_network_computes_the_same_until_it_is_trained(
    settings: dict[str, Any], pools: dict[str, Pool], tmp_path: Path
) -> None:
    first = Run.start(settings, pools, CPU)
    for _ in range(8):
        first.step()
    export(tmp_path, first.final_tensors(), first.network.shape, torch.float32)
    same = Run.start_from(settings, pools, CPU, tmp_path)
    wider = Run.start_from(settings, pools, CPU, tmp_path, 96)
    assert wider.network.shape == replace(same.network.shape, d_hidden=96)
    batch = to_tensors(same.sampler.batch(0, 4, 64, 0.15), CPU)[:-1]
    torch.testing.assert_close(wider.network(*batch), same.network(*batch), rtol=1e-5, atol=1e-6)
    before = dict(wider.network.state_dict())["blocks.0.down.weight"][:, 64:].clone()
    wider.step()
    assert not before.any()
    assert dict(wider.network.state_dict())["blocks.0.down.weight"][:, 64:].any(dim=0).all()
    with pytest.raises(ValueError, match="64 hidden units already, 32 is less"):
        Run.start_from(settings, pools, CPU, tmp_path, 32)


def test_a_width_without_a_model_to_widen_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--run", str(tmp_path), "--widen", "96"])
    with pytest.raises(SystemExit):
        main()
    assert "--start-from" in capsys.readouterr().err


GPU = torch.device("cuda")
GOES_BACK = torch.backends.cuda.is_built()  # else torch has no engine for it


def prepare_for_a_gpu(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that have numbers go there: those of the fake cannot take another's place in a module. Where torch does
    not go back, gradients are of the kind that it would give.
    """
    network = Network(Shape(**settings["model"]))
    monkeypatch.setattr("training.train.Network", lambda shape: network)
    if not GOES_BACK:
        monkeypatch.setattr(torch.autograd, "grad", lambda loss, inputs: [x * loss for x in inputs])


def kinds(run: Run) -> set[tuple[str, torch.dtype]]:
    """Device and type of all that a run keeps."""
    kept = (*run.network.parameters(), *run.optimiser.tensors().values(), *run.average.values())
    return {(x.device.type, x.dtype) for x in kept}


def test_a_step_on_a_gpu_multiplies_in_bfloat16_alone(
    settings: dict[str, Any],
    pools: dict[str, Pool],
    monkeypatch: pytest.MonkeyPatch,
    fake_gpu: Any,  # noqa: F811
) -> None:
    del settings["training"]["bf16"]
    settings["training"]["average_from"] = 0.0
    prepare_for_a_gpu(settings, monkeypatch)
    with torch.set_grad_enabled(GOES_BACK), fake_gpu() as products:
        run = Run.start(settings, pools, GPU)
        losses = [run.step(), run.step()]
    assert {(loss.device.type, loss.dtype) for loss in losses} == kinds(run) == {("cuda", torch.float32)}
    assert products.kinds() == {("cuda", torch.bfloat16)}
    assert products.found["addmm", "cuda", torch.bfloat16] == 2 * 6  # four of the block, two of the head


def test_a_run_goes_on_on_a_gpu(
    settings: dict[str, Any],
    pools: dict[str, Pool],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fake_gpu: Any,  # noqa: F811
) -> None:
    settings["training"]["average_from"] = 0.0
    first = Run.start(settings, pools, CPU)
    first.step()
    first.save(tmp_path)
    saved = load_run(tmp_path)
    monkeypatch.setattr(
        "training.train.load_run", lambda folder: saved
    )  # safetensors fills none without numbers
    prepare_for_a_gpu(settings, monkeypatch)
    with torch.set_grad_enabled(GOES_BACK), fake_gpu():
        second = Run.resume(settings, pools, GPU, tmp_path)
        assert kinds(second) == {("cuda", torch.float32)}
        second.step()
    assert kinds(second) == {("cuda", torch.float32)}
    assert second.progress.step == 2


def test_minutes_end_a_run_without_a_number_of_steps(
    settings: dict[str, Any], pools: dict[str, Pool]
) -> None:
    del settings["training"]["n_steps"]
    settings["training"]["minutes"] = 2.0
    run = Run.start(settings, pools, CPU)
    assert run.done == 0.0
    run.progress.minutes = 2.0
    assert run.done == 1.0


def test_updates_are_nearly_orthogonal() -> None:
    x = orthogonalise(torch.randn(2, 16, 64, generator=torch.Generator().manual_seed(0)))
    singular = torch.linalg.svdvals(x)
    assert singular.min() > 0.5
    assert singular.max() < 1.4


def test_the_schedule_rises_stays_and_falls() -> None:
    schedule = Schedule(
        warm_up=0.1,
        decay_from=0.5,
        average_from=0.9,
        long_share=0.2,
        mask_ratio_first=0.25,
        mask_ratio_last=0.15,
    )
    assert schedule.rate(0.0) < 0.05
    assert schedule.rate(0.3) == 1.0
    assert schedule.rate(0.75) == pytest.approx(0.5)
    assert schedule.rate(1.0) == 0.0
    assert [schedule.mask_ratio(x) for x in (0.0, 0.25, 0.5, 1.0)] == [0.25, 0.2, 0.15, 0.15]
    assert not schedule.is_long(0.79)
    assert schedule.is_long(0.8)
