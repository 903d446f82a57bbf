"""What fsspec's drivers of other storage need to be told, and what their errors mean."""

from __future__ import annotations

import os
import re
from typing import Any

from esmviz.errors import InvalidSettingError

BUCKETS = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "az"}
)  # object storage: no folders, and whole objects only
# botocore would try a server that does not answer for minutes; a visitor waits.
_PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 1}}
_RELEASED_WITH_FSSPEC = ("s3fs", "gcsfs")  # each demands the fsspec of its own version
_PASSWORD = re.compile(r"(?<=://)\S+(?=@)")  # to the last @: one that is not escaped may be of the password


def opened(url: str) -> tuple[Any, str]:
    """The file system behind an address, and the path in it.

    Raises
    ------
    InvalidSettingError
        With what to install where the driver is missing; without the address, which may hold a password.
    """
    from fsspec.config import conf
    from fsspec.core import split_protocol, url_to_fs

    scheme = split_protocol(url)[0] or ""
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme in ("s3", "s3a"):
        options["config_kwargs"] = _PATIENCE | conf.get(scheme, {}).get("config_kwargs", {})
    try:
        files, root = url_to_fs(url, **options)
    except ImportError as error:
        raise InvalidSettingError(
            f"ESMVIZ_PAYLOAD_URL begins with {scheme}://, and the driver for that is not installed.",
            _cure(error),
        ) from error
    except ValueError as error:
        raise InvalidSettingError(
            "ESMVIZ_PAYLOAD_URL is no address that can be written to here.",
            "Name a folder, or object storage as s3://bucket/folder.",
        ) from error
    return files, str(root)


def _cure(error: ImportError) -> str:
    """The command; fsspec names the package in a sentence."""
    import fsspec

    package = next((name for name in _RELEASED_WITH_FSSPEC if name in str(error)), "")
    return f"pip install {package}=={fsspec.__version__}" if package else f"{error}."


def protocols(files: Any) -> tuple[str, ...]:
    """Names of a file system."""
    found = files.protocol
    return (found,) if isinstance(found, str) else tuple(found)


def is_of_the_place(error: Exception) -> bool:
    """Whether an error comes from the system or from a driver, rather than from a mistake of ours."""
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] not in ("builtins", "esmviz")


def cause(error: Exception) -> str:
    """An error in a few words of our own: those of a server can name accounts and buckets.

    >>> cause(PermissionError("User: arn:aws:iam::1234 is not authorized"))
    'Permission denied'
    """
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    known = {PermissionError: "Permission denied", FileNotFoundError: "No such bucket or folder"}
    return next((words for kind, words in known.items() if isinstance(error, kind)), type(error).__name__)


def without_passwords(error: Exception) -> str:
    """What an error says, for the log.

    >>> without_passwords(ValueError("no answer from https://me:hunter2@host/x"))
    'no answer from https://…@host/x'
    >>> without_passwords(ValueError("no answer from https://me:h@nt/er2@host/x"))
    'no answer from https://…@host/x'
    """
    return _PASSWORD.sub("…", str(error))
