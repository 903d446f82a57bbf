"""What a page shows, as one value that outlives the page: for a snapshot, for a report.

As bytes it is a zip: ``exhibit.json``, each figure as plotly's JSON, and each array once, named after the sha256 of its
content, as ``.npy``. Arrays are read when they are asked for, so that a large one does not slow a first look.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, partial
from itertools import groupby
from typing import Any

import numpy as np

from esmviz.damage import telling_damage
from esmviz.errors import DamagedDataError
from esmviz.types import ProteinRecord, Provenance

FORMAT, VERSION = "esmviz exhibit", 1
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest date a zip can hold: equal content gives equal bytes
_LEVEL = 1  # three quarters of the figures' base64 go at the first level; float32 hardly shrinks at any

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Picture:
    """A plotly figure with the numbers behind it.

    Attributes
    ----------
    name, alt : str
        Its key on the page, and the figure in words.
    figure : str
        The whole figure as plotly's JSON.
    provenance : Provenance or None
    facts : mapping
        What its files say of how it was made: plain values.
    reading : (str, str, str) or None
        How to read it: Markdown of ours, citation, DOI.
    file_name : str
        Stem of the names of its files; holds text from outside.
    columns, arrays : mapping
        The CSV and the NPZ file. Empty where the page offers none.
    """

    name: str
    alt: str
    figure: str
    provenance: Provenance | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    reading: tuple[str, str, str] | None = None
    file_name: str = ""
    columns: Columns = field(default_factory=dict)
    arrays: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table, with files where the page offers them; ``title``, ``note`` and columns may hold text from outside."""

    title: str
    columns: Columns
    note: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    file_name: str = ""
    arrays: Mapping[str, Any] = field(default_factory=dict)


CAUTION = "Caution"  # the name of a fact that has to be said before a picture is believed


@dataclass(frozen=True)
class Facts:
    """A few numbers that sum a picture up."""

    values: Mapping[str, str]


@dataclass(frozen=True)
class Molecule:
    """A structure in colours: mmCIF whose B-factors are indices into the colours and words of ``painting``."""

    name: str
    alt: str
    text: str
    painting: Mapping[str, Any]


Piece = Picture | Table | Facts | Molecule
_KINDS: dict[str, type[Piece]] = {
    "picture": Picture,
    "table": Table,
    "facts": Facts,
    "molecule": Molecule,
}


def caution_of(piece: Piece) -> str:
    """The words of a caution, empty where a piece is none."""
    return piece.values.get(CAUTION, "") if isinstance(piece, Facts) else ""


