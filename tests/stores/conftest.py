"""Both databases, one real PostgreSQL from Debian's package included; and snapshots on top of each."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import pytest

from esmviz.stores import Database, Limits, Payloads, Snapshots

MB = 1 << 20
LIMITS = Limits(one=MB, browser=2 * MB, everyone=3 * MB, days=365)


@pytest.fixture(scope="session")
def postgres():
    """Address of a server of its own on loopback; a test that needs it is skipped where there is none to start."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: sudo apt install postgresql")
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv to leave root with")
    with tempfile.TemporaryDirectory(prefix="esmviz-postgres-") as folder:
        yield from _running(programs[-1].parent, Path(folder))


def _running(programs, folder):
    as_user = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    data, port = folder / "data", _free_port()
    new = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "esmviz",
        "--auth=trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    subprocess.run([*as_user, *map(str, new)], check=True, capture_output=True, cwd="/")
    quick = ["-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1"]
    start = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *quick]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*as_user, *start], stdout=log, stderr=log, cwd="/")
    try:
        _wait_for(port, server, folder / "log")
        yield f"postgresql://esmviz@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(30)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port, server, log):
    for _ in range(600):
        if server.poll() is not None:
            break
        if "ready to accept connections" in log.read_text():
            return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """Address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records' / 'esmviz.sqlite'}"
    import sqlalchemy as sa

    server, name = request.getfixturevalue("postgres"), f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(
        server.replace("postgresql:", "postgresql+pg8000:"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    return server.replace("/postgres", f"/{name}")


@pytest.fixture
def opened():
    """``Database`` by its address, closed at the end."""
    databases = []

    def database(url):
        databases.append(Database(url))
        return databases[-1]

    yield database
    for one in databases:
        one.close()


@pytest.fixture
def payloads(tmp_path):
    return Payloads(str(tmp_path / "payloads"))


@pytest.fixture
def snapshots(database_url, payloads, opened):
    return Snapshots(opened(database_url), payloads, LIMITS)
