"""Files that grow one protein at a time, so that memory stays flat however many proteins there are.

Every writer is a context manager with ``add(id, array)``. It writes to ``OUT.part``, which becomes ``OUT``
when the block ends well and something was added, and vanishes otherwise: a file that is there is whole.
"""

from __future__ import annotations

import csv
import os
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from esmviz.export import csv_cell, json_text, npy_entry, safe_key, write_npy
from esmviz.labels import residue_labels, value_labels, window_labels
from esmviz.types import FloatArray, Predictor, ProteinRecord, Windows


class Writer(ABC):
    """One file in the making.

    Parameters
    ----------
    path : Path
        Where the whole file will be.
    meta : mapping
        Model, revision, layer, pooling, precision and the like; each format keeps it in its own way. ``windows`` says
        of each protein that was read in windows where they lie, such as ``["1-1022", "458-1479"]``.
    """

    def __init__(self, path: Path | str, meta: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + ".part")
        self.meta = dict(meta)
        self.n_added = 0
        self.windows: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._close(whole=kind is None)
            if kind is None and self.n_added:
                os.replace(self.part, self.path)
        finally:
            self.part.unlink(missing_ok=True)

    def add(self, identifier: str, array: FloatArray, windows: Windows = ()) -> None:
        """Append what one protein gave, and in which windows it was read."""
        if windows:
            self.windows[identifier] = window_labels(windows)
        self._write(identifier, array)
        self.n_added += 1

    def _meta_text(self) -> str:
        return json_text(self.meta | ({"windows": self.windows} if self.windows else {}))

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _write(self, identifier: str, array: FloatArray) -> None: ...

    @abstractmethod
    def _close(self, *, whole: bool) -> None: ...


