"""A FASTA in, the report of the app out, without a browser."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from esmviz.commands import base
from esmviz.commands.base import Device, Input, Model, Output, Strict


class View(StrEnum):
    """Written out here, since esmviz.tour would import numpy for --help; a test holds the lists together."""

    similarity = "similarity"
    heads = "heads"
    attention = "attention"
    contacts = "contacts"
    mutations = "mutations"
    clusters = "clusters"


Data = Annotated[Path | None, typer.Option("--zip", metavar="OUT.zip", help="All data, too, with checksums.")]
Proteins = Annotated[
    list[str] | None,
    typer.Option(metavar="ID", help="Whose pictures; again for another.  [default: the first]"),
]
Views = Annotated[
    list[View] | None,
    typer.Option(
        metavar="NAME",
        help=f"One of {', '.join(View)}; again for another.  [default: all that the model gives]",
    ),
]
Masked = Annotated[bool, typer.Option("--masked", help="Mutations by masked marginals: L passes.")]
Sequences = Annotated[bool, typer.Option("--sequences/--no-sequences", help="Whether sequences are listed.")]
AsOnPages = Annotated[Literal["float32", "bfloat16"], typer.Option(help="As on the pages.")]


def report(
    source: Input,
    output: Output,
    data: Data = None,
    protein: Proteins = None,
    show: Views = None,
    layer: Annotated[int, typer.Option(help="Of vectors and of --head; -1 is the last.")] = -1,
    head: Annotated[int | None, typer.Option(help="From 1 on; adds its attention.")] = None,
    masked: Masked = False,
    title: Annotated[str, typer.Option(help="Heading of the report.")] = "",
    sequences: Sequences = True,
    model: Model = "",
    device: Device = "auto",
    precision: AsOnPages = "float32",
    strict: Strict = False,
) -> None:
    """Write what the pages show as one HTML file that opens anywhere: OUT.html."""
    from esmviz.report.archive import archive_bytes
    from esmviz.report.page import report_bytes
    from esmviz.surroundings import check_place, write
    from esmviz.tour import Tour

    if data is not None:
        base.check_ending(data, (".zip",), "--zip")
        check_place(data)
    run = base.run(source, output, (".html",), model, device, precision, None, strict, False)
    tour = Tour(run, layer=layer, head=None if head is None else head - 1, is_masked=masked)
    views = show or tour.usual(with_attention=head is not None)
    exhibits = tour.exhibits(views, tour.chosen(protein or []))
    write(output, report_bytes(exhibits, title=title, with_sequences=sequences))
    if data is not None:
        write(data, archive_bytes(exhibits, with_sequences=sequences))
