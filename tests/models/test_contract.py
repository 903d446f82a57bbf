"""What every backend promises, whatever its family."""

import numpy as np
import pytest

from esmviz.errors import InvalidSequenceError, OutputNotProvidedError
from esmviz.models.base import AMINO_ACID_TOKENS, VOCABULARY, Backend, sites, tokens
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
LOGITS = Request(logits=True)


HOSTED = ("biolm-esm", "biolm-esmc", "biohub-esmc", "biohub-esm3")
KINDS = ("esm2", "esm1b", "esm1v", "esmc", "esm3", "ensemble", "fake", "mini", *HOSTED)


@pytest.fixture(params=KINDS, scope="module")
def backend(request, backends, together, hosted):
    if request.param in HOSTED:
        return hosted(*request.param.split("-"))[0]
    if request.param == "fake":
        from esmviz.models.fake import FakeBackend

        return FakeBackend()
    if request.param == "mini":
        if not (MINI_FOLDER / "model.safetensors").is_file():
            pytest.skip("the embedded model is not in this checkout")
        from esmviz.models.cache import ModelCache

        return ModelCache(device="cpu").backend("mini")
    if request.param == "ensemble":
        return together
    if request.param == "esm3":
        return request.getfixturevalue("esm3_backend")
    return backends[request.param]


@pytest.fixture
def everything(backend):
    """All that the backend provides, in one request."""
    spec = backend.spec
    layers, probes = (), []
    if "hidden_states" in spec.provides:
        layers = tuple(spec.layers)
    if "attentions" in spec.provides:
        probes = [KeepHeads(1, (1, 0)), OverHeads(1, spec.n_layers), OverHeads(1, 1, "max"), Thumbnails(8)]
        probes += [Rollout(1, spec.n_layers), HeadStatistic("entropy"), HeadStatistic("end")]
    if "contacts" in spec.provides:
        probes.append(ContactHead())
    pooling = "mean" if layers else None
    return Request(logits=True, layers=layers, pooling=pooling, keep_residues=True, probes=tuple(probes))


def arrays_of(output):
    found = {"logits": output.logits, "hidden_states": output.hidden_states, "pooled": output.pooled}
    return {name: array for name, array in {**found, **output.probes}.items() if array is not None}


def test_it_is_a_backend(backend):
    assert isinstance(backend, Backend)
    assert len(backend.revision) >= 40 or (backend.spec.host and backend.spec.host in backend.revision)


def test_shapes(backend, everything):
    spec = backend.spec
    outputs = list(backend.run(RECORDS, everything))
    assert len(outputs) == len(RECORDS)
    for record, output in zip(RECORDS, outputs, strict=True):
        n, small = len(record), min(len(record), 8)
        shapes = {"logits": (n, 20)}
        if "hidden_states" in spec.provides:
            shapes["hidden_states"] = (len(spec.layers), n, spec.d_model)
            shapes["pooled"] = (len(spec.layers), spec.d_model)
        if "attentions" in spec.provides:
            shapes["heads-1-1-0"] = (2, n, n)
            shapes[f"mean-1-{spec.n_layers}"] = shapes["max-1-1"] = (n, n)
            shapes["thumbnails-8"] = (spec.n_layers, spec.n_heads, small, small)
            shapes[f"rollout-1-{spec.n_layers}"] = (n, n)
            shapes["statistic-entropy"] = shapes["statistic-end"] = (spec.n_layers, spec.n_heads)
        if "contacts" in spec.provides:
            shapes["contacts"] = (n, n)
        assert {name: array.shape for name, array in arrays_of(output).items()} == shapes
        assert output.precision == ("hosted precision" if spec.host else "float32")


def test_arrays_are_float32_finite_and_read_only(backend, everything):
    [output] = backend.run(RECORDS[:1], everything)
    for array in arrays_of(output).values():
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        assert not array.flags.writeable


def test_attention_is_a_share_of_a_row(backend):
    request = Request(probes=(KeepHeads(1, (1, 0)),))
    if is_refused(backend, "attentions", request):
        return
    [output] = backend.run(RECORDS[:1], request)
    attention = output.probes["heads-1-1-0"]
    assert (attention >= 0).all()
    assert (attention.sum(-1) <= 1 + 1e-5).all()


def test_rollout_is_a_share_of_a_row(backend):
    request = Request(probes=(Rollout(1, backend.spec.n_layers),))
    if is_refused(backend, "attentions", request):
        return
    [output] = backend.run(RECORDS[:1], request)
    [shares] = output.probes.values()
    assert (shares >= 0).all()
    assert (shares.sum(-1) < 1).all()
    assert (shares.diagonal() >= 0.5**backend.spec.n_layers).all()  # what only the residual brought


def is_refused(backend, output, request):
    """What a backend does not provide is refused at once; True where that was seen."""
    if output in backend.spec.provides:
        return False
    with pytest.raises(OutputNotProvidedError, match=output.replace("_", " ")):
        backend.run(RECORDS, request)
    return True


