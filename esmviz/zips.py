"""Zip files of any number of entries. ``zipfile`` keeps some 400 bytes of each in memory until the end."""

from __future__ import annotations

import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

# APPNOTE.TXT 6.3.10 of PKWARE. Every size and offset is in the 64-bit field, so that no entry needs to know its own.
_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_64 = struct.Struct("<2H2Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_CENTRAL_64 = struct.Struct("<2H3Q")
_END_64 = struct.Struct("<4sQ2H2I4Q4sIQI")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UTF8, _1980, _IN_64_BITS = (
    45,
    0x800,
    0x21,
    0xFFFFFFFF,
)  # the oldest date: equal content, equal bytes


class Zip:
    """A zip of stored entries in the making, as ``numpy.load`` and ``unzip`` read it.

    Parameters
    ----------
    path : Path
        Its table of contents waits in a temporary file beside it.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("wb")
        self._table = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115  closed in close
        self._n = 0

    @contextmanager
    def entry(self, name: str) -> Iterator[Entry]:
        """One entry, to write its content to; one at a time, and no name twice."""
        encoded, start = name.encode(), self._stream.tell()
        self._stream.write(_local(encoded, 0, 0))
        content = Entry(self._stream)
        yield content
        end = self._stream.tell()
        self._stream.seek(start)
        self._stream.write(_local(encoded, content.crc32, content.size))
        self._stream.seek(end)
        self._table.write(_central(encoded, content.crc32, content.size, start))
        self._n += 1

    def finish(self) -> None:
        """Write the table of contents: now the file is a zip."""
        start, size = self._stream.tell(), self._table.tell()
        self._table.seek(0)
        shutil.copyfileobj(self._table, self._stream)
        n, end = self._n, start + size
        self._stream.write(
            _END_64.pack(
                b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, n, n, size, start, b"PK\x06\x07", 0, end, 1
            )
        )
        few, near = 0xFFFF, _IN_64_BITS
        self._stream.write(_END.pack(b"PK\x05\x06", 0, 0, few, few, near, near, 0))

    def close(self) -> None:
        """Let go of the files, finished or not."""
        with self._table, self._stream:
            pass


class Entry:
    """Content of an entry; ``crc32`` and ``size`` of what was written so far."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.crc32, self.size = stream, 0, 0

    def write(self, content: bytes) -> int:
        self.crc32 = zlib.crc32(content, self.crc32)
        self.size += len(content)
        return self._stream.write(content)


def _facts(name: bytes, crc32: int) -> tuple[int, ...]:
    """What both headers of an entry say: version to read it, text encoding, stored, time, date, sum, sizes, name."""
    encoding = 0 if name.isascii() else _UTF8
    return _VERSION, encoding, 0, 0, _1980, crc32, _IN_64_BITS, _IN_64_BITS, len(name)


def _local(name: bytes, crc32: int, size: int) -> bytes:
    sizes = _LOCAL_64.pack(1, _LOCAL_64.size - 4, size, size)
    return _LOCAL.pack(b"PK\x03\x04", *_facts(name, crc32), len(sizes)) + name + sizes


def _central(name: bytes, crc32: int, size: int, start: int) -> bytes:
    sizes = _CENTRAL_64.pack(1, _CENTRAL_64.size - 4, size, size, start)
    rest = (len(sizes), 0, 0, 0, 0o600 << 16, _IN_64_BITS)
    return _CENTRAL.pack(b"PK\x01\x02", _VERSION | 3 << 8, *_facts(name, crc32), *rest) + name + sizes
