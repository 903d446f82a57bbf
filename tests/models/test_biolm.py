"""The BioLM format against a real HTTP server that answers as BioLM's open server does."""

import json

import numpy as np
import pytest

from esmviz.errors import OutputNotProvidedError, ProteinRefusedError, SequenceTooLongError, ServiceError
from esmviz.models import biolm
from esmviz.models.base import sites
from esmviz.models.biolm import BiolmBackend
from esmviz.models.hosted import of_biolm
from esmviz.types import ContactHead, ProteinRecord, Request

RECORDS = [ProteinRecord(f"p{n}", "MKVLAWGHDE"[: n + 1] * 2) for n in range(9)]
POISON = "WWWW"


@pytest.mark.parametrize("pooling", ["mean", "max", "bos"])
def test_esm2_equals_the_model_behind_it(hosted, pooling):
    remote, server = hosted("biolm")
    request = Request(logits=True, layers=(3, 0, 2, 3), pooling=pooling, keep_residues=True)
    outputs = zip(remote.run(RECORDS, request), server.backend.run(RECORDS, request), strict=True)
    for ours, true in outputs:
        np.testing.assert_allclose(ours.logits, true.logits, atol=1e-6)
        np.testing.assert_allclose(ours.hidden_states, true.hidden_states, atol=1e-6)
        np.testing.assert_allclose(ours.pooled, true.pooled, atol=1e-6)


def test_contacts_equal_those_behind_it(hosted):
    remote, server = hosted("biolm")
    request = Request(probes=(ContactHead(),))
    [ours], [true] = remote.run(RECORDS[-1:], request), server.backend.run(RECORDS[-1:], request)
    np.testing.assert_allclose(ours.probes["contacts"], true.probes["contacts"], atol=1e-6)


def test_esmc_layers_keep_our_names_though_the_server_counts_blocks_from_0(hosted):
    remote, server = hosted("biolm", "esmc")
    request = Request(layers=(1, 2), pooling="mean")
    [ours], [true] = remote.run(RECORDS[:1], request), server.backend.run(RECORDS[:1], request)
    assert server.posts()[0][1]["params"]["repr_layers"] == [0, 1]
    np.testing.assert_allclose(ours.pooled, true.pooled, atol=1e-6)


@pytest.mark.parametrize(("layer", "pooling"), [(0, "mean"), (3, "mean"), (-1, None), (1, "bos")])
def test_what_esmc_does_not_give_is_refused_before_anything_is_sent(hosted, layer, pooling):
    remote, server = hosted("biolm", "esmc")
    with pytest.raises(OutputNotProvidedError, match=r"layers 1 to 2|no bos pooling"):
        remote.run(RECORDS, Request(layers=(layer,), pooling=pooling))
    assert server.asked == []


def test_esmc_of_a_server_that_counts_as_we_do(serve, courier, hosted):
    server = serve(hosted("biolm", "esmc")[1].backend)
    vectors = [{"layer": 3, "embedding": [0.0] * 8}]
    server.script = [(200, {}, json.dumps({"results": [{"embeddings": vectors}]}).encode())]
    carrier = courier(server)
    remote = BiolmBackend(of_biolm(server.backend.spec, carrier.server.host), "esmc", carrier.server, carrier)
    list(remote.run(RECORDS[:1], Request(layers=(2,), pooling="mean")))
    assert server.posts()[-1][1]["params"]["repr_layers"] == [2]


def test_masked_marginals_equal_those_behind_it(hosted):
    remote, server = hosted("biolm", "esmc")
    record, positions = RECORDS[-1], [0, 17, 5, 3, 2, 9, 10, 11, 12]
    ours, true = (
        np.concatenate([x for _, x in backend.run_masked(sites(record, positions))])
        for backend in (remote, server.backend)
    )
    np.testing.assert_allclose(ours, true, atol=1e-6)
    texts = [item["sequence"] for _, body in server.posts() for item in body["items"]]
    assert texts[0] == "<mask>" + record.sequence[1:]
    assert [len(body["items"]) for _, body in server.posts()] == [8, 1]


