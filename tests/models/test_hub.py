"""Downloads from a real HTTP server that speaks as much of the hub's language as one download needs."""

import contextlib
import hashlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from esmviz.errors import CorruptCheckpointError
from esmviz.models import hub
from esmviz.models.catalog import CATALOG
from esmviz.models.weights import ESM3_FILES

SPEC = CATALOG["esm2-8m"]
WEIGHTS = bytes(range(256)) * 10_000  # 2.6 MB: many pieces, a cancel comes between two
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "tf_model.h5": b"not wanted"}
OLD_FILES = {"config.json": b"{}", "pytorch_model.bin": WEIGHTS[:1000], "tf_model.h5": b"not wanted"}
OF_ESM3 = {"config.json": b"{}", ESM3_FILES[1]: WEIGHTS[:5000], "data/weights/decoder.pth": b"not wanted"}
XET = {
    "X-Xet-Hash": "0" * 64,
    "X-Xet-Refresh-Route": "/api/no-such-token",
}  # as the hub offers its own transport
NEWEST = "e" * 40  # commit of the repositories of which none is pinned

REPOSITORIES = [
    (SPEC, FILES),
    *((CATALOG[name], OLD_FILES) for name in ("esm1b", *CATALOG["esm1v"].members)),
    (CATALOG["esm3-open"], OF_ESM3),
]

SCRIPT = """
import json, sys
from esmviz.errors import EsmvizError
from esmviz.models import hub
from esmviz.models.catalog import CATALOG

specs, known, stop_at = [CATALOG[n] for n in sys.argv[3].split()], json.loads(sys.argv[1]), int(sys.argv[2])
spec = specs[-1]
hub.HASHES = {spec.repo_id: known}
seen = []
answer = {"before": hub.local_folder(spec) is not None}
try:
    hub.download(specs, lambda done, total: seen.append((done, total)), lambda: bool(seen) and seen[-1][0] > stop_at)
except EsmvizError as error:
    answer |= {"error": type(error).__name__, "text": str(error)}
answer |= {"seen": [seen[0], seen[-1]] if seen else [], "rises": seen == sorted(seen)}
folder = hub.local_folder(spec)
answer["files"] = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) if folder else []
answer["commit"] = folder.name if folder else ""
print(json.dumps(answer))
"""


def stated(name, data):
    """What the hub says of a file: the SHA-256 of a large one, the git blob id of a text."""
    if name.endswith(".json"):
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        return {"rfilename": name, "size": len(data), "blobId": blob}
    lfs = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 134}
    return {"rfilename": name, "size": len(data), "blobId": "0" * 40, "lfs": lfs}


class Hub(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def served(self, data):
        return data

    def answer(self, with_body):
        path = self.path.partition("?")[0]
        spec, files = next((spec, files) for spec, files in REPOSITORIES if spec.repo_id in path)
        commit = spec.revision or NEWEST
        if path.startswith("/api/"):
            siblings = [stated(name, data) for name, data in files.items()]
            repo_id = "/".join(path.split("/")[3:5])
            body = json.dumps({"id": repo_id, "sha": commit, "siblings": siblings}).encode()
            headers = {"Content-Type": "application/json"}
        else:
            assert path.split("/")[4] in (commit, "main"), path
            body = self.served(files["/".join(path.split("/")[5:])])
            headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(body).hexdigest()}"', **XET}
        asked = self.headers.get("Range", "")  # bytes=1000-
        start = int(asked.removeprefix("bytes=").partition("-")[0] or 0)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        self.send_response(206 if start else 200)
        for key, value in {**headers, "Content-Length": str(len(body) - start)}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            self.send(body[start:])

    def send(self, body):
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class SpoiltMirror(Hub):
    """Serves other weights than it states, of the same length."""

    def served(self, data):
        return data if data == b"{}" else bytes(len(data))


