"""Bytes named after their own sha256, in a folder or in object storage: what comes out is what went in, or an error."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from esmviz.errors import DamagedDataError, StoreUnavailableError
from esmviz.stores.drivers import BUCKETS, cause, is_of_the_place, opened, protocols, without_passwords

log = logging.getLogger("esmviz")

_DIGEST = re.compile(r"[0-9a-f]{64}")
DRAFT_SECONDS = 3600  # what is still under its temporary name after that was left behind


class Payloads:
    """A content-addressed store.

    Parameters
    ----------
    url : str
        A folder, or an address that fsspec knows, as ``s3://bucket/folder``.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def put(self, content: bytes) -> str:
        """Keep bytes; their name. A reader sees all of them or nothing: they get their name once they are whole.

        Raises
        ------
        StoreUnavailableError
            When they cannot be written.
        """
        digest = hashlib.sha256(content).hexdigest()
        with self._translating("written"):
            if self._is_bucket:  # an object is there once all of it is
                self._files.pipe_file(self._path(digest), content)
            else:
                self._put_file(self._path(digest), content)
        return digest

    def _put_file(self, path: str, content: bytes) -> None:
        draft = f"{self._root}/drafts/{secrets.token_hex(16)}"
        for one in (draft, path):
            self._files.makedirs(self._files._parent(one), exist_ok=True)
        try:
            self._write(draft, content)
            self._files.mv(draft, path)
        except Exception:
            with suppress(Exception):  # the first error is the one to tell; a draft is swept later
                self._files.rm_file(draft)
            raise
        self._settle(path)

    def get(self, digest: str) -> bytes:
        """The bytes of that name.

        Raises
        ------
        DamagedDataError
            When they are not there any more, or are other bytes.
        """
        with self._translating("read"):
            try:
                content: bytes = self._files.cat_file(self._path(digest))
            except FileNotFoundError:
                content = b""
        if hashlib.sha256(content).hexdigest() != digest:
            log.error("payload %s is missing or damaged", digest)
            raise DamagedDataError(
                "The stored content is missing or damaged, so it is not shown.",
                "Ask who shared it for a new link, or who runs esmviz for a backup.",
            )
        return content

    def has(self, digest: str) -> bool:
        """Whether there is something under the name."""
        with self._translating("read"):
            self._files.invalidate_cache()
            return bool(self._files.exists(self._path(digest)))

    def remove(self, digest: str) -> None:
        """Forget bytes, if they are there."""
        with self._translating("removed"), suppress(FileNotFoundError):
            self._files.rm_file(self._path(digest))

    def names(self) -> set[str]:
        """All that is kept."""
        with self._translating("listed"):
            self._files.invalidate_cache()
            found = {path.rsplit("/", 1)[-1] for path in self._files.find(self._root)}
        return {name for name in found if _DIGEST.fullmatch(name)}

    def sweep_drafts(self) -> int:
        """Remove what was never finished; how many there were."""
        n = 0
        with self._translating("removed"):
            for path in self._files.find(f"{self._root}/drafts"):
                with suppress(FileNotFoundError):
                    if time.time() - self._files.modified(path).timestamp() > DRAFT_SECONDS:
                        self._files.rm_file(path)
                        n += 1
        return n

    def _write(self, path: str, content: bytes) -> None:
        with self._files.open(path, "wb") as stream:
            stream.write(content)
            if self._is_local:  # the record that names it must not outlive it in a power cut
                stream.flush()
                os.fsync(stream.fileno())

    def _settle(self, path: str) -> None:
        """The new name, too, is on the disk."""
        if self._is_local:
            folder = os.open(self._files._parent(path), os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _path(self, digest: str) -> str:
        if not _DIGEST.fullmatch(digest):
            raise ValueError("a payload is named by a sha256")
        return f"{self._root}/{digest[:2]}/{digest}"

    @cached_property
    def _place(self) -> tuple[Any, str]:
        files, root = opened(self._url)
        return files, root.rstrip("/")

    @property
    def _files(self) -> Any:
        return self._place[0]

    @property
    def _root(self) -> str:
        return self._place[1]

    @property
    def _is_local(self) -> bool:
        return "file" in self._files.protocol

    @property
    def _is_bucket(self) -> bool:
        return not BUCKETS.isdisjoint(protocols(self._files))

    @contextmanager
    def _translating(self, done: str) -> Iterator[None]:
        """Errors of a driver, which have classes of their own, are those of the place; ours and Python's go on."""
        try:
            yield
        except Exception as error:
            if not is_of_the_place(error):
                raise
            log.warning("payloads: %s: %s", type(error).__name__, without_passwords(error))
            raise StoreUnavailableError(
                f"The content of a snapshot cannot be {done}: {cause(error)}.",
                "Try again in a while. Who runs esmviz can mend the place that ESMVIZ_DATA_DIR or "
                "ESMVIZ_PAYLOAD_URL names.",
            ) from error