class NpzWriter(Writer):
    """One array per id, named by ``safe_key``, and ``meta`` as JSON text.

    ``arrays`` are further arrays under names of ours, such as ``amino_acids``.
    """

    def __init__(
        self, path: Path | str, meta: Mapping[str, Any], arrays: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(path, meta)
        self.arrays = dict(arrays or {})

    def _open(self) -> None:
        self.archive = zipfile.ZipFile(self.part, "w")

    def _write(self, identifier: str, array: FloatArray) -> None:
        write_npy(self.archive, safe_key(identifier), array)

    def _close(self, *, whole: bool) -> None:
        with self.archive:
            if whole:
                for key, array in self.arrays.items():
                    write_npy(self.archive, key, array)
                write_npy(self.archive, "meta", self._meta_text())


class PooledNpzWriter(NpzWriter):
    """``ids`` and ``vectors`` (N, D), or another ``name``, in the order added; ``meta``, and further arrays.

    An npz array starts with its shape, which is known only at the end, so the rows wait in a temporary file.
    """

    def __init__(
        self,
        path: Path | str,
        meta: Mapping[str, Any],
        arrays: Mapping[str, Any] | None = None,
        name: str = "vectors",
    ) -> None:
        super().__init__(path, meta, arrays)
        self.name = name

    def _open(self) -> None:
        self.archive = zipfile.ZipFile(self.part, "w")
        self.rows: IO[bytes] = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  closed in _close
        self.ids: list[str] = []
        self.width = 0

    def _write(self, identifier: str, array: FloatArray) -> None:
        vector = np.asarray(array, dtype=np.float32)
        if vector.ndim != 1 or (self.ids and len(vector) != self.width):
            raise ValueError(
                f"{identifier}: a vector of {self.width} numbers was expected, not {vector.shape}"
            )
        self.width = len(vector)
        self.ids.append(identifier)
        self.rows.write(vector.tobytes())

    def _close(self, *, whole: bool) -> None:
        with self.rows:
            if whole:
                write_npy(self.archive, "ids", np.array(self.ids, dtype=str))
                self._write_vectors()
            super()._close(whole=whole)

    def _write_vectors(self) -> None:
        self.rows.seek(0)
        shape = (len(self.ids), self.width)
        header = {
            "descr": np.lib.format.dtype_to_descr(np.dtype("<f4")),
            "fortran_order": False,
            "shape": shape,
        }
        with self.archive.open(npy_entry(self.name), "w", force_zip64=True) as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            while block := self.rows.read(1 << 20):
                stream.write(block)


class H5Writer(Writer):
    """One dataset per id, named by ``safe_key``, with the id, ``meta`` and its windows as attributes of every dataset."""

    def _open(self) -> None:
        import h5py

        self.file = h5py.File(self.part, "w")

    def _write(self, identifier: str, array: FloatArray) -> None:
        dataset = self.file.create_dataset(safe_key(identifier), data=np.asarray(array))
        dataset.attrs["id"] = _encodable(identifier)
        if identifier in self.windows:
            dataset.attrs["windows"] = self.windows[identifier]
        for name, value in self.meta.items():
            if value is not None:
                is_plain = isinstance(value, (str, int, float, np.number))
                dataset.attrs[name] = value if is_plain else json_text({name: value})

    def _close(self, *, whole: bool) -> None:
        self.file.close()


class CsvWriter(Writer):
    """A line per protein: its id, then ``v1`` to ``vD`` or the ``columns`` given. CSV has no place for ``meta`` and
    windows.
    """

    def __init__(self, path: Path | str, meta: Mapping[str, Any], columns: Sequence[str] = ()) -> None:
        super().__init__(path, meta)
        self.columns = columns

    def _open(self) -> None:
        self.stream: IO[str] = open(self.part, "w", encoding="utf-8", newline="")  # noqa: SIM115  closed in _close
        self.table = csv.writer(self.stream, lineterminator="\n")

    def _write(self, identifier: str, array: FloatArray) -> None:
        vector = np.asarray(array)
        if vector.ndim != 1:
            raise ValueError(f"{identifier}: a table holds one vector per protein, not {vector.shape}")
        if not self.n_added:
            columns = self.columns or [f"v{number}" for number in range(1, len(vector) + 1)]
            self.table.writerow(["id", *map(csv_cell, columns)])
        self.table.writerow([csv_cell(identifier), *map(csv_cell, vector)])

    def _close(self, *, whole: bool) -> None:
        self.stream.close()


class ResidueCsvWriter(CsvWriter):
    """A line per residue: the id of its protein, its name such as ``M1``, then ``columns``."""

    def __init__(
        self,
        path: Path | str,
        meta: Mapping[str, Any],
        columns: Sequence[str],
        sequences: Mapping[str, str],
    ) -> None:
        super().__init__(path, meta, columns)
        self.sequences = sequences

    def _write(self, identifier: str, array: FloatArray) -> None:
        if not self.n_added:
            self.table.writerow(["id", "residue", *map(csv_cell, self.columns)])
        names = residue_labels(self.sequences[identifier])
        for name, row in zip(names, np.asarray(array), strict=True):
            self.table.writerow([csv_cell(identifier), name, *map(csv_cell, row)])


def prediction_writer(
    path: Path, meta: Mapping[str, Any], predictor: Predictor, records: Iterable[ProteinRecord]
) -> Writer:
    """For predictions: a table with a column for each class, or an npz with ``classes`` beside the values."""
    is_table, of_proteins = path.suffix.lower() == ".csv", predictor.unit == "proteins"
    columns, classes = value_labels(predictor), {"classes": np.array(predictor.classes)}
    if is_table and of_proteins:
        return CsvWriter(path, meta, columns)
    if is_table:
        return ResidueCsvWriter(path, meta, columns, {record.id: record.sequence for record in records})
    return PooledNpzWriter(path, meta, classes, "values") if of_proteins else NpzWriter(path, meta, classes)


def _encodable(text: str) -> str:
    """HDF5 text is UTF-8, which has no lone surrogates and ends at a zero."""
    return text.encode("utf-8", "replace").decode().replace("\x00", " ")
