"""The folder of a run that is not over: what is in it after any end, and who may go on with it."""

import json
import shutil

import numpy as np
import pytest

from esmviz import part as parts
from esmviz.errors import UnfinishedRunError
from esmviz.part import Part

RUN = {"model": "mini", "layer": 6, "windowing": ""}
ROWS = {number: np.full((number % 3 + 1, 4), number, np.float32) for number in range(1, 8)}
WINDOWS = ((0, 5), (3, 8))


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out.npz"


def fill(output, numbers, *, resume=False, run=RUN):
    with Part(output, run, resume=resume) as part:
        for number in numbers:
            if number not in part:
                part.add(number, f"p{number}", ROWS[number], "float32", WINDOWS if number == 2 else ())
    return part


def found(output):
    with Part(output, RUN, resume=True) as part:
        return {row.number: (row.id, np.array(row.array), row.windows) for row in part.rows()}


def check(output, numbers):
    rows = found(output)
    assert list(rows) == list(numbers)
    for number, (name, array, windows) in rows.items():
        assert name == f"p{number}"
        np.testing.assert_array_equal(array, ROWS[number])
        assert windows == (WINDOWS if number == 2 else ())


@pytest.mark.parametrize("shard", [1, 60, 1 << 20])
def test_rows_come_back_in_the_order_of_their_records(output, monkeypatch, shard):
    monkeypatch.setattr(parts, "SHARD_BYTES", shard)
    fill(output, [2, 1, 5])
    assert fill(output, [3, 2, 7], resume=True).n_kept == 3
    check(output, [1, 2, 3, 5, 7])
    n_shards = len(list(output.with_name("out.npz.part").glob("rows-*")))
    assert n_shards == {1: 5, 60: 3, 1 << 20: 1}[shard]


@pytest.mark.parametrize("shard", [1, 60, 1 << 20])
def test_cut_at_any_byte_it_holds_all_rows_that_were_whole(output, monkeypatch, tmp_path, shard):
    """A process that is killed leaves a beginning of what it would have written: of the row, or of its line."""
    monkeypatch.setattr(parts, "SHARD_BYTES", shard)
    fill(output, [1, 2, 3])
    folder, before = output.with_name("out.npz.part"), tmp_path / "before"
    shutil.copytree(folder, before)
    old_rows, old_index = (
        sum(p.stat().st_size for p in before.glob("rows-*")),
        (before / "index.jsonl").stat().st_size,
    )
    fill(output, [4], resume=True)
    shards, index = sorted(folder.glob("rows-*")), (folder / "index.jsonl").read_bytes()
    last = shards[-1].read_bytes()
    n_before = old_rows - sum(path.stat().st_size for path in shards[:-1])
    for n_bytes in range(max(n_before, 0), len(last) + 1):
        shards[-1].write_bytes(last[:n_bytes])
        (folder / "index.jsonl").write_bytes(index[:old_index])
        check(output, [1, 2, 3])
    for n_bytes in range(old_index, len(index) + 1):
        shards[-1].write_bytes(last)
        (folder / "index.jsonl").write_bytes(index[:n_bytes])
        check(output, [1, 2, 3, 4] if n_bytes == len(index) else [1, 2, 3])
    fill(output, [4, 5], resume=True)
    check(output, [1, 2, 3, 4, 5])


def test_what_a_power_cut_lost_is_left_out(output):
    fill(output, [1, 2, 3])
    path = output.with_name("out.npz.part") / "rows-00000.f32"
    content = path.read_bytes()
    path.write_bytes(content[: ROWS[1].nbytes] + bytes(len(content) - ROWS[1].nbytes))
    check(output, [1])
    fill(output, [2], resume=True)
    check(output, [1, 2])


def test_a_copy_takes_no_room(output):
    with Part(output, RUN, resume=False) as part:
        part.add(2, "p2", ROWS[2], "float32", WINDOWS)
        assert part.copy(5, "p5", 2) == WINDOWS
        assert (len(part), 5 in part, 4 in part) == (2, True, False)
        assert [row.id for row in part.rows()] == ["p2", "p5"]
        assert [row.windows for row in part.rows()] == [WINDOWS, WINDOWS]
        np.testing.assert_array_equal([row.array for row in part.rows()], [ROWS[2], ROWS[2]])
    assert (part.folder / "rows-00000.f32").stat().st_size == ROWS[2].nbytes


def test_an_earlier_run_is_not_overwritten(output):
    fill(output, [1, 2])
    with pytest.raises(UnfinishedRunError, match="2 finished proteins of an earlier run") as error:
        fill(output, [1, 2])
    assert error.value.hint == "Go on with --resume, or delete the folder to start again."
    check(output, [1, 2])


def test_another_run_is_not_mixed_in(output):
    fill(output, [1])
    with pytest.raises(
        UnfinishedRunError, match="is of another run: layer 6 there, 3 here; new None there, x here"
    ):
        fill(output, [2], resume=True, run={**RUN, "layer": 3, "new": "x"})
    (output.with_name("out.npz.part") / "run.json").write_text("{")
    with pytest.raises(UnfinishedRunError, match="model None there, mini here"):
        fill(output, [2], resume=True)


def test_a_folder_without_rows_is_anybodys(output):
    folder = output.with_name("out.npz.part")
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({**RUN, "layer": 1}) + "\n")
    (folder / "rows-00000.f32").write_bytes(b"123")
    fill(output, [1])
    check(output, [1])


def test_two_runs_do_not_share_a_folder(output):
    with Part(output, RUN, resume=True) as part:
        part.add(1, "p1", ROWS[1], "float32", ())
        with pytest.raises(UnfinishedRunError, match="Another run is writing"):
            fill(output, [2], resume=True)
    check(output, [1])


def test_rows_are_of_one_precision(output):
    fill(output, [1])
    with (
        Part(output, RUN, resume=True) as part,
        pytest.raises(UnfinishedRunError, match="--precision float32"),
    ):
        part.add(2, "p2", ROWS[2], "bfloat16", ())


def test_without_a_row_no_folder_is_left(output, tmp_path):
    fill(output, [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(output):
    output.with_name("out.npz.part").write_text("mine")
    with pytest.raises(UnfinishedRunError, match="is no folder"):
        fill(output, [1])


def test_the_whole_file_takes_the_place_of_the_folder(output, tmp_path):
    output.write_text("old")
    with Part(output, RUN, resume=False) as part:
        part.add(1, "p1", ROWS[1], "float32", ())
        part.whole.write_text("new")
        assert output.read_text() == "old"
        part.finish()
    assert output.read_text() == "new"
    assert list(tmp_path.iterdir()) == [output]
