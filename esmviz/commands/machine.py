"""Commands about this machine: speed, models, snapshots, the app."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from esmviz.commands import base
from esmviz.commands.base import Device, Input, PrecisionName, Strict
from esmviz.errors import EsmvizError


def measure(
    source: Input,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME_OR_PATH", help="Again for another.")
    ] = None,
    device: Device = "auto",
    precision: PrecisionName = "auto",
    strict: Strict = False,
    as_json: Annotated[bool, typer.Option("--json", help="All that was measured, for programs.")] = False,
) -> None:
    """Measure models on the first proteins: residues embedded a second, memory, pseudo-perplexity."""
    import json
    import os
    from dataclasses import asdict

    from esmviz.measuring import in_words

    nowhere = Path(os.devnull)  # a run that writes no file
    run = base.run(source, nowhere, ("",), (model or [""])[0], device, precision, None, strict, False)
    measured = run.measure(model or [run.model])
    if as_json:
        rows = [{**asdict(m), "residues_per_second": m.residues_per_second} for m in measured]
        typer.echo(json.dumps(rows, indent=2))
        return
    for line in in_words(measured):
        typer.echo(line)


def models(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, for programs.")] = False,
) -> None:
    """List the models, whether they are on this machine, and whether they would fit in its memory."""
    import json
    from dataclasses import asdict

    workbench = base.workbench()
    rows = {name: (spec, workbench.status(name)) for name, spec in workbench.specs().items()}
    if as_json:
        listed = [
            {**asdict(spec), "provides": sorted(spec.provides), **asdict(status)}
            for spec, status in rows.values()
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    width = max(map(len, rows))
    typer.echo(f"{'name':{width}}  {'parameters':>10}  layers  heads  width  here  fits")
    for name, (spec, status) in rows.items():
        here, fits = ("yes" if is_so else "no" for is_so in (status.present, status.fits))
        typer.echo(
            f"{name:{width}}  {spec.n_parameters / 1e6:>8,.0f} M  {spec.n_layers:>6}  {spec.n_heads:>5}  "
            f"{spec.d_model:>5}  {here:>4}  {fits:>4}"
        )


def snapshots(purge: Annotated[bool, typer.Option("--purge", help="Remove what expired.")] = False) -> None:
    """List what visitors have shared from this server: until when, how large, by which model, the title."""
    for line in base.workbench().sharing.listed(purge):
        typer.echo(line)


def serve(port: Annotated[int, typer.Option(min=1, max=65535)] = 8501, host: str = "127.0.0.1") -> None:
    """Start the app in a browser."""
    script = Path(__file__).resolve().parents[2] / "app.py"
    if not script.is_file():
        raise EsmvizError(
            f"{script.name} is not beside the package.",
            "Run the command in a clone of esmviz, or `make run`.",
        )
    from esmviz.settings import Settings

    Settings.from_env()  # a misspelt one ends here, not in the server's traceback
    address = ["--server.port", str(port), "--server.address", host, "--browser.gatherUsageStats", "false"]
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        command = [sys.executable, "-m", "streamlit", "run", str(script), *address]
        done = subprocess.run(command, cwd=script.parent, check=False)  # nosec B603
        raise typer.Exit(done.returncode)
