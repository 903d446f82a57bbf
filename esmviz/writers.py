"""Files that grow one protein at a time, so that memory stays flat however many proteins there are.

Every writer is a context manager with ``add(id, array)``. The file is whole when the block has ended well, and vanishes
otherwise.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from esmviz.export import csv_cell, json_text, safe_key
from esmviz.labels import residue_labels, value_labels, window_labels
from esmviz.types import FloatArray, Predictor, Windows
from esmviz.zips import Entry, Zip


class Writer(ABC):
    """One file in the making.

    Parameters
    ----------
    path : Path
        Where to write.
    meta : mapping
        Model, revision, layer, pooling, precision and the like; each format keeps it in its own way. ``windows`` says
        of each protein that was read in windows where they lie, such as ``["1-1022", "458-1479"]``.
    """

    names_residues = False  # whether ``add`` needs the sequence

    def __init__(self, path: Path | str, meta: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.meta = dict(meta)
        self.n_added = 0
        self.windows: dict[str, list[str]] = {}

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_whole = False
        try:
            if kind is None and self.n_added:
                self._finish()
                is_whole = True
        finally:
            self._release()
            if not is_whole:
                self.path.unlink(missing_ok=True)

    def add(self, identifier: str, array: FloatArray, windows: Windows = (), sequence: str = "") -> None:
        """Append what one protein gave, in which windows it was read, and, where residues are named, its sequence."""
        if windows:
            self.windows[identifier] = window_labels(windows)
        self._write(identifier, array, sequence)
        self.n_added += 1

    def _meta_text(self) -> str:
        return json_text(self.meta | ({"windows": self.windows} if self.windows else {}))

    @abstractmethod
    def _open(self) -> None: ...

    @abstractmethod
    def _write(self, identifier: str, array: FloatArray, sequence: str) -> None: ...

    @abstractmethod
    def _finish(self) -> None:
        """What comes after the last protein."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of the files, finished or not."""


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
        self.archive = Zip(self.path)

    def _write(self, identifier: str, array: FloatArray, sequence: str) -> None:
        self._add(safe_key(identifier), array)

    def _add(self, key: str, array: Any) -> None:
        with self.archive.entry(f"{key}.npy") as stream:
            np.lib.format.write_array(stream, np.asarray(array), allow_pickle=False)

    def _finish(self) -> None:
        for key, array in self.arrays.items():
            self._add(key, array)
        self._add("meta", self._meta_text())
        self.archive.finish()

    def _release(self) -> None:
        self.archive.close()


