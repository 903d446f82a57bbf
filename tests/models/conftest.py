"""Checkpoints of the true architectures: small, random, and sharp enough that attention is far from uniform."""

import http.server
import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from esmviz.models.base import AMINO_ACID_TOKENS, MASK, VOCABULARY, ModelStatus, sites
from esmviz.models.fake import SPEC as FAKE
from esmviz.models.fake import FakeBackend
from esmviz.models.folders import describe
from esmviz.models.hosted import Server
from esmviz.types import AMBIGUOUS, AMINO_ACIDS, ContactHead, ProteinRecord, Request

TOKEN = "s3cret-token"
KINDS = ("esm2", "esm1b", "esm1v", "esmc")
ELDERS = ("esm1b", "esm1v")  # absolute positions
MEMBERS = ("member-1", "member-2", "member-3")


def build(kind, seed=7):
    """A model as transformers makes it, in eager mode."""
    import torch
    import transformers

    torch.manual_seed(seed)
    common = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    if kind == "esmc":
        model = transformers.EsmcForMaskedLM(
            transformers.EsmcConfig(**common, attn_implementation="eager"),
        )
    else:
        config = transformers.EsmConfig(
            **common,
            vocab_size=33,
            mask_token_id=32,
            pad_token_id=1,
            bos_token_id=0,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=1e-5,
            token_dropout=True,
            max_position_embeddings=64 if kind in ELDERS else 1026,
            position_embedding_type="absolute" if kind in ELDERS else "rotary",
            emb_layer_norm_before=kind == "esm1b",
            attn_implementation="eager",
        )
        model = transformers.EsmForMaskedLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.35)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                weight.fill_(2.0)
            if "contact_head" in name:
                weight.normal_(0, 3.0)
    return model.eval()


def attend_eagerly(model):
    model.set_attn_implementation("eager")
    return model


@pytest.fixture(scope="session")
def references():
    """The same weights in transformers' own hands, by kind."""
    return {kind: attend_eagerly(build(kind)) for kind in KINDS}


@pytest.fixture(scope="session")
def saved(tmp_path_factory, references):
    """Folder of each kind as ``save_pretrained`` writes it; never write into it."""
    root = tmp_path_factory.mktemp("checkpoints")
    for kind, model in references.items():
        model.save_pretrained(root / kind)
    return root


@pytest.fixture(scope="session")
def members(tmp_path_factory):
    """A folder of three ESM-1v that differ, and transformers' models by their names."""
    root = tmp_path_factory.mktemp("members")
    models = {name: build("esm1v", seed) for seed, name in enumerate(MEMBERS)}
    for name, model in models.items():
        model.save_pretrained(root / name)
    return root, models


@pytest.fixture(scope="session")
def ensemble(members):
    """The catalogue's facts about an ensemble of these members."""
    root, _ = members
    spec = describe(root / MEMBERS[0], "together")
    return replace(
        spec,
        members=MEMBERS,
        provides=frozenset({"logits"}),
        n_parameters=len(MEMBERS) * spec.n_parameters,
    )


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the ESM-2 folder that a test may spoil."""
    return shutil.copytree(saved / "esm2", tmp_path / "spoilt")


@pytest.fixture(scope="session")
def backends(saved):
    """Our backend of each kind; rows of at most 64 tokens, so that several are needed."""
    from esmviz.models.checkpoints import load
    from esmviz.models.transformer import TransformerBackend

    result = {}
    for kind in KINDS:
        spec = describe(saved / kind, kind)
        result[kind] = TransformerBackend(spec, "0" * 64, load(saved / kind, spec, "cpu"), max_tokens=64)
    return result


class Loaded:
    """Loaded backends by name, as an ensemble takes them from ModelCache; remembers who was asked."""

    def __init__(self, backends):
        self.backends, self.asked, self.all_fit = backends, [], True

    def backend(self, name):
        self.asked.append(name)
        return self.backends[name]

    def status(self, name):
        return ModelStatus(True, self.all_fit, 0, 0, True)


@pytest.fixture(scope="session")
def loaded(members):
    """The members in memory."""
    from esmviz.models.checkpoints import load
    from esmviz.models.transformer import TransformerBackend

    root, _ = members
    specs = {name: describe(root / name, name) for name in MEMBERS}
    networks = {name: load(root / name, spec, "cpu") for name, spec in specs.items()}
    return {
        name: TransformerBackend(specs[name], name.ljust(64, "0"), network, max_tokens=64)
        for name, network in networks.items()
    }


@pytest.fixture
def cache_of_members(loaded):
    return Loaded(loaded)


@pytest.fixture(scope="session")
def together(ensemble, loaded):
    """The ensemble's backend."""
    from esmviz.models.ensemble import EnsembleBackend

    revisions = [backend.revision for backend in loaded.values()]
    return EnsembleBackend(ensemble, revisions, Loaded(loaded), max_tokens=64)


