"""The outline of a file of torch.save says what torch says, and calls nothing."""

import argparse
import collections
import pickle
import zipfile

import numpy as np
import pytest
import torch

from esmviz.errors import CorruptCheckpointError
from esmviz.models.outline import MAX_PICKLE_BYTES, outline


class Bomb:
    def __reduce__(self):
        return (print, ("a pickle ran",))


def saved(path, content, as_zip=True):
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    return path


@pytest.mark.parametrize("as_zip", [True, False])
def test_it_is_what_torch_reads(tmp_path, as_zip):
    layer = torch.nn.Linear(3, 2)
    settings = argparse.Namespace(layers=3, rates=[0.5, None, True, "x"], size=(1, 2, 3, 4), big=2**40)
    content = {
        "model": collections.OrderedDict(layer.state_dict()),  # with the _metadata of a module
        "weight": layer.weight,
        "half": torch.zeros(4, 5, dtype=torch.float16),
        "ids": torch.arange(6)[::2],
        "cfg": {"model": settings},
        "same": settings,
    }
    found = outline(saved(tmp_path / "x.pt", content, as_zip))
    assert found["cfg"]["model"] == settings
    assert found["same"] is found["cfg"]["model"]
    assert list(found["model"]) == ["weight", "bias"]
    shapes = {name: found[name].shape for name in ("weight", "half", "ids")}
    assert shapes == {"weight": (2, 3), "half": (4, 5), "ids": (3,)}
    assert found["model"]["weight"].shape == (2, 3)


def test_an_array_of_the_outline_takes_no_memory(tmp_path):
    x = torch.zeros(500, 400, dtype=torch.float16)
    found = outline(saved(tmp_path / "x.pt", {"x": x}))["x"]
    assert found.shape == (500, 400)
    assert found.strides == (0, 0)


def test_a_tensor_larger_than_the_file_is_refused(tmp_path):
    x = torch.empty(1, dtype=torch.float16).expand(50_000, 40_000)
    with pytest.raises(CorruptCheckpointError, match="announces more numbers than it holds"):
        outline(saved(tmp_path / "x.pt", {"x": x}))


def test_a_key_whose_hash_takes_for_ever_is_refused(tmp_path):
    steps = b")" + b"q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(40))
    (tmp_path / "x.pt").write_bytes(b"")
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + steps + b"}h%cNs." % 40)
    with pytest.raises(CorruptCheckpointError, match="truncated or no file"):
        outline(tmp_path / "x.pt")


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("place", [lambda x: x, lambda x: {"args": argparse.Namespace(x=x)}])
def test_what_is_no_tensor_is_named_and_not_called(tmp_path, capsys, as_zip, place):
    path = saved(tmp_path / "x.pt", place(Bomb()), as_zip)
    with pytest.raises(CorruptCheckpointError, match=r"x\.pt holds \w+\.print, which is neither a tensor"):
        outline(path)
    assert "a pickle ran" not in capsys.readouterr().out


def test_a_model_saved_whole_is_refused(tmp_path):
    with pytest.raises(CorruptCheckpointError, match=r"torch\.nn\.modules\.linear\.Linear"):
        outline(saved(tmp_path / "x.pt", torch.nn.Linear(2, 2)))


@pytest.mark.parametrize("n_bytes", [0, 1, 50, 300, -1, -100])
@pytest.mark.parametrize("as_zip", [True, False])
def test_a_truncated_file_is_refused_or_its_outline_whole(tmp_path, n_bytes, as_zip):
    path = saved(tmp_path / "x.pt", {"x": torch.zeros(1000)}, as_zip)
    path.write_bytes(path.read_bytes()[:n_bytes])
    if not as_zip and n_bytes < 0:  # the pickle comes first: the missing bytes are torch's to find
        assert outline(path)["x"].shape == (1000,)
        return
    with pytest.raises(CorruptCheckpointError, match="truncated or no file of torch"):
        outline(path)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>not found</html>",
        pickle.dumps([1, 2, 3]),
        b"\x80\x02.",
        b"\x80\x02]q\x00(K\x01K\x02u.",
        b"\x80\x02h\x05.",
        b"\x80\x02t.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nK\x01R.",
        b"\x80\x02K\x01)R.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NK\x00J\xff\xff\xff\xff\x85K\x01\x85tR.",
    ],
)
def test_no_pickle_of_torch_is_refused(tmp_path, data):
    (tmp_path / "bare.pt").write_bytes(data * 4)
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as archive:
        archive.writestr("zip/data.pkl", data)
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme", data)
    for name in ("bare.pt", "zip.pt", "other.pt"):
        if name == "zip.pt" and data == pickle.dumps([1, 2, 3]):
            assert outline(tmp_path / name) == [1, 2, 3]
            continue
        with pytest.raises(CorruptCheckpointError, match="truncated or no file of torch"):
            outline(tmp_path / name)


def test_a_description_that_unpacks_to_gigabytes_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(MAX_PICKLE_BYTES + 1))
    with pytest.raises(CorruptCheckpointError, match=r"x\.pt has a description of \d+ bytes"):
        outline(tmp_path / "x.pt")


def test_a_damaged_zip_is_refused(tmp_path):
    """zipfile has RuntimeError for a password and NotImplementedError for a version: one file must not hide the list."""
    path = saved(tmp_path / "x.pt", {"x": torch.zeros(3)})
    whole = path.read_bytes()
    entry = whole.index(b"PK\x01\x02")  # the first in the central directory
    for at, value in ((6, 99), (8, 1)):  # version needed, flags
        path.write_bytes(whole[: entry + at] + bytes([value]) + whole[entry + at + 1 :])
        with pytest.raises(CorruptCheckpointError, match="truncated or no file of torch"):
            outline(path)


def test_a_changed_file_is_read_again(tmp_path):
    path = saved(tmp_path / "x.pt", {"x": torch.zeros(3)})
    assert outline(path)["x"].shape == (3,)
    saved(path, {"x": torch.zeros(300)})
    assert outline(path)["x"].shape == (300,)
    assert np.float32(0) == outline(path)["x"][0]
