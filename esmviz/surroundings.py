"""What a run of the command line meets outside: folders, the memory of the process, the terminal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def check_place(path: Path) -> None:
    """Fail before the work, not after it, where a file cannot be written."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "this is a folder", str(path))
    if not path.exists() and not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "this folder cannot be written to", str(path.parent))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system says of a full disk and the like, with the file that was written to."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(error.errno, reason, str(path)) from error


def write(path: Path, content: bytes) -> None:
    """A whole file or none, in the place of an earlier one."""
    draft = path.with_name(f"{path.name}.part")
    with naming(path):
        try:
            draft.write_bytes(content)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def peak_memory_mb() -> float:
    """Most memory that this process ever held, in megabytes; on macOS the system counts in bytes."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def say(text: str) -> None:
    """A line on stderr. A header's control characters would otherwise reach the terminal."""
    print("".join(letter if letter.isprintable() else "?" for letter in text), file=sys.stderr)
