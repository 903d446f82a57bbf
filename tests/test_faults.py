"""What can go wrong around a server: it says so, loses nothing that was finished, and goes on without a restart."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from esmviz.errors import SnapshotNotFoundError, StoreUnavailableError
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from esmviz.stores import Payloads
from esmviz.stores.snapshots import DAY
from tests.stores.conftest import MB, postgres, postgres_server  # noqa: F401  fixtures
from tests.test_exhibit import exhibit

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534


@pytest.fixture
def place():
    """A folder that somebody who is not root can reach."""
    folder = Path(tempfile.mkdtemp(prefix="esmviz-faults-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small_disk(place):
    """A disk of one megabyte."""
    if os.getuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root mounts a disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_an_error_and_what_was_shared_stays(small_disk):
    sharing = Sharing(Settings(data_dir=small_disk))
    kept = sharing.share(exhibit()).token
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(2 * MB))
    with pytest.raises(StoreUnavailableError) as caught:
        sharing.share(exhibit(), title="too much")
    assert "Try again" in str(caught.value)
    with contextlib.suppress(StoreUnavailableError):  # SQLite may need a file of its own to read
        assert sharing.open(kept)[1].to_bytes() == exhibit().to_bytes()
    filler.unlink()
    assert sharing.open(kept)[1].to_bytes() == exhibit().to_bytes()
    later = sharing.share(exhibit(), title="room again").token
    assert [snapshot.title for snapshot in sharing.snapshots.everything()].count("too much") == 0
    assert sharing.open(later)[0].title == "room again"
    assert sharing.snapshots.sweep() == (0, 0)


@pytest.fixture
def as_nobody():
    """As root every folder can be written to, so the test goes on as somebody else."""
    if os.getuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        if not os.access(ROOT / "esmviz", os.R_OK, effective_ids=True):
            pytest.skip("only root can read the folder that esmviz lies in, and a start reads its migrations")
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_a_data_folder_that_becomes_read_only(place, tmp_path, request):
    before = Sharing(Settings(data_dir=tmp_path))
    before.open(before.share(exhibit()).token)  # imports all that somebody else might not be allowed to read
    os.chown(place, NOBODY, NOBODY) if os.getuid() == 0 else None
    request.getfixturevalue("as_nobody")
    sharing = Sharing(Settings(data_dir=place / "data"))
    kept = sharing.share(exhibit()).token
    folders = [place / "data", *(path for path in (place / "data").rglob("*") if path.is_dir())]
    files = [path for path in (place / "data").rglob("*") if path.is_file()]
    for path in [*files, *folders]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with pytest.raises(StoreUnavailableError):
        sharing.share(exhibit(), title="refused")
    sharing.prepare()  # a start of the server goes on, too
    for path in [*files, *folders]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    assert sharing.open(kept)[1].to_bytes() == exhibit().to_bytes()
    assert sharing.open(sharing.share(exhibit(), title="again").token)[0].title == "again"
    assert len(sharing.snapshots.everything()) == 2


class Wire:
    """Between a client and a database: it can be cut, and put together again at the same port."""

    def __init__(self, host, port):
        self._target, self._pairs = (host, port), []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._serve()

    def _serve(self):
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._pairs += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            self._close(source, sink)

    def _close(self, *ends):
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # who waits in it is woken
            end.close()

    def cut(self):
        self._close(self._listener, *self._pairs)
        self._pairs = []

    def mend(self):
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._serve()


def test_a_database_server_that_goes_and_comes_back(postgres, place):  # noqa: F811
    address = sa.make_url(postgres)
    wire = Wire(address.host, address.port)
    url = address.set(port=wire.port, host="127.0.0.1").render_as_string(hide_password=False)
    sharing = Sharing(Settings(data_dir=place, database_url=url))
    kept = sharing.share(exhibit()).token
    wire.cut()
    for refused in (lambda: sharing.open(kept), lambda: sharing.share(exhibit())):
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            refused()
    wire.mend()
    assert sharing.open(kept)[1].to_bytes() == exhibit().to_bytes()
    assert sharing.share(exhibit()).token
    sharing.snapshots._database.close()
    wire.cut()


def test_a_clock_that_is_set_hides_nothing_for_ever(place, monkeypatch):
    """Dates are dates: a link of 30 days is closed while the clock says next year, and open again when it is mended."""
    sharing = Sharing(Settings(data_dir=place))
    token = sharing.share(exhibit(), days=30).token
    import time

    now = time.time()
    monkeypatch.setattr("time.time", lambda: now + 365 * DAY)
    with pytest.raises(SnapshotNotFoundError):
        sharing.open(token)
    monkeypatch.setattr("time.time", lambda: now - 365 * DAY)
    assert sharing.open(token)[0].title == exhibit().title
    assert sharing.share(exhibit(), days=7).token
    monkeypatch.undo()
    assert sharing.open(token)[1].to_bytes() == exhibit().to_bytes()


SHARER = """
import os, random, signal, sys, time
from dataclasses import replace
from pathlib import Path
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from tests.test_exhibit import exhibit

folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
chance, base = random.Random(seed), exhibit()
Sharing(Settings(data_dir=folder)).prepare()  # what is imported then is imported once, before the forks
for turn in range(kills):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        sharing, number = Sharing(Settings(data_dir=folder)), turn * 10_000
        while True:
            one = replace(base, source=f"set {number} " + "x" * (number % 7) * 10_000)
            token = sharing.share(one, title=str(number)).token
            os.write(writing, f"{number} {token}\\n".encode())
            number += 1
    os.close(writing)
    with os.fdopen(reading) as told:
        n_shared = chance.randrange(4)
        lines = [told.readline() for _ in range(n_shared)]
        time.sleep(chance.random() * (0.05 if n_shared else 0.3))  # without a share it is at the opening of the store
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print("".join(lines), told.read(), sep="", end="", flush=True)
"""


@pytest.mark.slow
def test_killed_at_a_hundred_moments_of_sharing(place):
    """Every link that was given out opens; whatever else is there is whole; what was half-written is swept away."""
    command = [sys.executable, "-c", SHARER, str(place), "100", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    told = dict(line.split() for line in done.stdout.splitlines())
    assert len(told) > 100
    sharing = Sharing(Settings(data_dir=place, snapshot_total_mb=10**6))
    for number, token in told.items():
        snapshot, opened = sharing.open(token)
        assert snapshot.title == number
        assert opened.source.split()[1] == number
    records = sharing.snapshots.everything()
    assert len(records) >= len(told)
    for snapshot in records:  # committed, and killed before its link was told: whole as well
        assert sharing.content(snapshot).source.split()[1] == snapshot.title
    payloads = Payloads(str(place / "payloads"))
    n_orphans = len(payloads.names()) - len(records)
    n_drafts = sum(1 for _ in (place / "payloads" / "drafts").iterdir())
    assert n_orphans + n_drafts + len(records) - len(told) > 0  # some were killed in the middle
    assert sharing.snapshots.sweep() == (0, n_orphans)
    assert payloads.names() == {snapshot.payload for snapshot in records}
