"""Snapshots on a server that speaks S3: the stores' own contract, a missing bucket, wrong keys, a server that goes.

moto is the server, in a process of its own; s3fs is the driver that the docs say to install. Both live in a folder of their
own, since esmviz needs neither.
"""

import errno
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path

import fsspec
import pytest

from esmviz.errors import DamagedDataError, StoreUnavailableError
from esmviz.exhibit import Exhibit
from esmviz.stores import Payloads, Snapshots
from tests.stores.conftest import LIMITS, _free_port, opened  # noqa: F401
from tests.stores.test_payloads import (  # noqa: F401  the contract, over this module's fixtures
    test_an_empty_place_has_nothing,
    test_bytes_come_back,
    test_nothing_else_is_read_by_name,
)
from tests.stores.test_snapshots import (  # noqa: F401
    LABEL,
    test_a_clock_that_was_wrong_for_a_while_loses_nothing,
    test_a_link_opens_what_was_shared,
    test_a_payload_swept_before_its_record_is_written_again,
    test_a_payload_without_a_record_is_swept,
    test_equal_content_is_kept_once_and_as_long_as_one_names_it,
    test_it_expires,
    test_quotas_name_the_limit_and_nothing_is_kept,
    test_the_owner_key_extends_and_revokes,
    test_what_has_expired_makes_room,
    test_writers_and_sweepers_side_by_side_lose_nothing,
    test_writers_side_by_side_keep_within_the_quota,
)

pytestmark = [
    pytest.mark.slow,
    # moto and botocore use what a later Python will not have; what esmviz does is under the usual filter elsewhere.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

PACKAGES = (f"s3fs=={fsspec.__version__}", "moto==5.2.5", "flask==3.1.3", "flask-cors==6.0.5")
PACKAGES += ("py-partiql-parser==0.6.3", "PyYAML==6.0.3")
INSTALLED = Path(__file__).parents[2] / "build" / "object-storage"
SECRET = "hunter2hunter2hunter2"


@pytest.fixture(scope="module")
def folder():
    """Where s3fs and moto are, 130 MB; installed once, and behind all that esmviz itself has."""
    stamp = INSTALLED / "packages.txt"
    if not stamp.is_file() or stamp.read_text() != repr(PACKAGES):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", INSTALLED]
        done = subprocess.run([*command, *PACKAGES], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"s3fs and moto cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
        stamp.write_text(repr(PACKAGES))
    sys.path.append(str(INSTALLED))
    yield INSTALLED
    sys.path.remove(str(INSTALLED))


class Server:
    """moto on loopback. After ``free`` requests it asks for keys that it knows, and it knows none."""

    def __init__(self, folder, port):
        self.folder, self.port, self.url = folder, port, f"http://127.0.0.1:{port}"

    def start(self, free=10**9):
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "INITIAL_NO_AUTH_ACTION_COUNT": str(free),
        }
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet)
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/").close()
            except OSError:
                assert self.process.poll() is None
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the server does not answer")

    def stop(self):
        self.process.kill()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(folder):
    one = Server(folder, _free_port())
    one.start()
    yield one
    one.stop()


