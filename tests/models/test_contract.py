"""What every backend promises, whatever its family."""

import numpy as np
import pytest

from esmviz.errors import InvalidSequenceError, OutputNotProvidedError
from esmviz.models.base import AMINO_ACID_TOKENS, VOCABULARY, Backend, tokens
from esmviz.models.catalog import MINI_FOLDER
from esmviz.types import (
    AMBIGUOUS,
    AMINO_ACIDS,
    ContactHead,
    HeadStatistic,
    KeepHeads,
    OverHeads,
    ProteinRecord,
    Request,
    Rollout,
    Thumbnails,
)

RECORDS = [
    ProteinRecord("a", "MKVLAWGHDE" * 3),
    ProteinRecord("every", AMINO_ACIDS + AMBIGUOUS),
    ProteinRecord("one", "M"),
]


@pytest.fixture(params=["esm2", "esm1b", "esmc", "fake", "mini"], scope="module")
def backend(request, backends):
    if request.param == "fake":
        from esmviz.models.fake import FakeBackend

        return FakeBackend()
    if request.param == "mini":
        if not (MINI_FOLDER / "model.safetensors").is_file():
            pytest.skip("the embedded model is not in this checkout")
        from esmviz.models.cache import ModelCache

        return ModelCache(device="cpu").backend("mini")
    return backends[request.param]


@pytest.fixture
def everything(backend):
    spec = backend.spec
    probes = [KeepHeads(1, (1, 0)), OverHeads(1, spec.n_layers), OverHeads(1, 1, "max"), Thumbnails(8)]
    probes += [Rollout(1, spec.n_layers), HeadStatistic("entropy"), HeadStatistic("end")]
    if "contacts" in spec.provides:
        probes.append(ContactHead())
    return Request(
        logits=True,
        layers=tuple(range(spec.n_layers + 1)),
        pooling="mean",
        keep_residues=True,
        probes=tuple(probes),
    )


def test_it_is_a_backend(backend):
    assert isinstance(backend, Backend)
    assert len(backend.revision) >= 40


def test_shapes(backend, everything):
    spec = backend.spec
    outputs = list(backend.run(RECORDS, everything))
    assert len(outputs) == len(RECORDS)
    for record, output in zip(RECORDS, outputs, strict=True):
        n = len(record)
        assert output.logits.shape == (n, 20)
        assert output.hidden_states.shape == (spec.n_layers + 1, n, spec.d_model)
        assert output.pooled.shape == (spec.n_layers + 1, spec.d_model)
        assert output.probes.keys() == {probe.key for probe in everything.probes}
        assert output.probes["heads-1-1-0"].shape == (2, n, n)
        assert output.probes[f"mean-1-{spec.n_layers}"].shape == (n, n)
        small = min(n, 8)
        assert output.probes["thumbnails-8"].shape == (spec.n_layers, spec.n_heads, small, small)
        assert output.probes[f"rollout-1-{spec.n_layers}"].shape == (n, n)
        assert output.probes["statistic-entropy"].shape == (spec.n_layers, spec.n_heads)
        assert output.precision == "float32"


def test_arrays_are_float32_finite_and_read_only(backend, everything):
    [output] = backend.run(RECORDS[:1], everything)
    for array in (output.logits, output.hidden_states, output.pooled, *output.probes.values()):
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert not array.flags.writeable


def test_attention_is_a_share_of_a_row(backend, everything):
    [output] = backend.run(RECORDS[:1], everything)
    attention = output.probes["heads-1-1-0"]
    assert (attention >= 0).all()
    assert (attention.sum(-1) <= 1 + 1e-5).all()


def test_rollout_is_a_share_of_a_row(backend):
    [output] = backend.run(RECORDS[:1], Request(probes=(Rollout(1, backend.spec.n_layers),)))
    [shares] = output.probes.values()
    assert (shares >= 0).all()
    assert (shares.sum(-1) < 1).all()
    assert (shares.diagonal() >= 0.5**backend.spec.n_layers).all()  # what only the residual brought


