"""The command line: the Workbench with files on both sides. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, ParamSpec, TypeVar

import typer

from esmviz.errors import EsmvizError

if TYPE_CHECKING:
    from esmviz.runs import Run
    from esmviz.workbench import Workbench

P = ParamSpec("P")
R = TypeVar("R")

app = typer.Typer(
    help="Look inside protein language models: vectors, logits, attention and contacts of your proteins.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Input = Annotated[Path, typer.Argument(metavar="IN.fasta", help="FASTA, also gzip; - for standard input.")]
Output = Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Its ending says the format.")]
Model = Annotated[
    str,
    typer.Option(metavar="NAME_OR_PATH", help="See `esmviz models`.  [default: mini]", show_default=False),
]
Device = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes a GPU where there is one.")]
# Written out here, since esmviz.types would import numpy for --help; a test holds the lists together.
PrecisionName = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"],
    typer.Option(help="auto is the fast one for vectors, where the hardware has it, else float32."),
]
PoolingName = Annotated[
    Literal["mean", "max", "bos", "none"], typer.Option(help="none: a vector for each residue.")
]
Stats = Annotated[Path | None, typer.Option(metavar="FILE.json", help="Write speed and counts.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the same command was stopped.")]
Strict = Annotated[bool, typer.Option("--strict", help="Write nothing if any record is rejected.")]


def main() -> None:
    """Entry of the installed command."""
    app()


def _told(command: Callable[P, R]) -> Callable[P, R]:
    """Errors become a line on stderr and an exit status; never a traceback, which could hold a sequence."""

    @functools.wraps(command)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            text, code = "Stopped.", 130
        except EsmvizError as error:
            text, code = f"error: {error}", error.exit_code
        except OSError as error:
            text, code = f"error: {error.filename or 'file'}: {error.strerror or type(error).__name__}.", 3
        except MemoryError:
            text, code = "error: There is not enough memory.", 3
        except Exception as error:  # noqa: BLE001 - a bug: its text could hold a sequence, its place does not
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            text, code = f"error: Unexpected {type(error).__name__} in {where}. Please report it.", 3
        typer.echo(text, err=True)
        raise typer.Exit(code)

    return told


def _workbench(device: str = "auto", precision: str = "auto") -> Workbench:
    from dataclasses import replace

    from esmviz.settings import Settings
    from esmviz.workbench import Workbench

    settings = Settings.from_env()
    changes: dict[str, Any] = {"device": device, "precision": precision}
    chosen = {name: value for name, value in changes.items() if value != "auto"}
    return Workbench(replace(settings, **chosen), allow_paths=True)


def _run(
    source: Path,
    output: Path,
    suffixes: tuple[str, ...],
    model: str,
    device: str,
    precision: str,
    stats: Path | None,
    strict: bool,
    resume: bool,
) -> Run:
    """What all commands with files share; refuses a wrong ending before anything is loaded."""
    if output.suffix.lower() not in suffixes:
        raise typer.BadParameter(
            f"{output.name} must end in {' or '.join(suffixes)}.", param_hint="'-o' / '--output'"
        )
    if str(source) != "-" and not source.is_file():
        raise typer.BadParameter(f"there is no file {source}.", param_hint="IN.fasta")
    from esmviz.runs import Run

    workbench = _workbench(device, precision)
    name = model or workbench.settings.default_model
    return Run(workbench, source, output, name, precision, stats, strict, resume)  # type: ignore[arg-type]  # a Literal of the same texts


@app.command()
@_told
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
    run = _run(source, output, (".npz", ".h5", ".csv"), model, device, precision, stats, strict, resume)
    if pooling == "none" and output.suffix.lower() == ".csv":
        raise typer.BadParameter(
            "a table has one vector for each protein; write .npz or .h5.", param_hint="-o"
        )
    run.embed(layer, None if pooling == "none" else pooling)


@app.command()
@_told
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
    _run(source, output, (".npz",), model, device, precision, stats, strict, resume).logits(masked)


@app.command()
@_told
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
    _run(source, output, (".npz",), model, device, precision, stats, strict, resume).attention(layer, head)


@app.command()
@_told
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
    _run(source, output, (".npz",), model, device, precision, stats, strict, resume).contacts()


@app.command()
@_told
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
    _run(source, output, (".csv", ".npz"), model, device, precision, stats, strict, resume).predict()


@app.command()
@_told
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
    run = _run(source, nowhere, ("",), (model or [""])[0], device, precision, None, strict, False)
    measured = run.measure(model or [run.model])
    if as_json:
        rows = [{**asdict(m), "residues_per_second": m.residues_per_second} for m in measured]
        typer.echo(json.dumps(rows, indent=2))
        return
    for line in in_words(measured):
        typer.echo(line)


@app.command()
@_told
def models(
    as_json: Annotated[bool, typer.Option("--json", help="All that is known, for programs.")] = False,
) -> None:
    """List the models, whether they are on this machine, and whether they would fit in its memory."""
    import json
    from dataclasses import asdict

    workbench = _workbench()
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


@app.command()
@_told
def snapshots(purge: Annotated[bool, typer.Option("--purge", help="Remove what expired.")] = False) -> None:
    """List what visitors have shared from this server: until when, how large, by which model, the title."""
    for line in _workbench().sharing.listed(purge):
        typer.echo(line)


@app.command("app")
@_told
def serve(port: Annotated[int, typer.Option(min=1, max=65535)] = 8501, host: str = "127.0.0.1") -> None:
    """Start the app in a browser."""
    script = Path(__file__).resolve().parent.parent / "app.py"
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


if __name__ == "__main__":
    main()
