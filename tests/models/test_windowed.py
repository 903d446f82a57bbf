"""A backend that takes any length: against the whole where the model is blind to context, and window by window."""

from dataclasses import replace

import numpy as np
import pytest

from esmviz.errors import OutputNotProvidedError, SequenceTooLongError
from esmviz.models.base import read_only, resolve_layers, sites
from esmviz.models.fake import SPEC, FakeBackend
from esmviz.models.windowed import WindowedBackend, check_windows
from esmviz.models.windows import edge_weights, spread
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    HeadStatistic,
    KeepHeads,
    ModelOutput,
    OverHeads,
    Predictor,
    ProteinRecord,
    Request,
    Rollout,
    Thumbnails,
)
from tests.models.conftest import KINDS, protein

ALL = Request(
    logits=True,
    layers=(0, 2),
    keep_residues=True,
    pooling="mean",
    probes=(KeepHeads(2, (1, 0)), OverHeads(1, 2), OverHeads(1, 2, "max"), ContactHead()),
)


class Blind:
    """Sees each letter, or each pair of letters, and nothing around it."""

    def __init__(self, **spec):
        self.spec = replace(SPEC, **spec)
        self.revision, self.device = "0", "cpu"
        self.asked = []

    def run(self, records, request):
        self.asked.append([record.sequence for record in records])
        return (self._output(record.sequence, request) for record in records)

    def run_masked(self, sites, precision="float32"):
        for index, (record, position) in enumerate(sites):
            self.asked.append([record.sequence])
            masked = record.sequence[:position] + "X" + record.sequence[position + 1 :]
            self.last_piece = masked
            yield np.array([index]), self._logits(masked)[[position]]

    def _logits(self, sequence):
        return self._table("logits", sequence, 20)

    def _table(self, what, sequence, width):
        rng = np.random.default_rng(len(what))
        table = rng.standard_normal((128, width)).astype(np.float32)
        return table[[ord(letter) for letter in sequence]]

    def _map(self, what, sequence, *shape):
        a = self._table(what, sequence, int(np.prod(shape, dtype=int)))
        return np.abs(a[:, None] - a[None] * 0.5).transpose(2, 0, 1).reshape(*shape, len(a), len(a))

    def _output(self, sequence, request):
        layers = resolve_layers(request.layers, self.spec)
        states = [self._table("layer" * (layer + 1), sequence, 8) for layer in layers]
        how = {"mean": lambda x: x.mean(0), "max": lambda x: x.max(0), "bos": lambda x: x[0] * 0 + len(x)}
        keep = bool(layers) and (request.keep_residues or request.pooling is None)
        shapes = {KeepHeads: (2,), OverHeads: (), ContactHead: ()}
        return ModelOutput(
            logits=read_only(self._logits(sequence)) if request.logits else None,
            hidden_states=read_only(np.stack(states)) if keep else None,
            pooled=read_only(np.stack([how[request.pooling](x) for x in states]))
            if layers and request.pooling
            else None,
            probes={p.key: read_only(self._map(p.key, sequence, *shapes[type(p)])) for p in request.probes},
            precision="bfloat16",
            predictions=self._table("classes", sequence, 2) if request.predictions else None,
        )


def windowed(above, **spec):
    return WindowedBackend(Blind(**spec), above)


@pytest.mark.parametrize("length", range(1, 50))
def test_a_model_blind_to_context_gives_the_same_through_windows(length):
    record, size = protein(length), 11
    [whole] = windowed(1000).run([record], ALL)
    [parts] = windowed(1000, max_residues=size).run([record], ALL)
    assert whole.windows == ()
    assert parts.windows == (() if length <= size else spread(length, size))
    assert parts.precision == "bfloat16"
    np.testing.assert_allclose(parts.logits, whole.logits, atol=1e-6)
    np.testing.assert_allclose(parts.hidden_states, whole.hidden_states, atol=1e-6)
    np.testing.assert_allclose(parts.pooled, whole.pooled, atol=1e-6)
    together = np.zeros((length, length), dtype=bool)
    for start, stop in parts.windows or ((0, length),):
        together[start:stop, start:stop] = True
    for key, values in whole.probes.items():
        found = parts.probes[key]
        assert (found.shape, found.dtype) == (values.shape, np.float32)
        assert np.isnan(found[..., ~together]).all()
        np.testing.assert_allclose(found[..., together], values[..., together], atol=1e-6)
        assert not found.flags.writeable