@pytest.fixture(scope="session")
def esm3_backend(esm3_folder):
    """Our backend of it; rows of at most 64 tokens, so that several are needed."""
    from esmviz.models.checkpoints import load
    from esmviz.models.transformer import TransformerBackend

    spec = describe(esm3_folder, "esm3")
    return TransformerBackend(spec, "0" * 64, load(esm3_folder, spec, "cpu"), max_tokens=64)


@pytest.fixture
def edit_config(folder):
    """Change fields of the spoilt folder's config; None removes one."""

    def edit(**fields):
        config = json.loads((folder / "config.json").read_text()) | fields
        config = {key: value for key, value in config.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(config))

    return edit


def protein(length, seed=0, name=None):
    letters = np.random.default_rng([seed, length]).choice(list(AMINO_ACIDS), length)
    return ProteinRecord(name or f"p{length}-{seed}", "".join(letters))


@pytest.fixture(scope="session")
def assert_states_close():
    """Within 1e-4, or within 5e-6 of the largest where states grow to hundreds between the blocks: float32 keeps no
    more, and the reference's own numbers are as far from those in float64.
    """

    def check(found, expected):
        for layer, states in zip(found, np.asarray(expected), strict=True):
            np.testing.assert_allclose(layer, states, rtol=0, atol=max(1e-4, 5e-6 * np.abs(states).max()))

    return check


@pytest.fixture(scope="session")
def mixed():
    """Nine proteins of 1 to 40 residues, some of equal length, one with every letter."""
    every = ProteinRecord("every", AMINO_ACIDS + AMBIGUOUS)
    return [*(protein(n, i) for i, n in enumerate((40, 7, 7, 1, 2, 33, 12, 12))), every]


