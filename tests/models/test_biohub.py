"""The esm package's clients against a real HTTP server that answers in the form they read."""

import base64
import io
import json
import pickle

import numpy as np
import pytest

from esmviz.errors import ModelUnavailableError, OutputNotProvidedError, ServiceError
from esmviz.models import esm_package
from esmviz.models.base import sites
from esmviz.models.hosted import Server, of_biohub
from esmviz.types import ContactHead, KeepHeads, ProteinRecord, Request

pytestmark = pytest.mark.skipif(
    not esm_package.is_installed(), reason=f"the esm package is not installed: {esm_package.COMMAND}"
)

RECORDS = [ProteinRecord("a", "MKVLAWGHDE"), ProteinRecord("b", "MXBZUO"), ProteinRecord("c", "M")]


@pytest.mark.parametrize("pooling", ["mean", "max", "bos"])
@pytest.mark.parametrize(("family", "layers"), [("esmc", (3, 1, 2)), ("esm3", (2, 1))])
def test_it_equals_the_model_behind_it(hosted, family, layers, pooling):
    remote, server = hosted("biohub", family)
    request = Request(logits=True, layers=layers, pooling=pooling, keep_residues=True)
    outputs = zip(remote.run(RECORDS, request), server.backend.run(RECORDS, request), strict=True)
    for ours, true in outputs:
        np.testing.assert_allclose(ours.logits, true.logits, atol=1e-6)
        np.testing.assert_allclose(ours.hidden_states, true.hidden_states, atol=1e-6)
        np.testing.assert_allclose(ours.pooled, true.pooled, atol=1e-6)
    assert len(server.posts()) == len(RECORDS) * len(layers)  # the logits come with the first layer


@pytest.mark.parametrize("family", ["esmc", "esm3"])
def test_the_request_is_what_the_server_documents(hosted, family):
    remote, server = hosted("biohub", family)
    list(remote.run(RECORDS[:1], Request(layers=(2,), pooling="mean")))
    [(path, headers, body)] = server.asked
    assert path == "/api/v1/logits"
    assert headers["Authorization"] == "Bearer s3cret-token"
    assert headers["Accept"] == "application/json"  # the client itself asks for a pickle first
    assert "return-bytes" not in {name.lower() for name in headers}
    assert body["model"] == "model-2026"
    assert body["inputs"]["sequence"][:3] == [0, 20, 15]  # BOS, M, K
    assert body["logits_config"]["ith_hidden_layer"] == 1
    assert body["logits_config"]["return_hidden_states"] is True


def test_masked_marginals_equal_those_behind_it(hosted):
    remote, server = hosted("biohub", "esmc")
    ours, true = (
        np.concatenate([x for _, x in backend.run_masked(sites(RECORDS[0], [4, 0, 9]))])
        for backend in (remote, server.backend)
    )
    np.testing.assert_allclose(ours, true, atol=1e-6)


@pytest.mark.parametrize(
    "request_",
    [Request(layers=(0,)), Request(probes=(KeepHeads(1, (0,)),)), Request(probes=(ContactHead(),))],
)
def test_what_it_does_not_give_is_refused_before_anything_is_sent(hosted, request_):
    remote, server = hosted("biohub", "esmc")
    with pytest.raises(OutputNotProvidedError):
        remote.run(RECORDS, request_)
    assert server.asked == []


def test_esm3_does_not_give_the_layer_after_the_final_norm(hosted):
    remote, _ = hosted("biohub", "esm3")
    with pytest.raises(OutputNotProvidedError, match="layers 1 to 2"):
        remote.run(RECORDS, Request(layers=(-1,), pooling="mean"))