@dataclass(frozen=True)
class Exhibit:
    """One page as it stands.

    Attributes
    ----------
    page, title : str
        Name of the page and the question it answers.
    created : str
        ISO 8601, UTC.
    source : str
        Name of the set of proteins: text from outside.
    records : tuple of ProteinRecord
        The proteins that the page read, in their order; not the rest of the set.
    model : mapping
        Plain facts of the ModelSpec.
    settings : mapping
        The visitor's choices and the values of the page's widgets, by key.
    versions : mapping
        Of esmviz and of what computes.
    pieces : tuple
        What the page shows, from top to bottom.
    """

    page: str
    title: str
    created: str
    source: str
    records: tuple[ProteinRecord, ...]
    model: Mapping[str, Any]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    pieces: tuple[Piece, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Picture))

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Table))

    def to_bytes(self) -> bytes:
        """The whole of it; equal exhibits give equal bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            pieces = [_packed(piece, number, archive) for number, piece in enumerate(self.pieces)]
            own = {name: value for name, value in _values(self).items() if name not in ("pieces", "records")}
            records = [_values(record) for record in self.records]
            content = {"format": FORMAT, "version": VERSION, **own, "records": records, "pieces": pieces}
            _add(archive, "exhibit.json", json.dumps(content, default=_plain).encode())
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Exhibit:
        """Read what ``to_bytes`` wrote, here or in an earlier version; DamagedDataError for anything else."""
        with telling_damage():
            archive = zipfile.ZipFile(io.BytesIO(content))
            found = json.loads(archive.read("exhibit.json"))
            form, version = found.pop("format"), found.pop("version")
            if (form, version) == (FORMAT, VERSION):
                return _unpacked(found, archive)
        raise DamagedDataError(
            f"Stored data is of the format {form} {version}; this esmviz reads {FORMAT} {VERSION}.",
            "Open it with a newer esmviz.",
        )


class _Deferred(Mapping[str, Any]):
    """Values that are read when they are asked for."""

    def __init__(self, reads: Mapping[str, Callable[[], Any]]) -> None:
        self._reads = reads

    def __getitem__(self, name: str) -> Any:
        read = self._reads[name]
        with telling_damage():
            return read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._reads)

    def __len__(self) -> int:
        return len(self._reads)


def _values(value: Any) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _packed(piece: Piece, number: int, archive: zipfile.ZipFile) -> dict[str, Any]:
    kind = next(name for name, cls in _KINDS.items() if type(piece) is cls)
    packed = {"kind": kind, **_values(piece)}
    if isinstance(piece, Picture):
        _add(archive, f"figure-{number}.json", piece.figure.encode("utf-8", "surrogatepass"))
        packed["figure"] = f"figure-{number}.json"
        packed["provenance"] = piece.provenance and piece.provenance.as_dict()
    if isinstance(piece, Picture | Table):
        packed["arrays"] = {name: _stored(array, archive) for name, array in piece.arrays.items()}
        packed["columns"] = list(_packed_columns(piece.columns, archive))
    return packed


def _packed_columns(columns: Columns, archive: zipfile.ZipFile) -> Iterator[dict[str, Any]]:
    """Neighbouring columns of one dtype make one array: those of a matrix are the matrix itself, stored once."""

    def dtype(item: tuple[str, Any]) -> str:
        return str(item[1].dtype) if isinstance(item[1], np.ndarray) else ""

    for kind, group in groupby(columns.items(), key=dtype):
        items = list(group)
        if kind:
            stacked = np.stack([column for _, column in items], axis=1)
            yield {"names": [name for name, _ in items], "array": _stored(stacked, archive)}
        else:
            yield from ({"names": [name], "values": list(column)} for name, column in items)


def _stored(array: Any, archive: zipfile.ZipFile) -> str:
    """Name of the array's entry, which is there once for equal content."""
    array = np.asarray(array)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array).reshape(array.shape), allow_pickle=False)
    content = stream.getbuffer()
    name = f"{hashlib.sha256(content).hexdigest()}.npy"
    if name not in archive.NameToInfo:
        _add(archive, name, content)
    return name


def _add(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, _LEVEL)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"an exhibit holds no {type(value).__name__}")


def _unpacked(found: dict[str, Any], archive: zipfile.ZipFile) -> Exhibit:
    @cache
    def array(name: str) -> Any:
        with archive.open(name) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)

    records = tuple(ProteinRecord(**record) for record in found.pop("records"))
    pieces = tuple(_unpacked_piece(piece, archive, array) for piece in found.pop("pieces"))
    return Exhibit(**found, records=records, pieces=pieces)


def _unpacked_piece(packed: dict[str, Any], archive: zipfile.ZipFile, array: Callable[[str], Any]) -> Piece:
    kind = _KINDS[packed.pop("kind")]
    if kind is Picture:
        packed["figure"] = archive.read(packed["figure"]).decode("utf-8", "surrogatepass")
        packed["provenance"] = packed["provenance"] and _provenance(packed["provenance"])
        packed["reading"] = packed["reading"] and tuple(packed["reading"])
    if kind in (Picture, Table):
        packed["arrays"] = _Deferred({name: partial(array, key) for name, key in packed["arrays"].items()})
        packed["columns"] = _unpacked_columns(packed["columns"], array)
    return kind(**packed)


def _provenance(values: Mapping[str, Any]) -> Provenance:
    windows = tuple((start, stop) for start, stop in values["windows"])
    return Provenance(**{**values, "windows": windows})


def _unpacked_columns(packed: Sequence[Mapping[str, Any]], array: Callable[[str], Any]) -> Columns:
    def column(key: str, j: int) -> Any:
        return array(key)[:, j]

    reads: dict[str, Callable[[], Any]] = {}
    for part in packed:
        for j, name in enumerate(part["names"]):
            reads[name] = (
                partial(column, part["array"], j) if "array" in part else partial(part.__getitem__, "values")
            )
    return _Deferred(reads)
