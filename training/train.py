"""Train the model: `python -m training.train`. Started again with the same --run, it goes on where it stopped.

The schedule follows either a number of steps (`training.n_steps`: the same run again, step for step) or, without one,
the minutes spent training, so that it ends when planned however busy the machine is. Both go on after a stop.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.batches import Batch, Sampler
from training.checkpoint import (
    Progress,
    export,
    from_transformers,
    load_run,
    note_run,
    runs_before,
    save_run,
)
from training.config import read_settings
from training.corpus import Pool, load_pools
from training.grow import widen
from training.network import FIRST_AMINO_ACID, Network, Shape
from training.optimiser import Optimiser
from training.precision import multiplies_bfloat16
from training.schedule import Schedule
from training.workers import Workers

HERE = Path(__file__).parent
AVERAGE_KEEPS = 0.995


@dataclass
class Run:
    """A training run: everything that a step changes, and the settings it follows."""

    settings: dict[str, Any]
    pools: dict[str, Pool]
    device: torch.device
    network: Network
    optimiser: Optimiser
    progress: Progress
    average: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        training = self.settings["training"]
        self.sampler = Sampler(self.pools, self.settings["data"], training["seed"])
        self.workers = Workers(self.device)
        self.schedule = Schedule(**{f.name: training[f.name] for f in fields(Schedule)})

    @classmethod
    def start(cls, settings: dict[str, Any], pools: dict[str, Pool], device: torch.device) -> "Run":
        torch.manual_seed(settings["training"]["seed"])
        return cls._build(settings, pools, device, Shape(**settings["model"]))

    @classmethod
    def start_from(
        cls,
        settings: dict[str, Any],
        pools: dict[str, Pool],
        device: torch.device,
        model: Path,
        d_hidden: int | None = None,
    ) -> "Run":
        """A new schedule on the weights of a finished model; its shape with `d_hidden` units where given."""
        tensors, shape = from_transformers(model)
        if d_hidden is not None:
            seeded = torch.Generator().manual_seed(settings["training"]["seed"])
            tensors, shape = widen(tensors, shape, d_hidden, seeded)
        run = cls._build(settings, pools, device, shape)
        run.network.load_state_dict(tensors)
        return run

    @classmethod
    def resume(
        cls, settings: dict[str, Any], pools: dict[str, Pool], device: torch.device, folder: Path
    ) -> "Run":
        groups, progress, shape = load_run(folder)
        run = cls._build(settings, pools, device, shape)
        run.network.load_state_dict(groups["network"])
        run.optimiser.load(groups["optimiser"])
        run.average = {n: t.to(device) for n, t in groups["average"].items()}
        run.progress = progress
        return run

    @classmethod
    def _build(
        cls, settings: dict[str, Any], pools: dict[str, Pool], device: torch.device, shape: Shape
    ) -> "Run":
        network = Network(shape).to(device)
        rates = {key: settings["training"][key] for key in ("muon_rate", "adam_rate", "weight_decay")}
        return cls(settings, pools, device, network, Optimiser(network, **rates), Progress())

    @property
    def done(self) -> float:
        """Share of the schedule that lies behind, 1 at the end."""
        training = self.settings["training"]
        if "n_steps" in training:
            return self.progress.step / training["n_steps"]
        return self.progress.minutes / training["minutes"]

    def step(self) -> Tensor:
        """One batch; returns the mean loss of its targets (a number where it was computed), in nats."""
        training = self.settings["training"]
        done = self.done
        n_tokens = training["long_row_tokens" if self.schedule.is_long(done) else "row_tokens"]
        n_rows = training["batch_tokens"] // n_tokens
        batch = self.sampler.batch(self.progress.step, n_rows, n_tokens, self.schedule.mask_ratio(done))
        losses = self.workers.map(self._gradients, batch.split(self.workers.n))
        for p, *parts in zip(self.network.parameters(), *(gradients for _, gradients in losses), strict=True):
            p.grad = torch.stack(parts).mean(0) if len(parts) > 1 else parts[0]
        self.optimiser.step(self.schedule.rate(done), self.workers)
        self.progress.step += 1
        self.progress.residues += int((batch.tokens >= FIRST_AMINO_ACID).sum())
        if self.schedule.averages(done):
            self._update_average()
        return torch.stack([loss for loss, _ in losses]).mean()

    def _gradients(self, batch: Batch) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Loss in nats and its gradients on a part of a batch."""
        *inputs, labels = to_tensors(batch, self.device)
        is_half = self.settings["training"].get("bf16", multiplies_bfloat16(self.device))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_half):
            logits = self.network(*inputs)
        loss = F.cross_entropy(logits.float(), labels)
        return loss.detach(), torch.autograd.grad(loss, list(self.network.parameters()))

    @torch.no_grad()
    def _update_average(self) -> None:
        """The mean of the last weights (an exponential one): steadier than any single step."""
        if not self.average:
            self.average = {n: p.detach().clone() for n, p in self.network.named_parameters()}
        for name, p in self.network.named_parameters():
            self.average[name].lerp_(p.detach(), 1 - AVERAGE_KEEPS)

    def final_tensors(self) -> dict[str, Tensor]:
        tensors = self.average or dict(self.network.named_parameters())
        return {n: t.detach().cpu() for n, t in tensors.items()}

    def save(self, folder: Path) -> None:
        save_run(folder, self.network, self.average, self.optimiser.tensors(), self.progress)


