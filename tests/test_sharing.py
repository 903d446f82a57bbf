"""An exhibit shared and opened again, without streamlit; in milliseconds and without torch."""

import json
import logging
import subprocess
import sys

import pytest

from esmviz.errors import QuotaError, QuotaExceededError, SnapshotNotFoundError, StoreUnavailableError
from esmviz.settings import Settings
from esmviz.sharing import Sharing
from tests.test_exhibit import exhibit


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data")


@pytest.fixture
def sharing(settings):
    return Sharing(settings)


def test_what_was_shared_is_what_opens(sharing):
    handed = sharing.share(exhibit(), title="  My <b>map</b>\u202e ", note="one\r\n\ttwo\x00 \n\n", days=30)
    snapshot, opened = sharing.open(handed.token)
    assert (snapshot.title, snapshot.note) == ("My <b>map</b>", "one\n two")
    assert (snapshot.page, snapshot.model) == ("similarity", "mini")
    assert opened.to_bytes() == exhibit().to_bytes()


def test_who_is_not_admitted_leaves_nothing(sharing):
    asked = []

    def refuse(n_bytes):
        asked.append(n_bytes)
        raise QuotaError("Too much today.", "Come back.")

    with pytest.raises(QuotaError):
        sharing.share(exhibit(), admit=refuse)
    assert asked == [len(exhibit().to_bytes())]
    assert list(sharing.snapshots.everything()) == []


def test_what_could_not_be_kept_is_not_counted(sharing, monkeypatch):
    def lost(*args, **more):
        raise StoreUnavailableError("The disk is full.", "Make room.")

    counted = []
    monkeypatch.setattr(sharing.snapshots, "add", lost)
    with pytest.raises(StoreUnavailableError):
        sharing.share(exhibit(), admit=lambda n_bytes: counted.append(n_bytes) or counted.pop)
    assert counted == []


def test_another_process_opens_it_without_torch_and_without_computing(sharing, settings):
    token = sharing.share(exhibit()).token
    code = (
        "import sys, json; from pathlib import Path; from esmviz.settings import Settings;"
        "from esmviz.sharing import Sharing;"
        f"_, opened = Sharing(Settings(data_dir=Path({str(settings.data_dir)!r}))).open({token!r});"
        "print(json.dumps([opened.title, sorted({'torch', 'umap', 'sklearn', 'transformers'} & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [exhibit().title, []]


def test_without_a_title_it_is_the_question_and_without_days_the_longest_life(sharing, settings):
    snapshot = sharing.share(exhibit()).snapshot
    assert snapshot.title == exhibit().title
    assert snapshot.expires - snapshot.created == settings.snapshot_days * 24 * 3600


@pytest.mark.parametrize(("longest", "days"), [(3650, [7, 30, 365, 3650]), (365, [7, 30, 365]), (5, [5])])
def test_lives_stay_within_the_setting(longest, days):
    assert Sharing(Settings(snapshot_days=longest)).days == days


@pytest.mark.parametrize("texts", [{"title": "x" * 121}, {"note": "x" * 2001}])
def test_longer_texts_are_refused_and_not_cut(sharing, texts):
    with pytest.raises(QuotaExceededError, match=r"up to (120|2,000) are kept"):
        sharing.share(exhibit(), **texts)


def test_no_secret_reaches_the_log(sharing, caplog):
    caplog.set_level(logging.DEBUG)
    handed = sharing.share(exhibit())
    sharing.open(handed.token)
    sharing.snapshots.revoke(handed.snapshot.id, key=handed.key)
    with pytest.raises(SnapshotNotFoundError):
        sharing.open(handed.token)
    assert handed.token not in caplog.text
    assert handed.key not in caplog.text
    assert "MKVL" not in caplog.text


def test_a_place_that_cannot_be_written_is_an_error_and_a_start_goes_on(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    sharing = Sharing(Settings(data_dir=tmp_path / "file" / "data"))
    sharing.prepare()
    assert "cannot be shared or opened for now" in caplog.text
    with pytest.raises(StoreUnavailableError):
        sharing.share(exhibit())
    (tmp_path / "file").unlink()
    assert sharing.open(sharing.share(exhibit()).token)


def test_payload_and_database_may_lie_elsewhere(tmp_path):
    places = {"database_url": f"sqlite:///{tmp_path}/db/x.sqlite", "payload_url": f"{tmp_path}/objects"}
    sharing = Sharing(Settings(data_dir=tmp_path / "unused", **places))
    sharing.open(sharing.share(exhibit()).token)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["db", "objects"]