@pytest.fixture
def keys(server, monkeypatch):
    """What an operator sets: AWS's own variables."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAhunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield server
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(keys):
    """Name of an empty bucket."""
    return made(keys)


def made(server):
    name = f"b{uuid.uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{server.url}/{name}", method="PUT")).close()
    return name


@pytest.fixture
def kept(bucket):
    return Payloads(f"s3://{bucket}/a folder/of ours/")


@pytest.fixture
def payloads(kept):
    return kept


@pytest.fixture
def database_url(tmp_path):
    return f"sqlite:///{tmp_path / 'esmviz.sqlite'}"


@pytest.fixture
def snapshots(database_url, payloads, opened):  # noqa: F811
    return Snapshots(opened(database_url), payloads, LIMITS)


def buckets(server):
    with urllib.request.urlopen(f"{server.url}/") as answer:
        return answer.read().decode().count("<Bucket>")


def test_all_are_listed_where_a_listing_has_several_pages(kept):
    kept._files.pipe({f"{kept._root}/{n:02x}/{n:064x}": b"x" for n in range(1001)})
    assert len(kept.names()) == 1001


def test_what_another_server_wrote_or_removed_is_seen_at_once(bucket):
    """Two processes of esmviz share a bucket: nothing of a listing is remembered."""
    import s3fs

    one = Payloads(f"s3://{bucket}/x")
    assert one.names() == set()
    s3fs.S3FileSystem.clear_instance_cache()
    other = Payloads(f"s3://{bucket}/x")
    name = other.put(b"content")
    assert one.has(name)
    assert one.names() == {name}
    other.remove(name)
    assert not one.has(name)


def test_a_large_one_comes_in_parts(kept):
    content = os.urandom(1 << 20) * 110  # s3fs sends up to 100 MB in one piece
    assert kept.get(kept.put(content)) == content


def test_what_was_not_sent_to_its_end_is_not_there(kept, monkeypatch):
    content = bytes(110 << 20)
    monkeypatch.setattr(kept._files, "_call_s3", _failing(kept._files._call_s3, "complete_multipart_upload"))
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        kept.put(content)
    assert kept.names() == set()


def _failing(call, method):
    async def called(name, *arguments, **named):
        if name == method:
            raise ConnectionResetError(errno.ECONNRESET, "gone")
        return await call(name, *arguments, **named)

    return called


def test_a_damaged_or_lost_object_is_an_error(snapshots, payloads):
    handed = snapshots.add(b"content", LABEL, days=9)
    [path] = payloads._files.find(payloads._root)
    payloads._files.pipe_file(path, b"Content")
    with pytest.raises(DamagedDataError):
        snapshots.content(handed.snapshot)
    payloads._files.rm_file(path)
    with pytest.raises(DamagedDataError):
        snapshots.content(handed.snapshot)


def test_a_bucket_that_is_not_there_is_said_and_not_made(keys):
    kept, n = Payloads("s3://misspelt/x"), buckets(keys)
    with pytest.raises(StoreUnavailableError, match=r"cannot be written: No such bucket.*ESMVIZ_PAYLOAD_URL"):
        kept.put(b"content")
    with pytest.raises(StoreUnavailableError, match="cannot be listed: No such bucket"):
        kept.names()
    assert buckets(keys) == n


def test_wrong_keys_are_said_and_not_shown(folder, keys, monkeypatch, caplog):
    strict = Server(folder, _free_port())
    strict.start(free=1)  # the bucket's own making
    try:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", strict.url)
        kept = Payloads(f"s3://{made(strict)}/x")
        for attempt in (lambda: kept.put(b"content"), lambda: kept.get("0" * 64), kept.names):
            with pytest.raises(StoreUnavailableError, match="Permission denied") as caught:
                attempt()
            assert "hunter2" not in str(caught.value) + caplog.text
    finally:
        strict.stop()


def test_no_keys_are_said(keys, bucket, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))  # nor a file of them
    with pytest.raises(StoreUnavailableError, match="NoCredentialsError"):
        Payloads(f"s3://{bucket}/x").put(b"content")


def test_a_server_that_was_gone_is_found_again(keys, snapshots, payloads):
    """moto forgets everything meanwhile, which a server would not: new content, hence, and a new bucket of that name."""
    keys.stop()
    try:
        for attempt in (snapshots.check, lambda: snapshots.add(b"content", LABEL, days=9)):
            start = time.monotonic()
            with pytest.raises(StoreUnavailableError, match="cannot be written"):
                attempt()
            assert time.monotonic() - start < 60  # a visitor waits
    finally:
        keys.start()
    name = payloads._root.partition("/")[0]
    urllib.request.urlopen(urllib.request.Request(f"{keys.url}/{name}", method="PUT")).close()
    handed = snapshots.add(b"content", LABEL, days=9)
    assert snapshots.content(snapshots.find(handed.token)) == b"content"


def test_a_page_goes_there_and_comes_back(snapshots):
    """The exhibit of an earlier version, as it is stored."""
    content = (Path(__file__).parents[1] / "golden" / "exhibit-1.zip").read_bytes()
    handed = snapshots.add(content, LABEL, days=9)
    assert Exhibit.from_bytes(snapshots.content(snapshots.find(handed.token))).to_bytes() == content