def test_a_set_goes_in_batches_of_the_documented_size(hosted):
    remote, server = hosted("biolm")
    list(remote.run(RECORDS, Request(logits=True)))
    assert [len(body["items"]) for _, body in server.posts()] == [8, 1]


def test_a_set_goes_in_batches_of_the_servers_schema(serve, courier, hosted):
    server = serve(hosted("biolm")[1].backend)
    server.limit = 4
    carrier = courier(server)
    spec = of_biolm(server.backend.spec, carrier.server.host)
    remote = BiolmBackend(spec, "esm2-8m", carrier.server, carrier)
    assert server.asked[-1][0] == "/api/v3/schema/esm2-8m/encode/"
    server.asked.clear()
    list(remote.run(RECORDS, Request(logits=True)))
    assert [len(body["items"]) for _, body in server.posts()] == [4, 4, 1]


def test_a_reply_holds_no_more_numbers_than_are_worth_one(hosted, monkeypatch):
    remote, server = hosted("biolm")
    monkeypatch.setattr(biolm, "MOST_NUMBERS", 20 * 20 * 2)  # logits of two proteins of 20
    list(remote.run([ProteinRecord(str(n), "A" * 20) for n in range(5)], Request(logits=True)))
    assert [len(body["items"]) for _, body in server.posts()] == [2, 2, 1]


def test_nothing_is_asked_before_the_first_batch_nor_after_the_last_that_is_wanted(hosted):
    remote, server = hosted("biolm")
    outputs = remote.run(RECORDS, Request(logits=True))
    assert server.asked == []
    next(outputs)
    outputs.close()  # as a cancelled job does
    assert len(server.posts()) == 1


def refuse_poison(status):
    def reply(handler, body):
        if any(POISON in item["sequence"] for item in body["items"]):
            return status, {}, json.dumps({"detail": "one of them is too long"}).encode()
        return None

    return reply


@pytest.mark.parametrize("status", [400, 413, 422, 500])
def test_of_a_refused_batch_only_the_culprit_fails(hosted, status):
    remote, server = hosted("biolm")
    server.script = [refuse_poison(status)] * 99
    records = [*RECORDS[:3], ProteinRecord("poison", POISON), RECORDS[4]]
    outputs = remote.run(records, Request(logits=True))
    assert [next(outputs).logits.shape[0] for _ in range(3)] == [2, 4, 6]
    with pytest.raises(ServiceError, match=rf"^poison: .*status {status}: one of them") as caught:
        next(outputs)
    assert caught.value.status == status
    assert isinstance(caught.value, ProteinRefusedError) == (
        status != 500
    )  # a fault may be of the whole server


def test_a_result_that_is_an_error_names_its_protein(hosted):
    remote, server = hosted("biolm")
    good = server.true_reply("encode/", {"items": [{"sequence": "MK"}], "params": {"include": ["logits"]}})
    server.script = [(200, {}, json.dumps({"results": [*good["results"], {"error": "boom"}]}).encode())]
    outputs = remote.run([ProteinRecord("a", "MK"), ProteinRecord("b", "MKV")], Request(logits=True))
    assert next(outputs).logits.shape == (2, 20)
    with pytest.raises(ServiceError, match=r"^b: .* refuses: boom"):
        next(outputs)


@pytest.mark.parametrize("key", ["error", "detail", "description"])
def test_a_body_with_an_error_and_no_results_is_one(hosted, key):
    remote, server = hosted("biolm")
    server.script = [(200, {}, json.dumps({key: "the model sleeps"}).encode())]
    with pytest.raises(ServiceError, match=r"^p0: .*the model sleeps"):
        list(remote.run(RECORDS[:1], Request(logits=True)))


