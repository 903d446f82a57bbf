"""Snapshots: what was shared, under which link, until when, and who may take it back.

A payload is written before its record, and the record is one transaction. So whatever ends the process, at any moment,
every record has its payload; a payload without a record is swept away at the next start.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from esmviz.errors import NotTheOwnerError, QuotaExceededError, SnapshotNotFoundError
from esmviz.stores.database import Database
from esmviz.stores.payloads import Payloads

DAY = 24 * 3600
GRACE = (
    7 * DAY
)  # between the end of a snapshot and its deletion: a clock that was wrong for a while loses nothing
_SECRET = re.compile(r"[A-Za-z0-9_-]{22}")  # 128 bits of token_urlsafe

_texts = [
    sa.column(name, sa.Text)
    for name in ("id", "owner", "browser", "title", "note", "page", "model", "payload")
]
_numbers = [sa.column(name, sa.BigInteger) for name in ("n_bytes", "created", "expires")]
TABLE = sa.table("snapshots", *_texts, *_numbers)  # defined by migrations/versions


@dataclass(frozen=True)
class Label:
    """What people call a snapshot by; ``title`` and ``note`` are text from outside."""

    title: str
    note: str
    page: str
    model: str


@dataclass(frozen=True)
class Snapshot:
    """A record. ``id`` is the sha256 of its token, ``payload`` of its content; times are seconds since 1970."""

    id: str
    title: str
    note: str
    page: str
    model: str
    payload: str
    n_bytes: int
    created: int
    expires: int


@dataclass(frozen=True)
class Handed:
    """What only the sharer gets, once: the link's token, and the key that revokes or extends."""

    token: str
    key: str
    snapshot: Snapshot


@dataclass(frozen=True)
class Limits:
    """Bytes of one snapshot, of all of one browser and of all; and the longest life in days."""

    one: int
    browser: int
    everyone: int
    days: int