@pytest.mark.parametrize("request_", [ALL, Request(logits=True), Request(layers=(1,), pooling="bos")])
def test_a_protein_in_one_piece_is_what_the_backend_gives(request_):
    record = protein(20)
    fake = FakeBackend()
    [plain] = fake.run([record], request_)
    [through] = WindowedBackend(fake, 20).run([record], request_)
    assert through.windows == ()
    for name in ("logits", "hidden_states", "pooled"):
        np.testing.assert_array_equal(getattr(through, name), getattr(plain, name))
    assert {k: v.tobytes() for k, v in through.probes.items()} == {
        k: v.tobytes() for k, v in plain.probes.items()
    }


@pytest.mark.parametrize("how", ["mean", "max"])
@pytest.mark.parametrize("keep", [False, True])
def test_pooling_runs_over_the_residues_of_the_whole_protein(how, keep):
    record = protein(40)
    request = Request(layers=(0, -1), pooling=how, keep_residues=keep)
    backend = WindowedBackend(FakeBackend(), 16)
    [pooled] = backend.run([record], request)
    [states] = backend.run([record], Request(layers=(0, -1)))
    expected = getattr(states.hidden_states, how)(axis=1)
    np.testing.assert_allclose(pooled.pooled, expected, atol=1e-6)
    assert (pooled.hidden_states is not None) == keep
    assert states.pooled is None


def test_the_start_token_of_a_long_protein_is_the_mean_over_its_windows():
    record, fake = protein(40), FakeBackend()
    request = Request(layers=(1,), pooling="bos")
    [found] = WindowedBackend(fake, 16).run([record], request)
    pieces = [ProteinRecord("x", record.sequence[a:b]) for a, b in found.windows]
    each = [output.pooled for output in fake.run(pieces, request)]
    np.testing.assert_allclose(found.pooled, np.mean(each, axis=0), atol=1e-6)
    assert found.hidden_states is None


def test_order_is_kept_and_neighbouring_windows_share_one_call():
    records = [protein(n, i) for i, n in enumerate((5, 30, 40, 7, 8, 50))]
    backend = windowed(11)
    outputs = list(backend.run(records, Request(logits=True)))
    assert [len(output.logits) for output in outputs] == [5, 30, 40, 7, 8, 50]
    assert [bool(output.windows) for output in outputs] == [False, True, True, False, False, True]
    n_windows = [len(output.windows) for output in outputs]
    assert [len(call) for call in backend.backend.asked] == [1, n_windows[1] + n_windows[2], 2, n_windows[5]]
    assert {len(sequence) for call in backend.backend.asked[1::2] for sequence in call} == {11}


def test_steps_tell_how_far_it_is():
    records = [protein(5), protein(30, 1), protein(40, 2), protein(6)]
    steps = list(windowed(11).steps(records, Request(logits=True)))
    for index, record in enumerate(records):
        own = [step for step in steps if step.index == index]
        assert sum(step.n_residues for step in own) == len(record)
        assert [step.output is not None for step in own] == [False] * (len(own) - 1) + [True]
    assert len(steps) > len(records)


@pytest.mark.parametrize("length", [11, 12, 30, 47])
def test_masked_residues_run_where_they_are_most_central(length):
    record = protein(length)
    seen = {}
    backend = windowed(11)
    for positions, logits in backend.run_masked(sites(record, range(length))):
        for position, row in zip(positions, logits, strict=True):
            assert position not in seen
            seen[int(position)] = row
        assert len(backend.backend.last_piece) == 11
    assert sorted(seen) == list(range(length))
    whole = dict(zip(range(length), windowed(1000).run_masked(sites(record, range(length))), strict=True))
    for position, row in seen.items():
        np.testing.assert_allclose(row, whole[position][1][0], atol=1e-6)


def test_some_masked_positions_in_any_order():
    record = protein(40)
    asked = [39, 3, 20, 21]
    found = dict(zip(asked, windowed(11).run_masked(sites(record, asked)), strict=True))
    whole = dict(zip(range(40), windowed(11).run_masked(sites(record)), strict=True))
    for position, (_, row) in found.items():
        np.testing.assert_array_equal(row, whole[position][1])