def test_contacts_are_symmetric_probabilities(backend):
    if "contacts" not in backend.spec.provides:
        with pytest.raises(OutputNotProvidedError):
            backend.run(RECORDS, Request(probes=(ContactHead(),)))
        return
    [output] = backend.run(RECORDS[:1], Request(probes=(ContactHead(),)))
    contacts = output.probes["contacts"]
    np.testing.assert_allclose(contacts, contacts.T, atol=1e-5)
    assert 0 <= contacts.min() <= contacts.max() <= 1


def test_company_changes_nothing(backend, everything):
    for record, output in zip(RECORDS, backend.run(RECORDS, everything), strict=True):
        [alone] = backend.run([record], everything)
        np.testing.assert_allclose(output.logits, alone.logits, atol=1e-4)
        np.testing.assert_allclose(output.hidden_states, alone.hidden_states, atol=1e-4)
        for key, value in output.probes.items():
            np.testing.assert_allclose(value, alone.probes[key], atol=1e-4)


def test_only_what_was_asked_for_is_given(backend):
    [output] = backend.run(RECORDS[:1], Request(layers=(-1,), pooling="mean"))
    assert output.logits is None
    assert output.hidden_states is None
    assert output.pooled.shape == (1, backend.spec.d_model)
    assert not output.probes


def test_negative_layers_count_from_the_last(backend):
    [output] = backend.run(RECORDS[:1], Request(layers=(-1, backend.spec.n_layers), keep_residues=True))
    np.testing.assert_array_equal(output.hidden_states[0], output.hidden_states[1])


def test_masked_positions_come_once_each(backend):
    record = RECORDS[0]
    wanted = [5, 0, 29]
    batches = list(backend.run_masked(record, wanted))
    assert [int(p) for positions, _ in batches for p in positions] == wanted
    for positions, logits in batches:
        assert logits.shape == (len(positions), 20)
        assert logits.dtype == np.float32
        assert not logits.flags.writeable


def test_the_masked_residue_is_hidden(backend):
    """Two proteins that differ in one residue alone look the same where it is masked."""
    a, b = ProteinRecord("a", "MKVLAWGH"), ProteinRecord("b", "MKVLCWGH")
    [(_, first)], [(_, second)] = backend.run_masked(a, [4]), backend.run_masked(b, [4])
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_no_records_give_no_outputs(backend):
    assert list(backend.run([], Request(logits=True))) == []
    assert list(backend.run_masked(RECORDS[0], [])) == []


@pytest.mark.parametrize(
    "request_",
    [
        Request(layers=(99,)),
        Request(probes=(KeepHeads(0, (0,)),)),
        Request(probes=(KeepHeads(1, (99,)),)),
        Request(probes=(OverHeads(2, 1),)),
        Request(probes=(Rollout(1, 99),)),
    ],
)
def test_what_the_model_does_not_have_is_refused_at_once(backend, request_):
    with pytest.raises(OutputNotProvidedError):
        backend.run(RECORDS, request_)


def test_vocabulary_order():
    order = "".join(VOCABULARY[4:24])
    assert order == "LAGVSERTIDPKQNFYMHWC"
    assert [order[token - 4] for token in AMINO_ACID_TOKENS] == list(AMINO_ACIDS)


def test_vocabulary_is_that_of_transformers():
    from transformers import EsmcTokenizer
    from transformers.models.esm.configuration_esm import get_default_vocab_list

    assert get_default_vocab_list() == VOCABULARY
    record = RECORDS[1]
    assert EsmcTokenizer()(record.sequence)["input_ids"] == tokens(record).tolist()


@pytest.mark.parametrize(
    ("sequence", "match"),
    [
        ("MKJ", "'J' at position 3"),
        ("mkv", "'m' at"),
        ("", "no res"),
        ("MéK", "position 2"),
        ("M-K", "position 2"),
    ],
)
def test_letters_no_model_knows_are_refused_with_their_position(sequence, match):
    with pytest.raises(InvalidSequenceError, match=match):
        tokens(ProteinRecord("p", sequence))