def test_contacts_are_symmetric_probabilities(backend):
    request = Request(probes=(ContactHead(),))
    if is_refused(backend, "contacts", request):
        return
    [output] = backend.run(RECORDS[:1], request)
    contacts = output.probes["contacts"]
    np.testing.assert_allclose(contacts, contacts.T, atol=1e-5)
    assert 0 <= contacts.min() <= contacts.max() <= 1


def test_company_changes_nothing(backend, everything):
    for record, output in zip(RECORDS, backend.run(RECORDS, everything), strict=True):
        [alone] = backend.run([record], everything)
        assert arrays_of(output).keys() == arrays_of(alone).keys()
        for name, value in arrays_of(output).items():
            np.testing.assert_allclose(value, arrays_of(alone)[name], rtol=0, atol=1e-4)


def test_only_what_was_asked_for_is_given(backend):
    [output] = backend.run(RECORDS[:1], Request(logits=True))
    assert arrays_of(output).keys() == {"logits"}
    request = Request(layers=tuple(backend.spec.layers[-1:]), pooling="mean")
    if is_refused(backend, "hidden_states", request):
        return
    [output] = backend.run(RECORDS[:1], request)
    assert arrays_of(output).keys() == {"pooled"}
    assert output.pooled.shape == (1, backend.spec.d_model)


def test_negative_layers_count_from_the_last(backend):
    last = backend.spec.layers[-1]
    request = Request(layers=(last - backend.spec.n_layers - 1, last), keep_residues=True)
    if is_refused(backend, "hidden_states", request):
        return
    [output] = backend.run(RECORDS[:1], request)
    np.testing.assert_array_equal(output.hidden_states[0], output.hidden_states[1])


def test_masked_positions_come_once_each(backend):
    record = RECORDS[0]
    wanted = [5, 0, 29]
    batches = list(backend.run_masked(sites(record, wanted)))
    assert [int(index) for some, _ in batches for index in some] == [0, 1, 2]
    for some, logits in batches:
        assert logits.shape == (len(some), 20)
        assert logits.dtype == np.float32
        assert not logits.flags.writeable


def test_positions_of_several_proteins_are_as_of_one(backend):
    """They may share rows; what one protein's masks do to token dropout is no business of the next."""
    wanted = [site for record in RECORDS for site in sites(record, {0, len(record) - 1})]
    together = np.concatenate([rows for _, rows in backend.run_masked(wanted)])
    alone = [next(rows for some, rows in backend.run_masked([site]) if len(some)) for site in wanted]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-4)
    with pytest.raises(ValueError, match="no residue with index"):
        list(backend.run_masked([(RECORDS[0], len(RECORDS[0]))]))


def masked(backend, sequence, position):
    """Logits (20,) of one residue when it is masked."""
    batches = backend.run_masked(sites(ProteinRecord("p", sequence), [position]))
    [row] = np.concatenate([rows for _, rows in batches])
    return row


@pytest.mark.parametrize("letter", AMINO_ACIDS + AMBIGUOUS)
def test_the_masked_residue_is_hidden_and_no_letter_shifts_it(backend, letter):
    """Two proteins that differ in one residue alone look the same where it is masked, in a run of any letter."""
    run, other = 3 * letter, "C" if letter == "M" else "M"
    first, second = run + letter + run, run + other + run
    np.testing.assert_allclose(masked(backend, first, 3), masked(backend, second, 3), atol=1e-5)
    seen = [output.logits for output in backend.run([ProteinRecord("p", s) for s in (first, second)], LOGITS)]
    assert [logits.shape for logits in seen] == [(7, 20), (7, 20)]
    assert np.abs(seen[0][3] - seen[1][3]).max() > 1e-3


def test_no_records_give_no_outputs(backend):
    assert list(backend.run([], Request(logits=True))) == []
    assert list(backend.run_masked(sites(RECORDS[0], []))) == []


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


def test_vocabulary_is_that_of_transformers(tmp_path):
    from transformers import EsmcTokenizer, EsmTokenizer
    from transformers.models.esm.configuration_esm import get_default_vocab_list

    assert get_default_vocab_list() == VOCABULARY
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    record = RECORDS[1]
    for tokenizer in (EsmcTokenizer(), EsmTokenizer(str(tmp_path / "vocab.txt"))):
        assert tokenizer(record.sequence)["input_ids"] == tokens(record).tolist()


@pytest.mark.parametrize("letter", AMINO_ACIDS + AMBIGUOUS)
def test_a_run_of_any_letter_keeps_its_length(letter):
    """transformers' own tokenizer folds a run of letters that it does not know into one token."""
    ids = tokens(ProteinRecord("p", "MK" + 5 * letter + "W"))
    assert ids.tolist() == [0, 20, 15, *5 * [VOCABULARY.index(letter)], 22, 2]


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
