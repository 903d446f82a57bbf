"""All data of the exhibits as one zip, with a manifest that says of each file what it is and how to check it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from esmviz import export
from esmviz.exhibit import Columns, Exhibit, Molecule, Picture, Table
from esmviz.report.methods import bibtex, methods_text
from esmviz.types import ProteinRecord

FORMAT, VERSION = "esmviz data archive", 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold: equal content gives equal bytes

MOST_CELLS = 2_000_000  # of a table as CSV: two seconds, and as many to pack it
ARRAYS_ALONE = (
    f"A map of more than {MOST_CELLS:,} cells is in the ZIP as NPZ alone; its page gives it as CSV."
)

README = """Data of an analysis with esmviz.

methods.txt and references.bib are for a manuscript. inputs.csv lists the proteins{fasta}.
Each folder is a page of the app: .csv are tables, .npz are NumPy arrays (numpy.load with allow_pickle=False; `meta`
is JSON text; a map of more than 2,000,000 cells has no .csv beside it), .figure.json are figures for plotly
(plotly.io.from_json), exhibit.json says how they were made.

manifest.json has the SHA-256 of every other file. To check them:

    python - <<'END'
    import hashlib, json, pathlib
    for entry in json.loads(pathlib.Path("manifest.json").read_text())["files"]:
        content = pathlib.Path(entry["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"], entry["name"]
    END
"""


@dataclass(frozen=True)
class File:
    """One file of the archive; ``provenance`` is what it was computed with, empty for a text."""

    name: str
    content: bytes
    what: str
    provenance: Mapping[str, Any] = field(default_factory=dict)


def archive_bytes(exhibits: Sequence[Exhibit], *, with_sequences: bool = True) -> bytes:
    """The zip; equal exhibits give equal bytes.

    Parameters
    ----------
    with_sequences : bool
        Whether a FASTA of the proteins comes along. Figures and tables along a protein name its residues all the same.
    """
    listed = []
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in _files(exhibits, with_sequences):
            archive.writestr(zipfile.ZipInfo(file.name, _EPOCH), file.content, zipfile.ZIP_DEFLATED)
            listed.append(_listed(file))
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "esmviz": sorted({exhibit.versions["esmviz"] for exhibit in exhibits}),
            "created": max((exhibit.created for exhibit in exhibits), default=""),
            "files": listed,
        }
        content = json.dumps(manifest, indent=2, ensure_ascii=False, default=str)
        archive.writestr(zipfile.ZipInfo("manifest.json", _EPOCH), content.encode("utf-8", "replace"))
    return buffer.getvalue()


def _listed(file: File) -> dict[str, Any]:
    return {
        "name": file.name,
        "sha256": hashlib.sha256(file.content).hexdigest(),
        "bytes": len(file.content),
        "what": file.what,
        "provenance": dict(file.provenance),
    }


def n_left_out(columns: Columns, arrays: Mapping[str, Any]) -> int:
    """Cells of a picture's table where it is left out, since it is beyond ``MOST_CELLS`` and its arrays are there; or 0."""
    n_cells = len(columns) * len(next(iter(columns.values()), ()))
    return n_cells if arrays and n_cells > MOST_CELLS else 0


def proteins(exhibits: Sequence[Exhibit]) -> tuple[ProteinRecord, ...]:
    """Each protein once; of equal ids with other sequences, both."""
    found = {(record.id, record.sequence): record for exhibit in exhibits for record in exhibit.records}
    return tuple(found.values())


def _files(exhibits: Sequence[Exhibit], with_sequences: bool) -> Iterator[File]:
    records = proteins(exhibits)
    told = ", inputs.fasta holds their sequences" if with_sequences else "; their sequences were left out"
    yield File("README.txt", README.format(fasta=told).encode(), "What is where, and how to check it.")
    yield File("methods.txt", _utf8(methods_text(exhibits)), "Methods, to paste into a manuscript.")
    yield File("references.bib", _utf8(bibtex(exhibits)), "Sources, as BibTeX.")
    columns: dict[str, Sequence[Any]] = {
        "id": [record.id for record in records],
        "residues": [len(record) for record in records],
        "description": [record.description for record in records],
    }
    yield File("inputs.csv", export.csv_bytes(columns), "The proteins.")
    if with_sequences:
        yield File("inputs.fasta", export.fasta_bytes(records), "The proteins with their sequences.")
    for number, exhibit in enumerate(exhibits, 1):
        yield from _of_exhibit(exhibit, f"{number}-{exhibit.page}")


def _of_exhibit(exhibit: Exhibit, folder: str) -> Iterator[File]:
    about = {
        "page": exhibit.page,
        "created": exhibit.created,
        "source": exhibit.source,
        "versions": exhibit.versions,
    }
    whole = {**about, "title": exhibit.title, "model": exhibit.model, "settings": exhibit.settings}
    yield File(f"{folder}/exhibit.json", _json(whole), f"How this was made: {exhibit.title}", about)
    taken: set[str] = set()
    for piece in exhibit.pieces:
        for stem, suffix, content, what in _of_piece(piece):
            name = _free(folder, stem, suffix, taken)
            facts = getattr(piece, "facts", {}) or {"model": exhibit.model["name"]}
            yield File(name, content, what, {**about, **facts})


def _of_piece(piece: Any) -> Iterator[tuple[str, str, bytes, str]]:
    """Stem, suffix, content and meaning of each file of a piece."""
    match piece:
        case Picture():
            stem = piece.file_name or piece.name
            yield stem, "figure.json", _utf8(piece.figure), f"Figure: {piece.alt}"
            columns, arrays = dict(piece.columns), dict(piece.arrays)
            n_cells = n_left_out(columns, arrays)
            if columns and not n_cells:
                yield stem, "csv", export.csv_bytes(columns), f"Table of the figure: {piece.alt}"
            if arrays:
                instead = f". Its table of {n_cells:,} cells is left out; these are its numbers" * bool(
                    n_cells
                )
                yield (
                    stem,
                    "npz",
                    export.npz_bytes(arrays, piece.facts),
                    f"Arrays of the figure: {piece.alt}{instead}",
                )
        case Table():
            yield (
                piece.title,
                "csv",
                export.csv_bytes(dict(piece.columns)),
                f"Table: {piece.title}. {piece.note}".strip(),
            )
            if arrays := dict(getattr(piece, "arrays", {})):
                yield piece.title, "npz", export.npz_bytes(arrays, piece.facts), f"Arrays: {piece.title}"
        case Molecule():
            yield piece.name, "cif", _utf8(piece.text), f"Coordinates as drawn: {piece.alt}"
            yield (
                piece.name,
                "colours.json",
                _json(dict(piece.painting)),
                f"Colours and words of each residue: {piece.alt}",
            )


def _free(folder: str, stem: str, suffix: str, taken: set[str]) -> str:
    """A name that no file has yet, upper and lower case being one: so they are on many disks."""
    plain, number = export.download_name(stem, suffix=suffix), 1
    name = plain
    while name.lower() in taken:
        number += 1
        name = export.download_name(stem[:90], number, suffix=suffix)
    taken.add(name.lower())
    return f"{folder}/{name}"


def _json(values: Mapping[str, Any]) -> bytes:
    return _utf8(json.dumps(dict(values), indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
