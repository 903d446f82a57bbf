"""Replies of servers that host models: each gives finite numbers of the right shape, or an error of ours."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import httpx
import numpy as np

from esmviz.errors import EsmvizError, ServiceError
from esmviz.models.biohub import BiohubBackend
from esmviz.models.biolm import BiolmBackend
from esmviz.models.catalog import CATALOG
from esmviz.models.courier import Courier
from esmviz.models.hosted import Server, of_biohub
from esmviz.types import ProteinRecord, Request

RECORD = ProteinRecord("a", "MKVL")
SPEC = replace(CATALOG["esm2-8m"], d_model=2)
WIDTH, N_TOKENS = 33, len(RECORD) + 2  # of Biohub's logits: columns, and rows with BOS and EOS


class Told(Courier):
    """A server that answers with given bytes."""

    body = b""

    def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        return httpx.Response(200, content=self.body, request=request)


@cache
def _biolm() -> tuple[BiolmBackend, Told]:
    courier = Told(Server("http://localhost/api/v3"), "Token")
    vector = {"layer": SPEC.n_layers, "embedding": [0.0] * SPEC.d_model}
    courier.body = json.dumps({"results": [{"embeddings": [vector]}]}).encode()
    return BiolmBackend(SPEC, "esm2-8m", courier.server, courier), courier


def biolm(content: bytes) -> None:
    backend, courier = _biolm()
    courier.body = content
    request = Request(logits=True, layers=(SPEC.n_layers,), pooling="mean")
    for output in backend.run([RECORD], request):
        assert np.isfinite(output.logits).all()
        assert output.pooled.shape == (1, SPEC.d_model)


@cache
def _biohub(family: str) -> tuple[BiohubBackend, Told]:
    courier = Told(Server("http://localhost", token="t" * 20), "Bearer")
    spec = replace(
        of_biohub(CATALOG[{"esmc": "esmc-300m", "esm3": "esm3-open"}[family]], "localhost"), d_model=2
    )
    return BiohubBackend(spec, "model", courier.server, courier), courier


def biohub(content: bytes) -> None:
    """ESM C and ESM3, in the forms that their clients read: embeddings after the norm, and hidden states."""
    errors = []
    for family, layer in (("esmc", 1), ("esmc", 30), ("esm3", 1)):
        backend, courier = _biohub(family)
        courier.body = content
        try:
            [output] = backend.run([RECORD], Request(logits=True, layers=(layer,), pooling="mean"))
        except EsmvizError as error:
            errors.append(str(error))  # the error itself holds on to all that was read
            continue
        assert output.logits.shape == (len(RECORD), 20)
        assert np.isfinite(output.logits).all()
        assert output.pooled.shape == (1, backend.spec.d_model)
        assert np.isfinite(output.pooled).all()
    if errors:
        raise ServiceError(errors[0])


def seeds_of_biolm() -> dict[str, bytes]:
    good = {
        "embeddings": [{"layer": SPEC.n_layers, "embedding": [1.0, 2.0]}],
        "logits": [[0.5] * 20] * len(RECORD),
        "vocab_tokens": list("ACDEFGHIKLMNPQRSTVWY"),
    }
    replies: dict[str, Any] = {
        "good": {"results": [good]},
        "error": {"results": [{"error": "no", "status_code": 400}]},
        "none": {"results": []},
        "null": {"results": [{**good, "logits": None}]},
        "infinite": {"results": [{**good, "logits": [[1e999] * 20] * 4}]},
        "huge": {"results": [{**good, "logits": [[10**400] * 20] * 4}]},
    }
    return _as_json(replies)


def reply(logits: Any, states: Any) -> dict[str, Any]:
    """What Biohub answers."""
    return {"logits": {"sequence": logits}, "embeddings": states, "hidden_states": states}


def seeds_of_biohub() -> dict[str, bytes]:
    logits, states = [[0] * WIDTH] * N_TOKENS, [[1, 2.5]] * N_TOKENS
    good = reply(logits, states)
    replies: dict[str, Any] = {
        "good": good,
        "a batch": reply([logits], [[states]]),
        "deeper": {"data": good},
        "deeper, with outputs": {"data": good, "outputs": {}},
        "infinite": reply([[1e999] * WIDTH] * N_TOKENS, states),
        "no number": reply([[float("nan")] * WIDTH] * N_TOKENS, states),
        "huge": reply([[10**400] + [0] * (WIDTH - 1)] * N_TOKENS, [[10**39, 1]] * N_TOKENS),
        "nested": reply([[[[[[0]]]]]], [[[[]]]]),
        "packed": reply("KLUv/QAA", "KLUv/QAA"),
        "pickled": {"logits": "gASVAAAAAA==", "embeddings": "gASVAAAAAA==", "hidden_states": None},
        "words": {"error": "no", "message": ["<b>"], "detail": [{"msg": "MKVLAWGHDEMKVL"}]},
        "a list": {**good, "logits": [1, 2]},
        "pairs": {**good, "logits": [["sequence", logits]]},
        "null": {"logits": None, "embeddings": None, "hidden_states": None},
    }
    return _as_json(replies)


def _as_json(replies: dict[str, Any]) -> dict[str, bytes]:
    return {name: json.dumps(reply).encode() for name, reply in replies.items()}