class Harm:
    """A pickle that writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickled_reply_is_not_unpickled(hosted, tmp_path):
    remote, server = hosted("biohub", "esmc")
    mark = tmp_path / "mark"
    kind = {"Content-Type": "application/vnd.evolutionaryscale.pickle"}
    server.script = [(200, kind, pickle.dumps(Harm(mark)))]
    with pytest.raises(ServiceError, match=r"^a: .*pickle, not JSON"):
        list(remote.run(RECORDS[:1], Request(logits=True)))
    assert not mark.exists()


def test_pickled_tensors_within_json_are_not_unpickled(hosted, tmp_path):
    import torch
    import zstd

    remote, server = hosted("biohub", "esmc")
    mark, packed = tmp_path / "mark", io.BytesIO()
    torch.save({"sequence": Harm(mark)}, packed)
    text = base64.b64encode(zstd.ZSTD_compress(packed.getvalue())).decode()
    for reply in (
        {"logits": text, "embeddings": None, "hidden_states": None},
        {"logits": {"sequence": text}, "embeddings": text, "hidden_states": text},
    ):
        server.script = [(200, {}, json.dumps(reply).encode())]
        with pytest.raises(ServiceError, match=r"^a: "):
            list(remote.run(RECORDS[:1], Request(logits=True)))
    assert not mark.exists()


NONE = {"embeddings": None, "hidden_states": None}
BROKEN = {
    "nothing": {},
    "no logits": {"logits": {"sequence": None}, **NONE},
    "a residue less": {"logits": {"sequence": [[0.0] * 64] * 11}, **NONE},
    "few columns": {"logits": {"sequence": [[0.0] * 20] * 12}, **NONE},
    "ragged": {"logits": {"sequence": [[0.0] * 64, [0.0] * 63]}, **NONE},
    "not a number": {"logits": {"sequence": [[float("nan")] * 64] * 12}, **NONE},
    "two proteins": {"logits": {"sequence": [[[0.0] * 64] * 12] * 2}, **NONE},
    "text": {"logits": {"sequence": "logits"}, **NONE},
    "a list": {"logits": [1, 2], **NONE},
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_reply_of_another_form_is_an_error_that_names_the_protein(hosted, body):
    remote, server = hosted("biohub", "esmc")
    server.script = [(200, {}, json.dumps(body).encode())]
    with pytest.raises(ServiceError, match=r"^a: "):
        list(remote.run(RECORDS[:1], Request(logits=True)))


def test_states_of_another_width_are_an_error(hosted):
    remote, server = hosted("biohub", "esmc")
    body = {"logits": {}, "embeddings": [[[0.0] * 9] * 12], "hidden_states": None}
    server.script = [(200, {}, json.dumps(body).encode())]
    with pytest.raises(ServiceError, match=r"^a: hidden states of layer 3 .* are 12 x 9, not 12 x 8"):
        list(remote.run(RECORDS[:1], Request(layers=(3,), pooling="mean")))


def test_outputs_may_lie_one_level_deeper_and_warnings_are_not_printed(hosted, capfd):
    remote, server = hosted("biohub", "esmc")
    true = server.true_reply(
        "/logits",
        {
            "inputs": {"sequence": [0, 20, 15, 2]},
            "logits_config": {"sequence": True, "return_embeddings": False, "return_hidden_states": False},
        },
    )
    body = {"data": {**true, "warning_messages": ["MKVLAWGHDE is of concern"]}}
    server.script = [(200, {}, json.dumps(body).encode())]
    [output] = remote.run([ProteinRecord("a", "MK")], Request(logits=True))
    assert output.logits.shape == (2, 20)
    assert capfd.readouterr() == ("", "")


def test_retries_are_ours_and_silent(hosted, capfd):
    remote, server = hosted("biohub", "esmc")
    server.script = [(429, {"Retry-After": "3"}, b"{}"), (502, {}, b"<html>")]
    list(remote.run(RECORDS[:1], Request(logits=True)))
    assert server.pauses == [3.0, 2.0]
    server.script = [(502, {}, b"<html>")] * 9
    with pytest.raises(ServiceError, match=r"^a: .*status 502"):
        list(remote.run(RECORDS[:1], Request(logits=True)))
    assert len(server.posts()) == 3 + 5
    assert capfd.readouterr() == ("", "")


def test_what_came_before_a_failure_is_kept(hosted):
    remote, server = hosted("biohub", "esmc")
    outputs = remote.run(RECORDS, Request(logits=True))
    assert next(outputs).logits.shape == (10, 20)
    server.script = [(403, {}, b'{"detail": "quota"}')]
    with pytest.raises(ServiceError, match=r"^b: .*403: quota"):
        next(outputs)


def test_without_a_token_nothing_begins(hosted):
    from esmviz.models.biohub import BiohubBackend

    spec = of_biohub(hosted("biohub", "esmc")[1].backend.spec, "host")
    with pytest.raises(ModelUnavailableError, match="ESMVIZ_BIOHUB_TOKEN"):
        BiohubBackend(spec, "model", Server("http://127.0.0.1:9"))
