"""What commands share: their options, the Workbench behind them, and errors as a line and a status."""

from __future__ import annotations

import functools
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


def told(command: Callable[P, R]) -> Callable[P, R]:
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


def workbench(device: str = "auto", precision: str = "auto") -> Workbench:
    from dataclasses import replace

    from esmviz.settings import Settings
    from esmviz.workbench import Workbench

    settings = Settings.from_env()
    changes: dict[str, Any] = {"device": device, "precision": precision}
    chosen = {name: value for name, value in changes.items() if value != "auto"}
    return Workbench(replace(settings, **chosen), allow_paths=True)


def check_ending(path: Path, suffixes: tuple[str, ...], option: str) -> None:
    """Refuse a name whose ending says another format."""
    if path.suffix.lower() not in suffixes:
        raise typer.BadParameter(f"{path.name} must end in {' or '.join(suffixes)}.", param_hint=option)


def run(
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
    check_ending(output, suffixes, "'-o' / '--output'")
    if str(source) != "-" and not source.is_file():
        raise typer.BadParameter(f"there is no file {source}.", param_hint="IN.fasta")
    from esmviz.runs import Run

    bench = workbench(device, precision)
    name = model or bench.settings.default_model
    return Run(bench, source, output, name, precision, stats, strict, resume)  # type: ignore[arg-type]  # a Literal of the same texts
