"""What is broken in a stored zip, its JSON or its arrays becomes one error of ours."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from esmviz.errors import DamagedDataError

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    OSError,  # bz2, and a seek to before the start; the content is in memory, so no disk is meant
    *(LookupError, TypeError, ValueError, AttributeError),
    *(RuntimeError, OverflowError, MemoryError),  # a password, nesting without end; a size that got damaged
)


@contextmanager
def telling_damage() -> Iterator[None]:
    """Raise a DamagedDataError for what a reader of bytes in memory trips over."""
    try:
        yield
    except _BROKEN as error:
        raise DamagedDataError("Stored data of esmviz is damaged and is not shown.") from error