class Snapshots:
    """The shared pages of one place."""

    def __init__(self, database: Database, payloads: Payloads, limits: Limits) -> None:
        self._database, self._payloads, self._limits = database, payloads, limits

    def add(self, content: bytes, label: Label, *, days: int, browser: str | None = None) -> Handed:
        """Keep content under a new link.

        Raises
        ------
        QuotaExceededError
            With the limit that it would pass. Nothing is kept then.
        """
        self._check_size(len(content))
        token, key = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        now = int(time.time())
        values = vars(label) | {"n_bytes": len(content), "created": now, "expires": self._end(days, now)}
        self._check_room(len(content), browser)  # before the bytes are written; the transaction asks again
        snapshot = Snapshot(id=_digest(token), payload=self._payloads.put(content), **values)
        with self._database.writing() as connection:
            gone = _delete(connection, TABLE.c.expires <= now - GRACE)
            self._check_sums(connection, len(content), browser)
            connection.execute(TABLE.insert(), vars(snapshot) | {"owner": _digest(key), "browser": browser})
            if not self._payloads.has(snapshot.payload):  # swept in between, as nothing named it yet
                self._payloads.put(content)
        self._forget(gone)
        return Handed(token, key, snapshot)

    def check(self) -> None:
        """Raise StoreUnavailableError where nothing could be shared now: something is written, and removed again."""
        with self._database.writing():
            pass  # a payload is not put meanwhile: while its store is slow, nobody else could write
        self._payloads.remove(self._payloads.put(secrets.token_bytes(16)))

    def find(self, token: str) -> Snapshot:
        """The record behind a link.

        Raises
        ------
        SnapshotNotFoundError
            For an unknown token, an expired and a revoked snapshot alike.
        """
        if _SECRET.fullmatch(token):
            found = self._where(TABLE.c.id == _digest(token), TABLE.c.expires > time.time())
            if found and hmac.compare_digest(found[0].id, _digest(token)):
                return found[0]
        raise SnapshotNotFoundError(
            "There is no snapshot under this link: it may have expired, or been revoked, or the link is incomplete.",
            "Ask who sent it for a new one.",
        )

    def content(self, snapshot: Snapshot) -> bytes:
        """What was shared; DamagedDataError when it is not what was written."""
        return self._payloads.get(snapshot.payload)

    def of_browser(self, browser: str) -> list[Snapshot]:
        """What was shared from a browser and has not expired, newest first."""
        return self._where(TABLE.c.browser == browser, TABLE.c.expires > time.time())

    def everything(self) -> list[Snapshot]:
        """All records, newest first; expired ones, too, until they are swept."""
        return self._where(sa.true())

    def extend(self, identifier: str, days: int, *, key: str = "", browser: str | None = None) -> Snapshot:
        """Let a snapshot live for so many days from now. The owner key does it, or the browser that shared it."""
        with self._database.writing() as connection:
            _check_owner(connection, identifier, key, browser)
            end = self._end(days, int(time.time()))
            chosen = TABLE.update().where(TABLE.c.id == identifier).values(expires=end)
            connection.execute(chosen)
        [snapshot] = self._where(TABLE.c.id == identifier)
        return snapshot

    def revoke(self, identifier: str, *, key: str = "", browser: str | None = None) -> None:
        """Forget a snapshot, its content too; by the owner key or from the browser that shared it."""
        with self._database.writing() as connection:
            _check_owner(connection, identifier, key, browser)
            gone = _delete(connection, TABLE.c.id == identifier)
        self._forget(gone)

    def sweep(self) -> tuple[int, int]:
        """Remove snapshots that expired a while ago, and content that no record names; how many of both."""
        with self._database.writing() as connection:
            expired = _delete(connection, TABLE.c.expires <= time.time() - GRACE)
        orphans = self._forget(self._payloads.names())
        self._payloads.sweep_drafts()
        return len(expired), orphans - len(set(expired))

    def _where(self, *conditions: Any) -> list[Snapshot]:
        columns = [TABLE.c[field.name] for field in fields(Snapshot)]
        newest = sa.select(*columns).where(*conditions).order_by(TABLE.c.created.desc(), TABLE.c.id)
        with self._database.reading() as connection:
            return [Snapshot(*row) for row in connection.execute(newest)]

    def _forget(self, payloads: Iterable[str]) -> int:
        """Remove payloads that no record names. No record can come to name one meanwhile: that takes a transaction."""
        payloads = set(payloads)
        if not payloads:
            return 0
        with self._database.writing() as connection:
            named = {row.payload for row in connection.execute(sa.select(TABLE.c.payload))}
            for payload in payloads - named:
                self._payloads.remove(payload)
        return len(payloads - named)

    def _end(self, days: int, now: int) -> int:
        if not 0 < days <= self._limits.days:
            raise QuotaExceededError(
                f"A snapshot is kept for {self._limits.days:,} days at most.", "Choose fewer days."
            )
        return now + days * DAY

    def _check_room(self, n_bytes: int, browser: str | None) -> None:
        with self._database.reading() as connection:
            self._check_sums(connection, n_bytes, browser)

    def _check_size(self, n_bytes: int) -> None:
        if n_bytes > self._limits.one:
            raise QuotaExceededError(
                f"This page takes {_megabytes(n_bytes)}, and a snapshot may take {_megabytes(self._limits.one)}.",
                "Show fewer residues or proteins, or have ESMVIZ_SNAPSHOT_MB raised.",
            )

    def _check_sums(self, connection: sa.Connection, n_bytes: int, browser: str | None) -> None:
        lives = TABLE.c.expires > time.time()
        total = sa.select(sa.func.coalesce(sa.func.sum(TABLE.c.n_bytes), 0)).where(lives)
        mine = total.where(TABLE.c.browser.is_not_distinct_from(browser))
        held_by_me, held_by_all = (int(connection.execute(sums).scalar_one()) for sums in (mine, total))
        for held, limit, whose, setting, way in (
            (held_by_me, self._limits.browser, "Your snapshots", "VISITOR_MB", "Revoke one, or have"),
            (held_by_all, self._limits.everyone, "All snapshots", "TOTAL_MB", "Have"),
        ):
            if held + n_bytes > limit:
                raise QuotaExceededError(
                    f"{whose} together take {_megabytes(held)} of {_megabytes(limit)}; this one needs "
                    f"{_megabytes(n_bytes)} more.",
                    f"{way} ESMVIZ_SNAPSHOT_{setting} raised.",
                )


def _check_owner(connection: sa.Connection, identifier: str, key: str, browser: str | None) -> None:
    row = connection.execute(
        sa.select(TABLE.c.owner, TABLE.c.browser).where(
            TABLE.c.id == identifier, TABLE.c.expires > time.time()
        )
    ).first()
    if row is None:
        raise SnapshotNotFoundError("This snapshot is not there any more.", "It expired or was revoked.")
    has_key = hmac.compare_digest(row.owner, _digest(key))
    is_there = bool(browser and row.browser) and hmac.compare_digest(row.browser, browser or "")
    if not (has_key or is_there):
        raise NotTheOwnerError(
            "This is not the owner key of this snapshot.",
            "It was shown once, beside the link, to the person who shared the page.",
        )


def _delete(connection: sa.Connection, condition: Any) -> list[str]:
    """Records go; the payloads that they named."""
    return [
        row.payload for row in connection.execute(TABLE.delete().where(condition).returning(TABLE.c.payload))
    ]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _megabytes(n_bytes: int) -> str:
    """A size for people.

    >>> _megabytes(100 << 20), _megabytes(300)
    ('100 MB', '0.1 MB')
    """
    return f"{max(0.1, round(n_bytes / 2**20, 1)):,g} MB"
