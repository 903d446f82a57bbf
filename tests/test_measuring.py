"""Speed, memory and pseudo-perplexity of a model: what is counted, what is drawn, what is refused."""

import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.special import log_softmax

from esmviz import measuring
from esmviz.errors import CancelledError, InvalidSequenceError, ModelUnavailableError, OutputNotProvidedError
from esmviz.jobs import Context, Grant, Queue
from esmviz.measuring import comparison, drawn_positions, measure_steps, part_to_measure, subject
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.models.memory import weights_bytes
from esmviz.models.peak import Peak
from esmviz.models.windowed import WindowedBackend
from esmviz.settings import Settings
from esmviz.types import AMINO_ACIDS, ProteinRecord
from esmviz.workbench import Workbench

LONG = [
    ProteinRecord("x", "MKVLXWGHBZ" * 30),
    ProteinRecord("y", "ACDEFGHIKLMNPQRSTVWY" * 20),
    ProteinRecord("z", "XXXX"),
]


class Clock:
    """Seconds that pass only when somebody says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def measured(backend, records, context=None, between=lambda: None, **options):
    """The measurement, and what was done between its steps."""
    steps = measure_steps(WindowedBackend(backend, 4096), records, "float32", context or Context(), **options)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value
        between()


def test_the_same_positions_are_drawn_each_time_and_only_of_standard_residues():
    picked = drawn_positions(LONG)
    assert picked == drawn_positions(list(LONG))
    assert sum(map(len, picked)) == measuring.MOST_MASKED
    assert all(len(some) > 20 for some in picked[:2])
    assert picked[2] == []
    for record, some in zip(LONG, picked, strict=True):
        assert some == sorted(set(some))
        assert {record.sequence[position] for position in some} <= set(AMINO_ACIDS)


def test_of_a_short_set_every_standard_residue_is_drawn(records):
    expected = [
        [i for i, letter in enumerate(record.sequence) if letter in AMINO_ACIDS] for record in records
    ]
    assert drawn_positions(records) == expected


def test_with_all_positions_drawn_the_pseudo_perplexity_is_that_of_the_full_scan(workbench, fake, records):
    found = measured(fake, records)
    log_p = [
        log_softmax(workbench.masked_logits(record, "fake")[i].astype(np.float64))[AMINO_ACIDS.index(letter)]
        for record in records
        for i, letter in enumerate(record.sequence)
        if letter in AMINO_ACIDS
    ]
    assert found.n_masked == len(log_p)
    np.testing.assert_allclose(found.pseudo_perplexity, np.exp(-np.mean(log_p)), rtol=1e-5)


def test_only_the_steps_of_embedding_take_time(records):
    clock = Clock()

    def compute(record):
        clock.now += 2.0

    def others_turn():
        clock.now += 1000.0

    backend = FakeBackend(before_each=compute)
    found = measured(backend, records, between=others_turn, clock=clock)
    assert backend.n_records > len(records)  # warming up and masking took time, too
    assert found.seconds == 2.0 * len(records)
    assert found.n_residues == sum(map(len, records))
    assert found.residues_per_second == found.n_residues / found.seconds


def test_long_proteins_are_measured_window_by_window():
    clock = Clock()

    def compute(record):
        clock.now += 1.0

    backend = FakeBackend(replace(SPEC, max_residues=100), before_each=compute)
    plan = WindowedBackend(backend, 4096).windowing
    found = measured(backend, LONG[:2], clock=clock)
    assert found.seconds == sum(len(plan.windows(len(record))) for record in LONG[:2])
    assert found.n_residues == sum(map(len, LONG[:2]))
    assert found.n_masked == measuring.MOST_MASKED


def test_memory_is_the_weights_and_what_came_on_top(monkeypatch, records):
    class Grown:
        def __init__(self, device):
            self.bytes = 5_000 if device == "cpu" else None

    monkeypatch.setattr(measuring, "Peak", Grown)
    backend = FakeBackend(replace(SPEC, n_parameters=1_000_000))
    assert measured(backend, records).memory_bytes == 4_005_000


def test_a_copy_in_half_precision_stands_beside_the_weights_unless_it_is_all_there_is():
    spec = replace(SPEC, n_parameters=10)
    assert weights_bytes(spec, "float32") == 40
    assert weights_bytes(spec, "bfloat16") == 60
    assert weights_bytes(spec, "bfloat16", override="bfloat16") == 20


def test_memory_is_unknown_where_the_system_does_not_tell(monkeypatch, records, fake, tmp_path):
    monkeypatch.setattr(measuring, "Peak", partial(Peak, process=tmp_path / "no-such-place"))
    assert measured(fake, records).memory_bytes is None


def test_a_model_without_logits_has_no_pseudo_perplexity(records):
    backend = FakeBackend(replace(SPEC, provides=frozenset({"hidden_states"})))
    found = measured(backend, records)
    assert (found.pseudo_perplexity, found.n_masked) == (None, 0)


def test_a_set_without_a_standard_residue_has_none_either(fake):
    assert measured(fake, [ProteinRecord("x", "XXBZ")]).pseudo_perplexity is None


def test_cancel_stops_between_steps(fake, records):
    class Impatient(Context):
        n_looks = 0

        @property
        def cancelled(self):
            self.n_looks += 1
            return self.n_looks == 3  # the first is after warming up

    with pytest.raises(CancelledError):
        measured(fake, records, Impatient())
    assert fake.n_records == 1 + 2  # one to warm up


def test_the_last_visitor_out_stops_it(records):
    begun, go = threading.Event(), threading.Event()

    def wait(record):
        begun.set()
        go.wait(20)

    backend = FakeBackend(before_each=wait)
    bench = Workbench(Settings(default_model="fake", heartbeat_seconds=600), models=FakeModels(backend))
    job = bench.submit_measure(records, "fake", visitor="ann", slot="measure")
    assert begun.wait(20)
    bench.queue.release("ann", "measure")
    go.set()
    with pytest.raises(CancelledError):
        job.result()
    assert backend.n_records == 1


def test_what_is_billed_is_what_progress_counts_so_that_a_cancel_gives_back_no_more_than_was_left(records):
    begun, go, billed, back = threading.Event(), threading.Event(), [], []

    def pass_over(record):
        if backend.n_records == 1 + len(records):  # all is embedded; the first masked ones are next
            begun.set()
            go.wait(20)

    def admit(queue, visitor, n_residues):
        billed.append(n_residues)
        return Grant(give_back=back.append)

    backend = FakeBackend(before_each=pass_over)
    queue = Queue(600, admit=admit)
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(backend), queue=queue)
    job = bench.submit_measure(records, "fake", visitor="ann", slot="measure")
    assert begun.wait(20)
    bench.queue.release("ann", "measure")
    go.set()
    assert job.wait(20)
    queue.submit("fake", "behind it", lambda context: None).result()  # the lane has settled it then
    assert billed[0] == job.progress.total
    n_computed = min(map(len, records)) + sum(map(len, records)) + 4 * len(records[0])  # four in a batch
    assert billed[0] * (1 - back[0]) == pytest.approx(n_computed)


def test_progress_counts_residues_through_both_parts(fake, records):
    reports = []

    class Recorder(Context):
        def report(self, done, total, unit="residues", note="", partial=None):
            reports.append((done, total, unit, note.split()[0]))

    measured(fake, records, Recorder())
    n_warm, n_embedded = min(map(len, records)), min(map(len, records)) + sum(map(len, records))
    n_masked = sum(len(r) * sum(letter in AMINO_ACIDS for letter in r.sequence) for r in records)
    assert reports[0][:2] == (n_warm, n_embedded + n_masked)
    assert reports[len(records)] == (n_embedded, n_embedded + n_masked, "residues", "Embedding")
    assert reports[-1] == (n_embedded + n_masked, n_embedded + n_masked, "residues", "Masking")
    assert reports == sorted(reports)


def test_the_part_measured_is_bounded_and_never_empty():
    many = [ProteinRecord(str(i), "MKVLA" * 100) for i in range(100)]
    assert len(part_to_measure(many)) == measuring.MOST_RESIDUES // 500
    long = ProteinRecord("long", "M" * (measuring.MOST_RESIDUES + 1))
    assert part_to_measure([long, many[0]]) == (long,)


def test_a_subject_is_its_sequences():
    a, b = ProteinRecord("a", "MK"), ProteinRecord("b", "MKV")
    assert subject([a, b]) == subject([replace(a, id="renamed"), b])
    assert len({subject([a, b]), subject([b, a]), subject([a]), subject([ProteinRecord("c", "MKMKV")])}) == 4


def test_a_comparison_names_the_faster_first_and_no_ratio_where_there_is_none(records, fake):
    slow = replace(measured(fake, records), model="esm2-650m", n_residues=1000, seconds=29.0)
    fast = replace(slow, model="esmc-300m", seconds=10.0)
    sentence = "esmc-300m embeds 2.9 times as many residues a second as esm2-650m here."
    assert comparison(slow, fast) == comparison(fast, slow) == sentence
    even = replace(slow, model="esmc-300m", seconds=29.5)
    assert comparison(slow, even) == "esm2-650m and esmc-300m embed about as many residues a second here."
    assert "too short to compare" in comparison(slow, replace(slow, seconds=0.01))


def test_it_is_measured_anew_each_time(workbench, fake, records):
    first = workbench.measure(records, "fake")
    before = fake.n_calls
    again = workbench.measure(records, "fake")
    assert fake.n_calls == 2 * before
    assert again.pseudo_perplexity == first.pseudo_perplexity
    assert (first.model, first.precision, first.n_proteins) == ("fake", "float32", 3)


def test_one_precision_for_everything_is_that_of_the_measurement(records):
    bench = Workbench(Settings(default_model="fake", precision="bfloat16"), models=FakeModels())
    assert bench.measure(records, "fake").precision == "bfloat16"


@pytest.mark.parametrize(
    "change",
    [
        {"host": "far.test"},
        {"provides": frozenset({"structure"})},
        {"provides": frozenset({"logits"}), "members": ("a", "b")},
    ],
)
def test_what_does_not_embed_here_is_refused_with_those_that_do(records, change):
    other = FakeBackend(replace(SPEC, name="other", **change))
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(FakeBackend(), other))
    with pytest.raises(OutputNotProvidedError, match=r"other does not embed .* fake"):
        bench.submit_measure(records, "other")
    assert other.n_calls == 0


def test_no_protein_is_refused(workbench):
    with pytest.raises(InvalidSequenceError):
        workbench.submit_measure((), "fake")


def test_downloads_can_be_forbidden():
    models = FakeModels()
    bench = Workbench(Settings(default_model="fake", allow_downloads=False), models=models)
    with pytest.raises(ModelUnavailableError, match="ESMVIZ_ALLOW_DOWNLOADS"):
        bench.submit_download("fake")
    assert models.downloaded == []
