"""A model is downloaded in the browser from a hub on this machine, cancelled, and used."""

import hashlib
import http.server
import json
import threading
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import ROOT, Server

pytestmark = pytest.mark.slow

COMMIT = "c" * 40
FIRST_BYTES = 2**20
PIECE = 2**16
LAYERS, HEADS, WIDTH = 4, 4, 128

# One more line in the catalogue of that server: without a pinned commit, so without hashes of the true weights.
CATALOGUE_LINE = """
from dataclasses import replace
from esmviz.models.catalog import CATALOG
CATALOG["tiny"] = replace(
    CATALOG["esm2-8m"], name="tiny", title="Tiny", repo_id="test/tiny", revision=None,
    n_layers={layers}, n_heads={heads}, d_model={width}, n_parameters={n_parameters},
)
"""


@dataclass
class Hub:
    """As much of the hub as one download needs. Of the weights a part comes at once, the rest when the test says so."""

    files: dict[str, bytes]
    trickles: bool = False  # or the rest in small pieces
    go_on: threading.Event = field(default_factory=threading.Event)
    was_left: threading.Event = field(default_factory=threading.Event)
    begun: list[str] = field(default_factory=list)

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.answer()

            def do_GET(self):
                body, name = self.answer()
                hub.begun.append(name)
                if name.endswith(".safetensors"):
                    hub.send_slowly(self.wfile, body)
                else:
                    self.wfile.write(body)

            def answer(self):
                path = self.path.partition("?")[0]
                name = path.rpartition("/")[2]
                headers = {"X-Repo-Commit": COMMIT}
                if path.startswith("/api/"):
                    siblings = [{"rfilename": file, "size": len(data)} for file, data in hub.files.items()]
                    body = json.dumps({"id": "test/tiny", "sha": COMMIT, "siblings": siblings}).encode()
                else:
                    body = hub.files[name]
                    headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()}"'
                self.send_response(200)
                for key, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(key, value)
                self.end_headers()
                return body, name

            def log_message(self, *_):
                pass

        return Handler

    def send_slowly(self, stream, body):
        try:
            stream.write(body[:FIRST_BYTES])
            if not self.trickles:
                self.go_on.wait(180)
                stream.write(body[FIRST_BYTES:])
                return
            for start in range(FIRST_BYTES, len(body), PIECE):
                self.go_on.wait(0.3)
                stream.write(body[start : start + PIECE])
        except OSError:
            self.was_left.set()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Files of a random model of the ESM-2 architecture, and its number of parameters."""
    import torch
    import transformers

    torch.manual_seed(1)
    config = transformers.EsmConfig(
        vocab_size=33,
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        position_embedding_type="rotary",
        token_dropout=True,
        layer_norm_eps=1e-5,
        emb_layer_norm_before=False,
    )
    model = transformers.EsmForMaskedLM(config)
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    return files, sum(weight.numel() for weight in model.parameters())


@pytest.fixture
def serving(tmp_path, checkpoint):
    """Starts the app with that model in its catalogue and a hub that has it."""

    def start(hub):
        line = CATALOGUE_LINE.format(layers=LAYERS, heads=HEADS, width=WIDTH, n_parameters=checkpoint[1])
        (tmp_path / "sitecustomize.py").write_text(line)
        settings = {
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_OFFLINE": "0",
            "ESMVIZ_WARM_UP": "0",
        }
        return Server(tmp_path, settings)

    return start


def expect_files(app, hub, names):
    """Wait until these are the snapshot's files, and nothing half fetched lies beside them."""
    for _ in range(600):
        found = {path.name for path in hub.glob(f"**/snapshots/{COMMIT}/*")}
        if found == names and not list(hub.rglob("*.incomplete")):
            return
        app.page.wait_for_timeout(100)
    raise AssertionError(f"{found}, {list(hub.rglob('*.incomplete'))}")


def test_a_download_is_seen_to_come_and_its_model_used(opened, serving, checkpoint):
    n_bytes = sum(map(len, checkpoint[0].values()))
    with Hub(checkpoint[0]) as hub, serving(hub) as server:
        app = opened(server)
        app.page.set_viewport_size({"width": 1440, "height": 900})
        app.open("models", model="tiny", protein="UBIQ_HUMAN")
        app.expect_text("Not on this machine")
        app.keyed("run").get_by_role("button").click()
        app.expect_text(rf"1,0\d\d,\d\d\d of {n_bytes:,} bytes")
        expect(app.page.get_by_role("progressbar")).to_be_visible()
        hub.go_on.set()
        app.expect_text("On this machine. It loads at first use.")
        expect(app.keyed("run")).to_have_count(0)
        app.go("Similarity")
        assert "model tiny" in app.data("similarity", rows=76)["notes"]
        assert COMMIT[:8] in app.data("similarity")["notes"]


def test_cancel_ends_the_transfer_and_the_next_download_goes_through(opened, serving, checkpoint, tmp_path):
    with Hub(checkpoint[0], trickles=True) as hub, serving(hub) as server:
        app = opened(server)
        app.open("models", model="tiny")
        app.keyed("run").get_by_role("button").click()
        app.expect_text(r"of [\d,]+ bytes")
        app.keyed("cancel_download").get_by_role("button").click()
        app.expect_text("Cancelled. Files that were complete are kept.")
        assert hub.was_left.wait(60), "the server still sends what was cancelled"
        expect_files(app, tmp_path / "hub", {"config.json"})
        hub.go_on.set()  # from now on without waiting
        before = hub.begun.count("config.json")
        app.keyed("run").get_by_role("button").click()
        app.expect_text("On this machine. It loads at first use.")
        assert hub.begun.count("config.json") == before
