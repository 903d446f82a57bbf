"""Bytes come back as they were or as an error, wherever they are kept."""

import errno
import os
import sys
import time
import uuid

import fsspec
import pytest
from fsspec.registry import _registry

from esmviz.errors import DamagedDataError, InvalidSettingError, StoreUnavailableError
from esmviz.stores import Payloads
from esmviz.stores.payloads import DRAFT_SECONDS


@pytest.fixture(params=["folder", "memory"])
def kept(request, tmp_path):
    return Payloads(
        str(tmp_path / "a folder") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"
    )


def test_bytes_come_back(kept):
    content = os.urandom(100_000)
    name = kept.put(content)
    assert kept.put(content) == name
    assert kept.get(name) == content
    assert kept.has(name)
    assert kept.names() == {name}
    kept.remove(name)
    kept.remove(name)
    assert not kept.has(name)
    assert kept.names() == set()
    with pytest.raises(DamagedDataError):
        kept.get(name)


def test_an_empty_place_has_nothing(kept):
    assert kept.names() == set()
    assert kept.sweep_drafts() == 0


def test_nothing_else_is_read_by_name(kept):
    with pytest.raises(ValueError, match="sha256"):
        kept.get("../../etc/passwd")


def test_what_was_left_half_written_is_no_payload_and_goes(kept, monkeypatch):
    def killed(*paths):
        raise KeyboardInterrupt

    monkeypatch.setattr(kept._files, "mv", killed)
    with pytest.raises(KeyboardInterrupt):
        kept.put(b"content")
    [path] = kept._files.find(f"{kept._root}/drafts")
    assert kept.names() == set()
    assert kept.sweep_drafts() == 0
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + DRAFT_SECONDS + 60)
    assert kept.sweep_drafts() == 1
    assert not kept._files.exists(path)


def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    kept = Payloads(str(tmp_path / "payloads"))

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailableError, match="cannot be written: No space left on device"):
        kept.put(b"content")
    monkeypatch.undo()
    assert [path for path in (tmp_path / "payloads").rglob("*") if path.is_file()] == []
    assert kept.get(kept.put(b"content")) == b"content"


def test_a_place_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        Payloads(str(tmp_path / "file" / "payloads")).put(b"content")


@pytest.mark.parametrize("url", ["nosuch://me:hunter2@place", "gs://bucket"])
def test_an_address_without_a_driver_is_a_setting_to_mend(url):
    with pytest.raises(InvalidSettingError, match="ESMVIZ_PAYLOAD_URL") as caught:
        Payloads(url).put(b"content")
    assert "hunter2" not in str(caught.value)


def test_a_missing_driver_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(InvalidSettingError, match=rf"s3://.*pip install s3fs=={fsspec.__version__}"):
        Payloads("s3://bucket/folder").put(b"content")


def test_errors_of_a_driver_are_those_of_the_place_and_ours_are_bugs(kept, monkeypatch):
    class DriverError(Exception):
        """As botocore's: no OSError."""

    for error, seen in ((DriverError("s3cret"), StoreUnavailableError), (TypeError("a bug"), TypeError)):
        monkeypatch.setattr(kept._files, "cat_file", _raising(error))
        with pytest.raises(seen) as caught:
            kept.get("0" * 64)
        assert "s3cret" not in str(caught.value)


def _raising(error):
    def raises(*arguments):
        raise error

    return raises
