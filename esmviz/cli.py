"""The command line: the Workbench with files on both sides. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

from collections.abc import Callable

import typer

from esmviz.commands import files, machine, report
from esmviz.commands.base import told

app = typer.Typer(
    help="Look inside protein language models: vectors, logits, attention and contacts of your proteins.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(files.embed, files.logits, files.attention, files.contacts, files.predict),
    report.report,
    *(machine.measure, machine.models, machine.snapshots),
)
for command in COMMANDS:
    app.command()(told(command))
app.command("app")(told(machine.serve))


def main() -> None:
    """Entry of the installed command."""
    app()


if __name__ == "__main__":
    main()