class VanishingHub(Hub):
    """Gone in the middle of the weights, and from then on."""

    def send(self, body):
        if len(body) < len(WEIGHTS):
            super().send(body)
            return
        super().send(body[: len(body) // 2])
        self.wfile.flush()
        self.server.socket.close()
        self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.handle_error = lambda request, address: None  # a client that cancels hangs up
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def server():
    with serving(Hub) as address:
        yield address


@pytest.fixture
def fetch(tmp_path):
    def call(endpoint, known=None, stop_at=1 << 40, models="esm2-8m", **environ):
        # `make test` runs offline; these tests ask a server of their own.
        outside = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
        given = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home")}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, json.dumps(known or {}), str(stop_at), models],
            env={**outside, **given, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


def test_a_download_reports_bytes_and_leaves_the_files(server, fetch):
    total = len(WEIGHTS) + 2
    answer = fetch(server, {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()})
    assert "error" not in answer, answer
    assert answer["seen"][-1] == [total, total]
    assert answer["rises"]
    assert answer["files"] == ["config.json", "model.safetensors"]
    assert not answer["before"]
    again = fetch(server)
    assert again["before"]


def test_without_a_pinned_revision_the_resolved_commit_is_recorded(server, fetch):
    assert CATALOG["esm1b"].revision is None
    answer = fetch(server, models="esm1b")
    assert "error" not in answer, answer
    assert answer["files"] == ["config.json", "pytorch_model.bin"]
    assert answer["commit"] == NEWEST
    assert fetch("http://127.0.0.1:9", models="esm1b")["before"]  # found again without asking anybody


def test_several_models_are_one_download(server, fetch):
    names = CATALOG["esm1v"].members
    answer = fetch(server, models=" ".join(names))
    assert "error" not in answer, answer
    total = len(names) * (len(OLD_FILES["config.json"]) + len(OLD_FILES["pytorch_model.bin"]))
    assert answer["seen"][-1] == [total, total]
    assert answer["rises"]
    for name in names:
        assert fetch("http://127.0.0.1:9", models=name)["commit"] == NEWEST


def test_a_cancelled_download_is_not_present(server, fetch):
    answer = fetch(server, stop_at=2)
    assert answer["error"] == "CancelledError"
    assert answer["files"] == []
    assert answer["seen"][-1][0] < len(WEIGHTS) / 4  # soon, also on a slow line


def test_a_hub_that_goes_in_the_middle_is_an_error_and_the_next_try_goes_on(server, fetch):
    with serving(VanishingHub) as vanishing:
        answer = fetch(vanishing)
    assert answer["error"] == "ModelUnavailableError"
    assert "the hub cannot give it" in answer["text"]
    assert answer["files"] == []  # half a file is no model
    assert 0 < answer["seen"][-1][0] < len(WEIGHTS)
    again = fetch(server, {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()})
    assert "error" not in again, again
    assert again["files"] == ["config.json", "model.safetensors"]
    assert again["seen"][-1] == [len(WEIGHTS) + 2] * 2


def test_another_hash_is_refused_and_the_file_removed(server, fetch):
    answer = fetch(server, {"model.safetensors": "0" * 64})
    assert answer["error"] == "CorruptCheckpointError"
    assert answer["files"] == []


def test_a_mirror_that_serves_other_bytes_than_it_states_is_refused(fetch):
    """ESM-1b has no recorded hash: the stated one is all there is."""
    with serving(SpoiltMirror) as mirror:
        answer = fetch(mirror, models="esm1b")
    assert answer["error"] == "CorruptCheckpointError"
    assert "as the hub states" in answer["text"]
    assert answer["files"] == []


def test_another_commit_in_the_cache_is_not_the_pinned_one(server, fetch, tmp_path):
    assert fetch(server)["files"]
    [pinned] = (tmp_path / "home").glob("hub/models--*/snapshots/*")
    pinned.rename(pinned.with_name("d" * 40))
    assert not fetch("http://127.0.0.1:9")["before"]


def test_no_network_names_the_ways_out(fetch):
    for environ in ({}, {"HF_HUB_OFFLINE": "1"}):
        answer = fetch("http://127.0.0.1:9", **environ)
        assert answer["error"] == "ModelUnavailableError"
        assert "HF_ENDPOINT" in answer["text"]
        assert "hf download facebook/esm2_t6_8M_UR50D" in answer["text"]


def test_of_esm3_one_file_of_weights_is_fetched(server, fetch):
    answer = fetch(
        server, {ESM3_FILES[1]: hashlib.sha256(OF_ESM3[ESM3_FILES[1]]).hexdigest()}, models="esm3-open"
    )
    assert "error" not in answer, answer
    assert answer["seen"][-1] == [5002, 5002]
    assert answer["files"] == ["config.json", ESM3_FILES[1]]
    refused = fetch(server, {ESM3_FILES[1]: "0" * 64}, models="esm3-open")
    assert refused["error"] == "CorruptCheckpointError"
    assert refused["files"] == []


def test_the_command_names_the_files_of_esm3():
    spec = CATALOG["esm3-open"]
    assert f"hf download {spec.repo_id} config.json {ESM3_FILES[1]} --revision {spec.revision}" in str(
        hub.unavailable(spec, "")
    )


def test_bin_files_are_wanted_only_without_safetensors():
    sizes = dict.fromkeys(("config.json", "a.bin", "model.safetensors", "x.h5", "onnx/model.safetensors"), 1)
    assert list(hub.wanted_files(sizes)) == ["config.json", "model.safetensors"]
    del sizes["model.safetensors"], sizes["onnx/model.safetensors"]
    assert list(hub.wanted_files(sizes)) == ["config.json", "a.bin"]


def test_both_kinds_of_hash_are_checked(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_bytes(b"hello\n")
    blob = "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object of the same bytes
    for known in (blob, hashlib.sha256(b"hello\n").hexdigest()):
        monkeypatch.setattr(hub, "HASHES", {SPEC.repo_id: {"config.json": known}})
        hub.check_hash(SPEC, "config.json", path)
    monkeypatch.setattr(hub, "HASHES", {SPEC.repo_id: {"config.json": "0" * 40}})
    with pytest.raises(CorruptCheckpointError):
        hub.check_hash(SPEC, "config.json", path)
    assert not path.exists()
