"""SQLite or PostgreSQL behind one door: connections, and the schema brought up to date before the first of them."""

from __future__ import annotations

import fcntl
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from esmviz.errors import InvalidSettingError, StoreUnavailableError

log = logging.getLogger("esmviz")

WAIT_SECONDS = 10.0  # for a lock or an answer of the database
# Of an advisory lock in PostgreSQL, which has one space of numbers for all who use the database.
LOCK = int.from_bytes(b"esmviz", "big")
MIGRATIONS = Path(__file__).parent / "migrations"
_preparing = threading.Lock()  # Alembic keeps what it is at in variables of its modules


class Database:
    """Records of esmviz.

    Parameters
    ----------
    url : str
        ``sqlite:///path`` or ``postgresql://name:password@host/database``.
    """

    def __init__(self, url: str) -> None:
        self._url = _checked(url)
        self._is_ready = False

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read with.

        Raises
        ------
        StoreUnavailableError
            Whenever the database does not answer; the next try may find it again.
        """
        with self._translating():
            self._prepare()
            with self._engine.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction beside which no other of these runs, in any process; committed when the block ends well."""
        with self._translating():
            self._prepare()
            with self._alone() as connection:
                yield connection

    def close(self) -> None:
        """Let go of the connections; the next use opens others."""
        self._engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
            yield connection

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._is_ready = False  # another database may answer next time
            log.warning("database: %s", getattr(error, "orig", None) or error)
            raise StoreUnavailableError(
                "The database of snapshots does not answer, or takes no new record.",
                "Try again in a while. Who runs esmviz finds the reason in its log; the settings are "
                "ESMVIZ_DATA_DIR and ESMVIZ_DATABASE_URL.",
            ) from error

    @cached_property
    def _engine(self) -> sa.Engine:
        if self._url.get_backend_name() == "sqlite":
            return _sqlite(self._url)
        timeout = {"timeout": WAIT_SECONDS}
        return sa.create_engine(self._url, pool_pre_ping=True, hide_parameters=True, connect_args=timeout)

    def _prepare(self) -> None:
        if self._is_ready:
            return
        with _preparing, self._alone_among_processes():
            if not self._is_ready:
                with self._alone() as connection:
                    _migrate(connection)
                self._is_ready = True

    @contextmanager
    def _alone_among_processes(self) -> Iterator[None]:
        """A new SQLite file is made and turned to write-ahead logging by one process: the others would be refused."""
        if self._url.get_backend_name() != "sqlite":
            yield
            return
        path = Path(str(self._url.database))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.with_name(path.name + ".lock").open("ab") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            with closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            yield


def _checked(url: str) -> sa.URL:
    """The address with the driver that esmviz has. It may hold a password: no error repeats it."""
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError):
        backend = ""
    if backend not in ("sqlite", "postgresql") or not parsed.database:
        raise InvalidSettingError(
            "ESMVIZ_DATABASE_URL is no address of a database that esmviz can use.",
            "It looks like postgresql://name:password@host/database.",
        )
    return parsed.set(drivername="postgresql+pg8000") if backend == "postgresql" else parsed


def _sqlite(url: sa.URL) -> sa.Engine:
    """An engine whose connections are opened anew each time: a file that was put back is the file that is read."""
    engine = sa.create_engine(
        url, poolclass=sa.NullPool, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # or sqlite3 would begin transactions of its own, and too late
        connection.execute("PRAGMA synchronous=FULL")  # a power cut loses no record whose link was given out

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes then is refused when another wrote meanwhile, without any wait.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _migrate(connection: sa.Connection) -> None:
    """Bring the schema up to date, in the transaction of the connection."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreUnavailableError(
            "The database of snapshots was brought up to date by a newer esmviz than this one.",
            "Start that version, or another database by ESMVIZ_DATABASE_URL.",
        ) from error