def test_what_cannot_be_put_together_is_refused_at_once():
    long = replace(SPEC, name="short", max_residues=10)
    backend = WindowedBackend(FakeBackend(long), 4096)
    request = Request(probes=(Thumbnails(),))
    with pytest.raises(
        SequenceTooLongError, match=r"11 residues, which short reads in windows: the picture of all heads"
    ):
        backend.run([protein(10), protein(11)], request)
    assert backend.backend.n_calls == 0
    [output] = backend.run([protein(10)], request)
    assert output.probes
    others = {"short": long, "fake": SPEC, "blind": replace(SPEC, provides=frozenset({"logits"}))}
    with pytest.raises(SequenceTooLongError, match=r"takes it in one piece: fake\.$"):
        check_windows(protein(11), spread(11, 10), request, long, others)
    with pytest.raises(SequenceTooLongError, match="ESMVIZ_WINDOW_ABOVE"):
        WindowedBackend(FakeBackend(), 10).run([protein(11)], request)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(probes=(KeepHeads(1, (0,)), HeadStatistic("entropy"))), "a statistic of heads"),
        (Request(probes=(Rollout(1, 2),)), "a rollout"),
        (Request(predictions=True), "a prediction for the whole protein"),
        (Request(structure=True), "a fold"),
    ],
)
def test_one_number_for_a_whole_protein_is_not_made_of_windows(request_, words):
    classes = Predictor("proteins", "single_label_classification", ("a", "b"))
    fake = FakeBackend(
        replace(SPEC, provides=SPEC.provides | {"predictions", "structure"}, predictor=classes)
    )
    with pytest.raises(SequenceTooLongError, match=words):
        WindowedBackend(fake, 10).run([protein(11)], request_)


def test_predictions_for_residues_come_together_like_logits():
    record = protein(30)
    classes = Predictor("residues", "single_label_classification", ("a", "b"))
    spec = {"provides": SPEC.provides | {"predictions"}, "predictor": classes}
    [whole] = windowed(1000, **spec).run([record], Request(predictions=True))
    [parts] = windowed(11, **spec).run([record], Request(predictions=True))
    assert parts.predictions.shape == (30, 2)
    np.testing.assert_allclose(parts.predictions, whole.predictions, atol=1e-6)


def test_what_the_model_does_not_give_is_refused_at_once():
    backend = windowed(10, provides=frozenset({"logits"}))
    with pytest.raises(OutputNotProvidedError):
        backend.run([protein(30)], Request(layers=(1,)))


def test_a_masked_letter_never_reaches_another_position():
    record = ProteinRecord("p", AMINO_ACIDS * 3)
    backend = windowed(16)
    for positions, _ in backend.run_masked(sites(record, range(60))):
        start = record.sequence.find(backend.backend.asked[-1][0])
        piece = backend.backend.last_piece
        assert piece.count("X") == 1
        assert AMINO_ACIDS[(start + piece.index("X")) % 20] == record.sequence[positions[0]]


@pytest.mark.parametrize("kind", KINDS)
def test_real_networks_give_each_window_as_if_it_were_alone(backends, kind):
    """Windows of several proteins packed into rows, against each window by itself and a loop over residues."""
    inner = backends[kind]
    records = [protein(100), protein(75, 1)]
    request = Request(logits=True, layers=(1, 3), pooling="mean", keep_residues=True)
    for record, found in zip(records, WindowedBackend(inner, 40).run(records, request), strict=True):
        size = min(40, inner.spec.max_residues or 40)
        assert found.windows == spread(len(record), size)
        alone = [
            next(inner.run([ProteinRecord("w", record.sequence[a:b])], request)) for a, b in found.windows
        ]
        for residue in range(len(record)):
            here = [k for k, (a, b) in enumerate(found.windows) if a <= residue < b]
            weights = np.array([edge_weights(found.windows)[k][residue - found.windows[k][0]] for k in here])
            rows = [alone[k].logits[residue - found.windows[k][0]] for k in here]
            expected = np.average(rows, axis=0, weights=weights)
            np.testing.assert_allclose(found.logits[residue], expected, atol=1e-4)
            states = [alone[k].hidden_states[:, residue - found.windows[k][0]] for k in here]
            expected = np.average(states, axis=0, weights=weights)
            np.testing.assert_allclose(found.hidden_states[:, residue], expected, atol=1e-4)
        np.testing.assert_allclose(found.pooled, found.hidden_states.mean(axis=1), atol=1e-5)
