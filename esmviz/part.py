"""``OUT.part``, the folder in which the results of a run gather until the file is whole.

``run.json`` says which run it is. The numbers lie in shards of whole rows, float32, that only grow; ``index.jsonl`` has
a line for each protein, written after its row. So whatever ends the process, at any moment, what the index names is there;
what was cut off at the end of either is left out when the run is taken up again.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from array import array as Array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from esmviz.errors import UnfinishedRunError
from esmviz.types import FloatArray, Windows

SHARD_BYTES = (
    16 << 20
)  # a shard is mapped as a whole when it is read, and this bounds what it adds to the memory in use


@dataclass(frozen=True)
class Row:
    """What one protein gave; ``number`` is that of its record, from 1."""

    number: int
    id: str
    array: FloatArray
    windows: Windows


class Part:
    """Rows of one run, on disk as soon as they are added; a context manager that one process at a time can hold.

    Parameters
    ----------
    output : Path
        The file to be.
    run : mapping
        All that could change a row; plain values.
    resume : bool
        Go on with the rows of an earlier run.

    Raises
    ------
    UnfinishedRunError
        On entering: there are rows and ``resume`` is False, or they are of another run, or it is still at work.
    """

    def __init__(self, output: Path, run: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = output.with_name(output.name + ".part")
        self.whole = self.folder / f"whole{output.suffix.lower()}"
        self.n_kept = 0
        self.precision = ""
        self.longest_id = 0
        self._output, self._run, self._resume = output, dict(run), resume
        self._offsets = Array("q")  # by record number: where its line of the index starts, or -1
        self._n = 0
        self._end = 0  # of the index
        self._shard, self._shard_end = 0, 0
        self._is_done = False
        self._mapped: tuple[int, FloatArray] | None = None

    def __enter__(self) -> Self:
        if self.folder.exists() and not self.folder.is_dir():
            raise UnfinishedRunError(f"{self.folder} is no folder.", "Move or delete it.")
        self.folder.mkdir(exist_ok=True)
        with ExitStack() as files:
            self._index = files.enter_context(_opened(self.folder / "index.jsonl"))
            self._listed = files.enter_context((self.folder / "index.jsonl").open("rb"))
            self._take()
            files.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mapped = None
        self._rows.close()
        self._listed.close()
        self._index.close()
        if self._is_done or not self._n:
            shutil.rmtree(self.folder)

    def __len__(self) -> int:
        return self._n

    def __contains__(self, number: int) -> bool:
        return number < len(self._offsets) and self._offsets[number] >= 0

    def add(self, number: int, name: str, array: FloatArray, precision: str, windows: Windows) -> None:
        """Keep a row.

        Raises
        ------
        UnfinishedRunError
            When it is of another precision than those before.
        """
        if self._n and precision != self.precision:
            raise UnfinishedRunError(
                f"{self.folder} holds results in {self.precision}, and now they come in {precision}.",
                f"Use --precision {self.precision}, or delete the folder and start again.",
            )
        if self._shard_end >= SHARD_BYTES:
            self._next_shard()
        content = np.ascontiguousarray(array, dtype="<f4")
        line = {
            "record": number,
            "id": name,
            "shard": self._shard,
            "start": self._shard_end,
            "shape": content.shape,
            "crc32": zlib.crc32(content.tobytes()),
            "precision": precision,
            "windows": windows,
        }
        _append(self._rows, content.tobytes())
        self._shard_end += content.nbytes
        self._list(line)

    def copy(self, number: int, name: str, twin: int) -> Windows:
        """Keep a row like that of another record, whose sequence is the same; the windows that it was read in."""
        line = {**self._line(twin), "record": number, "id": name}
        self._list(line)
        return _windows(line)

    def rows(self) -> Iterator[Row]:
        """All rows, in the order of their records."""
        for number, offset in enumerate(self._offsets):
            if offset >= 0:
                line = self._line(number)
                yield Row(number, line["id"], self._array(line), _windows(line))

    def finish(self) -> None:
        """``whole`` becomes the output, and the folder goes."""
        with self.whole.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(self.whole, self._output)
        self._is_done = True

    def _take(self) -> None:
        """Own the folder, and find what is in it."""
        _lock(self._index, self.folder)
        told = self.folder / "run.json"
        found = _whole_line(told.read_bytes()) or {} if told.exists() else {}
        self._find_rows()
        if self._n and not self._resume:
            raise UnfinishedRunError(
                f"{self.folder} holds {self._n:,} finished proteins of an earlier run.",
                "Go on with --resume, or delete the folder to start again.",
            )
        wanted = json.loads(json.dumps(self._run))
        others = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
        if self._n and others:
            difference = "; ".join(
                f"{name} {found.get(name)} there, {wanted.get(name)} here" for name in others
            )
            raise UnfinishedRunError(
                f"{self.folder} is of another run: {difference}.",
                "Give what was given then, or delete the folder.",
            )
        self.n_kept = self._n
        self._open_rows()
        if not self._n:
            draft = told.with_suffix(".new")
            draft.write_text(json.dumps(self._run) + "\n", encoding="utf-8")
            os.replace(draft, told)

    def _find_rows(self) -> None:
        for text in self._listed:
            line = _whole_line(text)
            if line is None or not self._is_whole(line):
                break
            self._note(line)
            self._end += len(text)

    def _is_whole(self, line: dict[str, Any]) -> bool:
        """Whether the row of a line is there. A power cut can lose what was written last, so its sum is compared."""
        path, n_bytes = self._path(line["shard"]), 4 * int(np.prod(line["shape"]))
        if not path.is_file() or path.stat().st_size < line["start"] + n_bytes:
            return False
        if self._path(line["shard"] + 1).exists():  # synced before that one was begun
            return True
        with path.open("rb") as stream:
            stream.seek(line["start"])
            return bool(zlib.crc32(stream.read(n_bytes)) == line["crc32"])

    def _open_rows(self) -> None:
        """Cut off what is half-written, and go on where the last whole row ends."""
        os.truncate(self.folder / "index.jsonl", self._end)
        shard = self._shard + 1
        while (path := self._path(shard)).exists():
            path.unlink()
            shard += 1
        self._rows = _opened(self._path(self._shard))
        os.truncate(self._path(self._shard), self._shard_end)

    def _next_shard(self) -> None:
        os.fsync(self._rows.fileno())
        os.fsync(self._index.fileno())
        self._rows.close()
        self._shard, self._shard_end = self._shard + 1, 0
        self._rows = _opened(self._path(self._shard))

    def _list(self, line: dict[str, Any]) -> None:
        text = json.dumps(line).encode() + b"\n"
        _append(self._index, text)
        self._note(line)
        self._end += len(text)

    def _note(self, line: dict[str, Any]) -> None:
        """What is remembered of a row whose line starts at the end of the index."""
        number, stop = line["record"], line["start"] + 4 * int(np.prod(line["shape"]))
        self._offsets.extend([-1] * (number + 1 - len(self._offsets)))
        self._n += self._offsets[number] < 0
        self._offsets[number] = self._end
        self._shard, self._shard_end = max((self._shard, self._shard_end), (line["shard"], stop))
        self.precision, self.longest_id = line["precision"], max(self.longest_id, len(line["id"]))

    def _line(self, number: int) -> dict[str, Any]:
        self._listed.seek(self._offsets[number])
        line: dict[str, Any] = json.loads(self._listed.readline())
        return line

    def _array(self, line: dict[str, Any]) -> FloatArray:
        if self._mapped is None or self._mapped[0] != line["shard"]:
            self._mapped = line["shard"], np.memmap(self._path(line["shard"]), dtype="<f4", mode="r")
        start, shape = line["start"] // 4, line["shape"]
        return self._mapped[1][start : start + int(np.prod(shape))].reshape(shape)

    def _path(self, shard: int) -> Path:
        return self.folder / f"rows-{shard:05d}.f32"


def _opened(path: Path) -> IO[bytes]:
    return path.open("ab", buffering=0)  # what is written is with the system, and outlives the process


def _append(stream: IO[bytes], content: bytes) -> None:
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError as error:
        raise OSError(
            error.errno, error.strerror, stream.name
        ) from error  # or a full disk would have no name


def _lock(stream: IO[bytes], folder: Path) -> None:
    """Until the file is closed, or the process ends in whatever way."""
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnfinishedRunError(f"Another run is writing to {folder}.", "Wait for it, or stop it.") from None


def _windows(line: dict[str, Any]) -> Windows:
    return tuple((start, stop) for start, stop in line["windows"])


def _whole_line(text: bytes) -> dict[str, Any] | None:
    if not text.endswith(b"\n"):
        return None
    try:
        line: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return line
