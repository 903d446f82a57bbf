"""One contract for both databases: links, owners, expiry, quotas, writers side by side, and what a kill leaves."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from esmviz.errors import (
    DamagedDataError,
    NotTheOwnerError,
    QuotaExceededError,
    SnapshotNotFoundError,
    StoreUnavailableError,
)
from esmviz.stores import Label, Payloads, Snapshots
from esmviz.stores.snapshots import DAY, GRACE, TABLE
from tests.stores.conftest import LIMITS, MB

LABEL = Label(title="Haemoglobin <b>", note="A note.\nTwo lines: α", page="similarity", model="mini")


def moved(monkeypatch, days):
    """The clock, so many days on."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * DAY)


def rows(snapshots):
    with snapshots._database.reading() as connection:
        return [row._asdict() for row in connection.execute(sa.select(TABLE))]


def test_a_link_opens_what_was_shared(snapshots):
    handed = snapshots.add(b"content", LABEL, days=30)
    found = snapshots.find(handed.token)
    assert found == handed.snapshot
    assert (found.title, found.note, found.page, found.model) == tuple(vars(LABEL).values())
    assert (found.n_bytes, found.expires - found.created) == (7, 30 * DAY)
    assert snapshots.content(found) == b"content"


def test_the_secrets_are_not_in_the_database(snapshots):
    handed = snapshots.add(b"content", LABEL, days=30, browser="b" * 64)
    [row] = rows(snapshots)
    assert handed.token not in str(row)
    assert handed.key not in str(row)
    assert len(handed.token) == len(handed.key) == 22


@pytest.mark.parametrize(
    "token",
    [
        "",
        "A" * 22,
        "A" * 21,
        "A" * 23,
        "../../etc/passwd",
        "é" * 22,
        "A" * 21 + "\n",
        "' OR 1=1 --" * 2,
        "\x00" * 22,
    ],
)
def test_other_tokens_open_nothing(snapshots, token):
    snapshots.add(b"content", LABEL, days=30)
    with pytest.raises(SnapshotNotFoundError):
        snapshots.find(token)


def test_it_expires(snapshots, payloads, monkeypatch):
    handed = snapshots.add(b"content", LABEL, days=30, browser="b")
    moved(monkeypatch, 29.9)
    assert snapshots.find(handed.token)
    moved(monkeypatch, 0.2)
    with pytest.raises(SnapshotNotFoundError):
        snapshots.find(handed.token)
    with pytest.raises(SnapshotNotFoundError):
        snapshots.extend(handed.snapshot.id, 30, key=handed.key)
    assert snapshots.of_browser("b") == []
    assert snapshots.sweep() == (0, 0)
    moved(monkeypatch, GRACE / DAY)
    assert snapshots.sweep() == (1, 0)
    assert payloads.names() == set()


def test_a_clock_that_was_wrong_for_a_while_loses_nothing(snapshots, monkeypatch):
    handed = snapshots.add(b"content", LABEL, days=1)
    with monkeypatch.context() as wrong:
        moved(wrong, 3)
        snapshots.sweep()
        snapshots.add(b"other", LABEL, days=1)
    with monkeypatch.context() as wrong:
        moved(wrong, -3000)
        assert snapshots.find(handed.token)
    assert snapshots.content(snapshots.find(handed.token)) == b"content"


def test_the_owner_key_extends_and_revokes(snapshots, payloads, monkeypatch):
    handed = snapshots.add(b"content", LABEL, days=1)
    assert snapshots.extend(handed.snapshot.id, 30, key=handed.key).expires > time.time() + 29 * DAY
    moved(monkeypatch, 2)
    snapshots.revoke(snapshots.find(handed.token).id, key=handed.key)
    with pytest.raises(SnapshotNotFoundError):
        snapshots.find(handed.token)
    assert payloads.names() == set()


def test_nobody_else_extends_or_revokes(snapshots):
    handed = snapshots.add(b"content", LABEL, days=1, browser="mine")
    other = snapshots.add(b"other", LABEL, days=1)
    for proof in ({}, {"key": other.key}, {"key": handed.token}, {"browser": "other"}, {"browser": ""}):
        with pytest.raises(NotTheOwnerError):
            snapshots.revoke(handed.snapshot.id, **proof)
        with pytest.raises(NotTheOwnerError):
            snapshots.extend(handed.snapshot.id, 30, **proof)
    with pytest.raises(NotTheOwnerError):
        snapshots.revoke(other.snapshot.id, browser="")
    snapshots.revoke(handed.snapshot.id, browser="mine")
    assert [row["payload"] for row in rows(snapshots)] == [other.snapshot.payload]


def test_a_browser_lists_its_own_newest_first(snapshots, monkeypatch):
    first = snapshots.add(b"1", LABEL, days=9, browser="mine").snapshot
    moved(monkeypatch, 1)
    second = snapshots.add(b"2", replace(LABEL, title="second"), days=9, browser="mine").snapshot
    snapshots.add(b"3", LABEL, days=9, browser="other")
    snapshots.add(b"4", LABEL, days=9)
    assert snapshots.of_browser("mine") == [second, first]
    assert len(snapshots.everything()) == 4


def test_equal_content_is_kept_once_and_as_long_as_one_names_it(snapshots, payloads):
    one, two = (snapshots.add(b"same", LABEL, days=9) for _ in range(2))
    assert len(payloads.names()) == 1
    snapshots.revoke(one.snapshot.id, key=one.key)
    assert snapshots.content(snapshots.find(two.token)) == b"same"


@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_life_beyond_the_setting_is_refused(snapshots, days):
    with pytest.raises(QuotaExceededError, match="365 days"):
        snapshots.add(b"", LABEL, days=days)