class PooledNpzWriter(NpzWriter):
    """``vectors`` (N, D), or another ``name``, and ``ids``, in the order added; ``meta``, and further arrays.

    An npz array starts with its shape, and its texts are of one width: hence ``n_rows`` and ``longest_id``. The ids wait
    in a temporary file until the vectors are written.
    """

    def __init__(
        self,
        path: Path | str,
        meta: Mapping[str, Any],
        n_rows: int,
        longest_id: int,
        arrays: Mapping[str, Any] | None = None,
        name: str = "vectors",
    ) -> None:
        super().__init__(path, meta, arrays)
        self.n_rows, self.name = n_rows, name
        self.ids_type = np.dtype(f"<U{max(longest_id, 1)}")
        self.width = 0

    def _open(self) -> None:
        super()._open()
        self.ids = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115  closed in _release
        self.begun = ExitStack()

    def _write(self, identifier: str, array: FloatArray, sequence: str) -> None:
        vector = np.asarray(array, dtype="<f4")
        if vector.ndim != 1 or (self.n_added and len(vector) != self.width):
            raise ValueError(
                f"{identifier}: a vector of {self.width} numbers was expected, not {vector.shape}"
            )
        if not self.n_added:
            self.width = len(vector)
            shape = (self.n_rows, self.width)
            self.rows = self.begun.enter_context(self._array(self.name, vector.dtype, shape))
        self.rows.write(vector.tobytes())
        self.ids.write(np.array(identifier, dtype=self.ids_type).tobytes())

    @contextmanager
    def _array(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Iterator[Entry]:
        """An array in the archive, for its rows to follow."""
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        with self.archive.entry(f"{name}.npy") as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            yield stream

    def _finish(self) -> None:
        if self.n_added != self.n_rows:
            raise ValueError(f"{self.n_rows} rows were announced and {self.n_added} came")
        self.begun.close()
        self.ids.seek(0)
        with self._array("ids", self.ids_type, (self.n_rows,)) as stream:
            shutil.copyfileobj(self.ids, stream)
        super()._finish()

    def _release(self) -> None:
        with self.ids:
            super()._release()


class H5Writer(Writer):
    """One dataset per id, named by ``safe_key``, with the id, ``meta`` and its windows as attributes of every dataset."""

    def _open(self) -> None:
        import h5py

        self.file = h5py.File(self.path, "w")

    def _write(self, identifier: str, array: FloatArray, sequence: str) -> None:
        dataset = self.file.create_dataset(safe_key(identifier), data=np.asarray(array))
        dataset.attrs["id"] = _encodable(identifier)
        if identifier in self.windows:
            dataset.attrs["windows"] = self.windows[identifier]
        for name, value in self.meta.items():
            if value is not None:
                is_plain = isinstance(value, (str, int, float, np.number))
                dataset.attrs[name] = value if is_plain else json_text({name: value})

    def _finish(self) -> None:
        self.file.flush()

    def _release(self) -> None:
        self.file.close()


class CsvWriter(Writer):
    """A line per protein: its id, then ``v1`` to ``vD`` or the ``columns`` given. CSV has no place for ``meta`` and
    windows.
    """

    def __init__(self, path: Path | str, meta: Mapping[str, Any], columns: Sequence[str] = ()) -> None:
        super().__init__(path, meta)
        self.columns = columns

    def _open(self) -> None:
        self.stream: IO[str] = open(self.path, "w", encoding="utf-8", newline="")  # noqa: SIM115  closed in _close
        self.table = csv.writer(self.stream, lineterminator="\n")

    def _write(self, identifier: str, array: FloatArray, sequence: str) -> None:
        vector = np.asarray(array)
        if vector.ndim != 1:
            raise ValueError(f"{identifier}: a table holds one vector per protein, not {vector.shape}")
        if not self.n_added:
            columns = self.columns or [f"v{number}" for number in range(1, len(vector) + 1)]
            self.table.writerow(["id", *map(csv_cell, columns)])
        self.table.writerow([csv_cell(identifier), *map(csv_cell, vector)])

    def _finish(self) -> None:
        self.stream.flush()

    def _release(self) -> None:
        self.stream.close()


class ResidueCsvWriter(CsvWriter):
    """A line per residue: the id of its protein, its name such as ``M1``, then ``columns``."""

    names_residues = True

    def _write(self, identifier: str, array: FloatArray, sequence: str) -> None:
        if not self.n_added:
            self.table.writerow(["id", "residue", *map(csv_cell, self.columns)])
        for name, row in zip(residue_labels(sequence), np.asarray(array), strict=True):
            self.table.writerow([csv_cell(identifier), name, *map(csv_cell, row)])


def vector_writer(path: Path, meta: Mapping[str, Any], n_rows: int, longest_id: int) -> Writer:
    """For a vector of each protein."""
    if path.suffix == ".npz":
        return PooledNpzWriter(path, meta, n_rows, longest_id)
    return H5Writer(path, meta) if path.suffix == ".h5" else CsvWriter(path, meta)


def prediction_writer(
    path: Path, meta: Mapping[str, Any], n_rows: int, longest_id: int, predictor: Predictor
) -> Writer:
    """For predictions: a table with a column for each class, or an npz with ``classes`` beside the values."""
    of_proteins, classes = predictor.unit == "proteins", {"classes": np.array(predictor.classes)}
    if path.suffix == ".csv":
        kind = CsvWriter if of_proteins else ResidueCsvWriter
        return kind(path, meta, value_labels(predictor))
    if of_proteins:
        return PooledNpzWriter(path, meta, n_rows, longest_id, classes, "values")
    return NpzWriter(path, meta, classes)


def _encodable(text: str) -> str:
    """HDF5 text is UTF-8, which has no lone surrogates and ends at a zero."""
    return text.encode("utf-8", "replace").decode().replace("\x00", " ")