TRUE = {"logits": [[0.0] * 20] * 2, "vocab_tokens": list("LAGVSERTIDPKQNFYMHWC")}
BROKEN = {
    "too many results": {"results": [TRUE, TRUE]},
    "too few results": {"results": []},
    "results that are no list": {"results": {"0": TRUE}},
    "a result that is a list": {"results": [[TRUE]]},
    "no logits": {"results": [{"vocab_tokens": TRUE["vocab_tokens"]}]},
    "a residue less": {"results": [TRUE | {"logits": [[0.0] * 20]}]},
    "a ragged row": {"results": [TRUE | {"logits": [[0.0] * 20, [0.0] * 19]}]},
    "not a number": {"results": [TRUE | {"logits": [[float("nan")] * 20] * 2}]},
    "infinite": {"results": [TRUE | {"logits": [[1e300] * 20] * 2}]},
    "beyond any float": {"results": [TRUE | {"logits": [[10**400] * 20] * 2}]},
    "null": {"results": [TRUE | {"logits": [[None] * 20] * 2}]},
    "text": {"results": [TRUE | {"logits": [["x"] * 20] * 2}]},
    "an object": {"results": [TRUE | {"logits": {"0": 1}}]},
    "no letters": {"results": [{"logits": TRUE["logits"]}]},
    "a letter twice": {"results": [TRUE | {"vocab_tokens": list("LLGVSERTIDPKQNFYMHWC")}]},
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_reply_of_another_form_is_an_error_that_names_the_protein(hosted, body):
    remote, server = hosted("biolm")
    server.script = [(200, {}, json.dumps(body).encode())]
    with pytest.raises(ServiceError, match=r"^p0: "):
        list(remote.run(RECORDS[:1], Request(logits=True)))


@pytest.mark.parametrize("layer", [1, [2], {"2": 2}, "2"])
def test_layers_that_do_not_come_are_an_error(hosted, layer):
    remote, server = hosted("biolm")
    server.script = [(200, {}, json.dumps({"results": [{"embeddings": [{"layer": layer}]}]}).encode())]
    with pytest.raises(ServiceError, match=r"no embeddings of layer 2"):
        list(remote.run(RECORDS[:1], Request(layers=(2,), pooling="mean")))


def test_residues_may_have_their_former_name(hosted):
    remote, server = hosted("biolm")
    [result] = server.true_reply(
        "encode/", {"items": [{"sequence": "MK"}], "params": {"repr_layers": [1], "include": ["per_token"]}}
    )["results"]
    renamed = {"per_token_embeddings": result["residue_embeddings"]}
    server.script = [(200, {}, json.dumps({"results": [renamed]}).encode())]
    [output] = remote.run([ProteinRecord("a", "MK")], Request(layers=(1,)))
    assert output.hidden_states.shape == (1, 2, 8)


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([{"layer": 3, "embedding": [0.0] * 9}], "embeddings in the server's reply are 9, not 8"),
        ([{"layer": 33, "embedding": [0.0] * 8}], "last layer is 33, not 3: another model"),
        ([], "no embeddings"),
    ],
)
def test_another_model_under_that_name_gets_no_protein(serve, courier, hosted, vectors, said):
    server = serve(hosted("biolm")[1].backend)
    server.script = [(200, {}, json.dumps({"results": [{"embeddings": vectors}]}).encode())]
    carrier = courier(server)
    spec = of_biolm(server.backend.spec, carrier.server.host)
    with pytest.raises(ServiceError, match=rf"^fake@biolm: .*{said}"):
        BiolmBackend(spec, "esm2-8m", carrier.server, carrier)
    assert [body["items"] for _, body in server.posts()] == [[{"sequence": "A"}]]


def test_too_long_and_unreadable_proteins_are_not_sent(hosted):
    remote, server = hosted("biolm")
    with pytest.raises(SequenceTooLongError):
        remote.run([ProteinRecord("long", "A" * 2044)], Request(logits=True))
    with pytest.raises(SequenceTooLongError):
        remote.run_masked(sites(ProteinRecord("long", "A" * 2044), [0]))
    assert server.asked == []


def test_an_unauthorised_token_is_said_at_once(hosted):
    remote, server = hosted("biolm")
    server.script = [(401, {}, b'{"detail": "Invalid token."}')]
    with pytest.raises(ServiceError, match=r"status 401: Invalid token.*token in the settings"):
        list(remote.run(RECORDS, Request(logits=True)))
    assert len(server.asked) == 1