def test_quotas_name_the_limit_and_nothing_is_kept(snapshots, payloads):
    with pytest.raises(
        QuotaExceededError, match=r"takes 2 MB, and a snapshot may take 1 MB.*ESMVIZ_SNAPSHOT_MB"
    ):
        snapshots.add(bytes(2 * MB), LABEL, days=9)
    for n in range(2):
        snapshots.add(bytes([n]) * MB, LABEL, days=9, browser="mine")
    with pytest.raises(QuotaExceededError, match=r"Your snapshots together take 2 MB of 2 MB.*VISITOR_MB"):
        snapshots.add(b"x", LABEL, days=9, browser="mine")
    assert len(payloads.names()) == 2
    last = snapshots.add(bytes([9]) * MB, LABEL, days=9)
    with pytest.raises(QuotaExceededError, match=r"All snapshots together take 3 MB of 3 MB.*TOTAL_MB"):
        snapshots.add(b"x", LABEL, days=9, browser="other")
    snapshots.revoke(last.snapshot.id, key=last.key)
    snapshots.add(b"x", LABEL, days=9, browser="other")


def test_what_has_expired_makes_room(snapshots, payloads, monkeypatch):
    snapshots.add(bytes(MB), LABEL, days=1, browser="mine")
    snapshots.add(bytes([1]) * MB, LABEL, days=1, browser="mine")
    moved(monkeypatch, 2)
    kept = snapshots.add(bytes([2]) * MB, LABEL, days=1, browser="mine")
    assert kept.snapshot.payload in payloads.names()
    moved(monkeypatch, GRACE / DAY)
    last = snapshots.add(b"", LABEL, days=1, browser="mine")
    assert payloads.names() == {kept.snapshot.payload, last.snapshot.payload}


def test_a_damaged_or_lost_payload_is_an_error(snapshots, payloads, tmp_path):
    handed = snapshots.add(b"content", LABEL, days=9)
    [path] = [path for path in (tmp_path / "payloads").rglob("*") if path.is_file()]
    path.write_bytes(b"Content")
    with pytest.raises(DamagedDataError):
        snapshots.content(handed.snapshot)
    path.unlink()
    with pytest.raises(DamagedDataError):
        snapshots.content(handed.snapshot)


def test_a_payload_without_a_record_is_swept(snapshots, payloads):
    kept = snapshots.add(b"kept", LABEL, days=9)
    payloads.put(b"its record was never written")
    assert snapshots.sweep() == (0, 1)
    assert payloads.names() == {kept.snapshot.payload}


def test_a_payload_swept_before_its_record_is_written_again(snapshots, payloads, monkeypatch):
    put = payloads.put

    def put_and_lose(content):
        digest = put(content)
        monkeypatch.setattr(payloads, "put", put)
        assert snapshots.sweep() == (0, 1)
        return digest

    monkeypatch.setattr(payloads, "put", put_and_lose)
    handed = snapshots.add(b"content", LABEL, days=9)
    assert snapshots.content(snapshots.find(handed.token)) == b"content"


def test_no_record_when_the_payload_cannot_be_written(snapshots, payloads, monkeypatch):
    def full(content):
        raise StoreUnavailableError("full")

    monkeypatch.setattr(payloads, "put", full)
    with pytest.raises(StoreUnavailableError):
        snapshots.add(b"content", LABEL, days=9)
    assert rows(snapshots) == []


def test_writers_side_by_side_keep_within_the_quota(database_url, payloads, snapshots, opened):
    """Eight at once on a new database, each with its own engine, where six fit."""
    sixth = replace(LIMITS, everyone=6000)
    writers = [Snapshots(opened(database_url), payloads, sixth) for _ in range(8)]
    barrier = threading.Barrier(len(writers))

    def write(n):
        barrier.wait()
        try:
            return writers[n].add(bytes([n]) * 1000, LABEL, days=9, browser=f"b{n}")
        except QuotaExceededError:
            return None

    with ThreadPoolExecutor(len(writers)) as pool:
        handed = list(pool.map(write, range(len(writers))))
    kept = [one for one in handed if one]
    assert len(kept) == 6
    assert len(rows(snapshots)) == 6
    for n, one in enumerate(handed):
        if one:
            assert snapshots.content(snapshots.find(one.token)) == bytes([n]) * 1000
    snapshots.sweep()
    assert payloads.names() == {one.snapshot.payload for one in kept}


def test_writers_and_sweepers_side_by_side_lose_nothing(database_url, payloads, opened):
    one, two = (Snapshots(opened(database_url), payloads, LIMITS) for _ in range(2))
    stop = threading.Event()

    def sweep():
        while not stop.is_set():
            two.sweep()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        handed = [one.add(b"%d" % n, LABEL, days=9) for n in range(15)]
    finally:
        stop.set()
        sweeper.join()
    assert [one.content(one.find(h.token)) for h in handed] == [b"%d" % n for n in range(15)]


def test_a_slow_store_that_is_checked_keeps_nobody_from_sharing(tmp_path, payloads, opened, monkeypatch):
    """While the payload of the check is under way, another process writes."""
    url, put, shared = f"sqlite:///{tmp_path / 'esmviz.sqlite'}", payloads.put, []
    beside = Snapshots(opened(url), Payloads(str(tmp_path / "payloads")), LIMITS)

    def slow(content):
        shared.append(beside.add(b"content", LABEL, days=30))
        return put(content)

    monkeypatch.setattr("esmviz.stores.database.WAIT_SECONDS", 0.1)
    monkeypatch.setattr(payloads, "put", slow)
    Snapshots(opened(url), payloads, LIMITS).check()
    assert beside.content(beside.find(shared[0].token)) == b"content"
    assert payloads.names() == {shared[0].snapshot.payload}
