"""The fake backend keeps what the protocol promises, since every other test leans on it."""

import numpy as np
import pytest

from esmviz.errors import OutputNotProvidedError, SequenceTooLongError, UnknownModelError
from esmviz.models.base import Backend, sites
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.types import ContactHead, KeepHeads, OverHeads, ProteinRecord, Request, Rollout, Thumbnails

ALL = Request(
    logits=True,
    layers=(0, 1, -1),
    pooling="mean",
    keep_residues=True,
    probes=(KeepHeads(1, (1, 0)), OverHeads(1, 2), OverHeads(1, 2, "max"), Thumbnails(4), ContactHead()),
)


def one(record, request, backend=None):
    [output] = (backend or FakeBackend()).run([record], request)
    return output


def test_is_a_backend():
    assert isinstance(FakeBackend(), Backend)


def test_shapes_and_ranges(records):
    for record in records:
        n = len(record)
        output = one(record, ALL)
        assert output.logits.shape == (n, 20)
        assert output.hidden_states.shape == (3, n, 8)
        assert output.pooled.shape == (3, 8)
        shapes = {key: value.shape for key, value in output.probes.items()}
        assert shapes == {
            "heads-1-1-0": (2, n, n),
            "mean-1-2": (n, n),
            "max-1-2": (n, n),
            "thumbnails-4": (2, 2, 4, 4),
            "contacts": (n, n),
        }
        rows = output.probes["heads-1-1-0"].sum(-1)
        assert (rows > 0).all()
        assert (rows < 1).all()
        contacts = output.probes["contacts"]
        np.testing.assert_array_equal(contacts, contacts.T)
        assert 0 <= contacts.min() <= contacts.max() <= 1


def test_arrays_are_float32_and_read_only(records):
    output = one(records[0], ALL)
    for array in [output.logits, output.hidden_states, output.pooled, *output.probes.values()]:
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_same_protein_same_numbers_whoever_stands_beside_it(records):
    backend = FakeBackend()
    together = list(backend.run(records, ALL))
    alone = [one(record, ALL) for record in records]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a.logits, b.logits)
        np.testing.assert_array_equal(a.hidden_states, b.hidden_states)
    assert (backend.n_calls, backend.n_records) == (1, 3)


def test_different_residues_differ():
    output = one(ProteinRecord("p", "ACDEFGHIKLMNPQRSTVWY"), ALL)
    assert len(np.unique(output.logits.round(4), axis=0)) == 20
    assert len(np.unique(output.hidden_states[1].round(4), axis=0)) == 20
    other = one(ProteinRecord("p", "ACDEFGHIKLMNPQRSTVWW"), ALL)
    assert not np.allclose(output.pooled[1], other.pooled[1])


def test_pooling_is_that_of_the_residues(records):
    whole = one(records[1], Request(layers=(1,)))
    assert whole.pooled is None
    np.testing.assert_allclose(
        one(records[1], Request(layers=(1,), pooling="mean")).pooled[0],
        whole.hidden_states[0].mean(0),
        rtol=1e-6,
    )
    biggest = one(records[1], Request(layers=(1,), pooling="max"))
    np.testing.assert_array_equal(biggest.pooled[0], whole.hidden_states[0].max(0))
    assert biggest.hidden_states is None


def test_probes_agree_with_the_heads(records):
    request = Request(
        probes=(
            KeepHeads(1, (0, 1)),
            KeepHeads(2, (0, 1)),
            OverHeads(1, 2),
            OverHeads(2, 2, "max"),
            Thumbnails(3),
            Rollout(1, 1),
        )
    )
    probes = one(records[0], request).probes
    first, second = probes["heads-1-0-1"], probes["heads-2-0-1"]
    np.testing.assert_allclose(probes["mean-1-2"], np.concatenate([first, second]).mean(0), rtol=1e-6)
    np.testing.assert_array_equal(probes["max-2-2"], second.max(0))
    np.testing.assert_allclose(probes["thumbnails-3"][1, 0, 0, 0], second[0, :2, :2].mean(), rtol=1e-5)
    np.testing.assert_allclose(probes["rollout-1-1"], (first.mean(0) + np.eye(8)) / 2, rtol=1e-5)
    np.testing.assert_allclose(probes["thumbnails-3"][0, 1, 2, 1], first[1, 5:8, 2:5].mean(), rtol=1e-5)


def test_masked_scan_covers_each_position_once_and_never_sees_its_letter():
    record, changed = ProteinRecord("p", "MKVLAWGH"), ProteinRecord("p", "MKVLCWGH")
    seen, values = zip(*FakeBackend().run_masked(sites(record, range(8)), "float32"), strict=True)
    assert np.concatenate(seen).tolist() == list(range(8))
    at_four = np.concatenate(values)[4]
    [(_, same)] = FakeBackend().run_masked(sites(changed, [4]), "float32")
    np.testing.assert_array_equal(at_four, same[0])


def test_refuses_what_it_does_not_give():
    from dataclasses import replace

    short = FakeBackend(replace(SPEC, max_residues=5))
    with pytest.raises(SequenceTooLongError, match="8 residues; fake takes at most 5"):
        short.run([ProteinRecord("p", "MKVLAWGH")], Request(logits=True))
    with pytest.raises(OutputNotProvidedError, match="no layer 3"):
        FakeBackend().run([ProteinRecord("p", "MK")], Request(layers=(3,)))


def test_hooks(records):
    seen = []
    backend = FakeBackend(fail_on={"second": MemoryError("full")}, before_each=lambda r: seen.append(r.id))
    outputs = backend.run(records, Request(logits=True))
    next(outputs)
    with pytest.raises(MemoryError, match="full"):
        next(outputs)
    assert seen == ["first", "second"]


def test_models_list_what_there_is():
    with pytest.raises(UnknownModelError, match="There are fake"):
        FakeModels().backend("other")