class Service(http.server.ThreadingHTTPServer):
    """A real HTTP server that hosts a backend as BioLM and Biohub do, and first plays what a test scripted.

    ``script`` holds replies to come, as (status, headers, body) or a function of the handler; None is the true one.
    ``asked`` holds what came: (path, headers, JSON).
    """

    def __init__(self, backend=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.backend, self.script, self.asked, self.pauses, self.limit = backend, [], [], [], None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/api/v3"

    def posts(self):
        return [(path, body) for path, _, body in self.asked if body is not None]

    def handle_error(self, request, client_address):
        pass  # a client that left is part of a test

    def true_reply(self, path, body):
        if path.endswith("/logits"):
            return biohub_logits(self.backend, body)
        action = {"encode": biolm_encode, "predict": biolm_predict}[path.rstrip("/").rpartition("/")[2]]
        return {
            "results": [
                action(self.backend, n, item["sequence"], body) for n, item in enumerate(body["items"])
            ]
        }


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers), None))
        limit = self.server.limit
        schema = {"properties": {"items": {"maxItems": limit}}}
        self.reply(*((404, {}, b"{}") if limit is None else (200, {}, json.dumps(schema).encode())))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, dict(self.headers), body))
        scripted = self.server.script.pop(0) if self.server.script else None
        if callable(scripted):
            scripted = scripted(self, body)
        if scripted is None:
            scripted = 200, {}, json.dumps(self.server.true_reply(self.path, body)).encode()
        self.reply(*scripted)

    def reply(self, status, headers, body):
        self.send_response(status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def biolm_encode(backend, number, sequence, body):
    """As models/{esm2,esmc}/app.py of BioLM's open server: ESM C counts the outputs of blocks from 0."""
    spec, include, asked = backend.spec, body["params"]["include"], body["params"].get("repr_layers", [-1])
    by_blocks = spec.family == "esmc"
    n_layers = spec.n_layers + (not by_blocks)
    layers = sorted({layer % n_layers for layer in asked})
    contacts = (ContactHead(),) if "contacts" in include else ()
    request = Request(logits=True, layers=tuple(layer + by_blocks for layer in layers), probes=contacts)
    [output] = backend.run([ProteinRecord("p", sequence)], request)
    [bos] = backend.run([ProteinRecord("p", sequence)], replace(request, pooling="bos", probes=()))
    states = output.hidden_states.copy()
    if by_blocks and layers[-1] == spec.n_layers - 1:
        states[-1] = 1e3  # before the final norm, which is no layer of ours
    result = {"sequence_index": number}
    if "mean" in include:
        means = zip(layers, states.mean(1).tolist(), strict=True)
        result["embeddings"] = [{"layer": layer, "embedding": row} for layer, row in means]
    if "bos" in include:
        rows = zip(layers, bos.pooled.tolist(), strict=True)
        result["bos_embeddings"] = [{"layer": layer, "embedding": row} for layer, row in rows]
    if "per_token" in include:
        rows = zip(layers, states.tolist(), strict=True)
        result["residue_embeddings"] = [{"layer": layer, "embeddings": row} for layer, row in rows]
    if contacts:
        result["contacts"] = output.probes["contacts"].tolist()
    if "logits" in include:
        result |= biolm_logits(spec, output.logits)
    return result


def biolm_logits(spec, logits):
    letters = AMINO_ACIDS if spec.family == "esmc" else "LAGVSERTIDPKQNFYMHWC"
    columns = [AMINO_ACIDS.index(letter) for letter in letters]
    return {"logits": logits[:, columns].tolist(), "vocab_tokens": list(letters)}


def biolm_predict(backend, number, text, body):
    before, _, after = text.partition("<mask>")
    record = ProteinRecord("p", f"{before}A{after}")
    [(_, row)] = backend.run_masked(sites(record, [len(before)]))
    logits = np.full((len(record), 20), 99, dtype=np.float32)
    logits[len(before)] = row[0]
    return {"sequence_tokens": [*before, "<mask>", *after], **biolm_logits(backend.spec, logits)}


def biohub_logits(backend, body):
    """As esm.sdk.forge reads it: rows of BOS and EOS too, 64 columns, hidden layers from 0, the last before the norm."""
    spec, config, ids = backend.spec, body["logits_config"], body["inputs"]["sequence"]
    sequence = "".join(VOCABULARY[i] if i != MASK else "A" for i in ids[1:-1])
    record, masked = ProteinRecord("p", sequence), [n - 1 for n, i in enumerate(ids) if i == MASK]
    layer = config["ith_hidden_layer"] + 1 if config["return_hidden_states"] else spec.n_layers
    [output] = backend.run([record], Request(logits=True, layers=(layer,)))
    [bos] = backend.run([record], Request(layers=(layer,), pooling="bos"))
    logits = np.zeros((len(ids), 64), dtype=np.float32)
    logits[1:-1, AMINO_ACID_TOKENS] = output.logits
    for some, rows in backend.run_masked(sites(record, masked)):
        positions = np.asarray(masked)[some]
        logits[positions + 1] = 0
        logits[np.ix_(positions + 1, AMINO_ACID_TOKENS)] = rows
    states = np.concatenate([bos.pooled, output.hidden_states[0], np.full_like(bos.pooled, 7)])
    return {
        "logits": {"sequence": logits[None].tolist() if config["sequence"] else None},
        "embeddings": states[None].tolist() if config["return_embeddings"] else None,
        "hidden_states": states[None, None].tolist() if config["return_hidden_states"] else None,
    }


@pytest.fixture(scope="module")
def serve():
    """Start servers that host a backend: ``serve(backend)``."""
    started = []

    def start(backend=None):
        server = Service(backend)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


HOSTED_SPECS = {
    "esm": replace(FAKE, family="esm", n_layers=3, provides=FAKE.provides),
    "esmc": replace(FAKE, family="esmc", n_layers=3, provides=FAKE.provides - {"contacts"}),
    "esm3": replace(FAKE, family="esm3", n_layers=3, provides=FAKE.provides - {"contacts"}),
}


@pytest.fixture(scope="session")
def courier():
    """A courier that sleeps into the ``pauses`` of the server it is for."""
    from esmviz.models.courier import Courier

    def make(service, scheme="Token", **options):
        address = Server(service.url, **{"token": TOKEN, "timeout": 5, **options})
        return Courier(address, scheme, sleep=service.pauses.append, jitter=lambda: 1.0)

    return make


@pytest.fixture(scope="module")
def hosted(serve, courier):
    """A hosted backend and its server, which has the local backend behind it: ``hosted("biolm", "esmc")``."""

    def make(service, family="esm", backend=None, **options):
        from esmviz.models.biohub import BiohubBackend
        from esmviz.models.biolm import BiolmBackend
        from esmviz.models.hosted import of_biohub, of_biolm

        server = serve(FakeBackend(HOSTED_SPECS[family]) if backend is None else backend)
        spec = server.backend.spec
        if service == "biolm":
            carrier = courier(server, **options)
            remote = BiolmBackend(of_biolm(spec, carrier.server.host), spec.name, carrier.server, carrier)
        else:
            pytest.importorskip("esm.sdk", reason="the esm package is not installed: make install")
            carrier = courier(server, "Bearer", **options)
            remote = BiohubBackend(
                of_biohub(spec, carrier.server.host), "model-2026", carrier.server, carrier
            )
        server.asked.clear()
        return remote, server

    return make
