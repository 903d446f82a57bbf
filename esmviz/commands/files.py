"""Commands that write what a model gives of each protein into one file."""

from __future__ import annotations

from typing import Annotated

import typer

from esmviz.commands import base
from esmviz.commands.base import (
    Device,
    Input,
    Model,
    Output,
    PoolingName,
    PrecisionName,
    Resume,
    Stats,
    Strict,
)


def embed(
    source: Input,
    output: Output,
    layer: Annotated[int, typer.Option(help="0 is the input embedding, -1 the last layer.")] = -1,
    pooling: PoolingName = "mean",
    model: Model = "",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    stats: Stats = None,
    strict: Strict = False,
    resume: Resume = False,
) -> None:
    """Write one vector for each protein, or for each residue: OUT.npz, OUT.h5 or OUT.csv."""
    run = base.run(source, output, (".npz", ".h5", ".csv"), model, device, precision, stats, strict, resume)
    if pooling == "none" and output.suffix.lower() == ".csv":
        raise typer.BadParameter(
            "a table has one vector for each protein; write .npz or .h5.", param_hint="-o"
        )
    run.embed(layer, None if pooling == "none" else pooling)


def logits(
    source: Input,
    output: Output,
    model: Model = "",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    stats: Stats = None,
    strict: Strict = False,
    resume: Resume = False,
    masked: Annotated[bool, typer.Option("--masked", help="Mask each residue in turn: L passes.")] = False,
) -> None:
    """Write raw logits (L, 20) of each protein, and the amino_acids of their columns: OUT.npz."""
    base.run(source, output, (".npz",), model, device, precision, stats, strict, resume).logits(masked)


def attention(
    source: Input,
    output: Output,
    layer: Annotated[int, typer.Option(help="From 1 on.")],
    head: Annotated[int | None, typer.Option(help="From 1 on; without it, all heads.")] = None,
    model: Model = "",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    stats: Stats = None,
    strict: Strict = False,
    resume: Resume = False,
) -> None:
    """Write attention of one layer: (L, L) with --head, else (H, L, L). Rows are queries: OUT.npz."""
    base.run(source, output, (".npz",), model, device, precision, stats, strict, resume).attention(
        layer, head
    )


def contacts(
    source: Input,
    output: Output,
    model: Model = "",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    stats: Stats = None,
    strict: Strict = False,
    resume: Resume = False,
) -> None:
    """Write contact probabilities (L, L) where the model has a contact head: OUT.npz."""
    base.run(source, output, (".npz",), model, device, precision, stats, strict, resume).contacts()


def predict(
    source: Input,
    output: Output,
    model: Model = "",
    device: Device = "auto",
    precision: PrecisionName = "auto",
    stats: Stats = None,
    strict: Strict = False,
    resume: Resume = False,
) -> None:
    """Write what a classifier or a regression of your own says of each protein or residue: OUT.csv or OUT.npz."""
    base.run(source, output, (".csv", ".npz"), model, device, precision, stats, strict, resume).predict()