def to_tensors(batch: Batch, device: torch.device) -> list[Tensor]:
    return [torch.from_numpy(getattr(batch, f.name)).to(device, non_blocking=True) for f in fields(Batch)]


def train(run: Run, folder: Path, export_to: Path | None) -> None:
    """Steps until the schedule ends, with a line of log and a saved state now and then."""
    training = run.settings["training"]
    begun, minutes_before = time.monotonic(), run.progress.minutes
    saved, losses = time.monotonic(), []
    while run.done < 1.0:
        losses.append(run.step())
        run.progress.minutes = minutes_before + (time.monotonic() - begun) / 60
        if run.progress.step % 100 == 0:
            minutes = round(run.progress.minutes, 2)
            loss, losses = round(float(torch.stack(losses).mean()), 4), []
            print(json.dumps({"step": run.progress.step, "loss": loss, "minutes": minutes}), flush=True)
        if time.monotonic() - saved > 60 * training["save_every_minutes"]:
            run.save(folder)
            saved = time.monotonic()
    run.save(folder)
    if export_to is not None:
        export(export_to, run.final_tensors(), run.network.shape)


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=HERE / "data" / "corpus.npz")
    parser.add_argument("--config", type=Path, default=HERE / "config.toml")
    parser.add_argument("--run", type=Path, default=HERE / "runs" / "mini")
    parser.add_argument("--export", type=Path, help="folder for the finished model")
    parser.add_argument(
        "--start-from", type=Path, help="folder of a finished model whose weights a new run begins with"
    )
    parser.add_argument(
        "--widen", type=int, metavar="UNITS", help="hidden units that the model of --start-from grows to"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="part.key=value", help="override a setting")
    args = parser.parse_args()
    settings = read_settings(args.config, args.set)
    has_begun = (args.run / "state.safetensors").exists()
    if args.widen is not None and args.start_from is None and not has_begun:
        parser.error("--widen makes the model of --start-from larger: name one, or set model.d_hidden")
    pools, device = load_pools(args.corpus), pick_device()
    torch.set_float32_matmul_precision("high")
    if has_begun:
        run = Run.resume(settings, pools, device, args.run)
    elif args.start_from is not None:
        run = Run.start_from(settings, pools, device, args.start_from, args.widen)
    else:
        run = Run.start(settings, pools, device)
    shape = run.network.shape
    if args.widen not in (None, shape.d_hidden):
        parser.error(f"{args.run} goes on with {shape.d_hidden} hidden units, as it began")
    settings["model"] = asdict(shape)
    note_run(args.run, settings, runs_before(args.start_from) if args.start_from else [])
    train(run, args.run, args.export)


if __name__ == "__main__":
    main()
