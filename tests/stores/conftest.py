"""Both databases, one real PostgreSQL from Debian's package included; and snapshots on top of each."""

import os
import pwd
import shutil
import signal
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


class Postgres:
    """A server of its own on loopback, that can be stopped and started again."""

    def __init__(self, programs, folder):
        self.folder, self.port, self.as_user = folder, _free_port(), []
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self.url, self.programs = f"postgresql://esmviz@127.0.0.1:{self.port}/postgres", programs
        made = [
            "-D",
            f"{folder}/data",
            "-U",
            "esmviz",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run([*self.as_user, f"{programs}/initdb", *made], check=True, capture_output=True, cwd="/")

    def start(self):
        quick = ["-c", "fsync=off", "-c", f"unix_socket_directories={self.folder}"]
        here = ["-D", f"{self.folder}/data", "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        with (self.folder / "log").open("wb") as log:
            command = [*self.as_user, f"{self.programs}/postgres", *here, *quick]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        for _ in range(600):
            log = (self.folder / "log").read_text()
            if "ready to accept connections" in log or self.process.poll() is not None:
                break
            time.sleep(0.1)
        assert "ready to accept connections" in log, log

    def stop(self):
        self.process.send_signal(signal.SIGINT)  # cuts the connections, as a crash of the machine would
        self.process.wait(30)


@pytest.fixture(scope="session")
def postgres_server():
    """The server; a test that needs it is skipped where there is none to start."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: sudo apt install postgresql")
    if os.getuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv to leave root with")
    with tempfile.TemporaryDirectory(prefix="esmviz-postgres-") as folder:
        server = Postgres(programs[-1].parent, Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def postgres(postgres_server):
    """Address of its database."""
    return postgres_server.url


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
