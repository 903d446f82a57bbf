"""The Workbench over the fake backend: what is computed, how often, and what is refused."""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import accumulate
from types import SimpleNamespace

import numpy as np
import pytest

from esmviz import embedding
from esmviz.errors import (
    CancelledError,
    EsmvizError,
    InvalidSequenceError,
    OutOfMemoryError,
    OutputNotProvidedError,
    SequenceTooLongError,
    UnknownModelError,
)
from esmviz.jobs import Context, Job
from esmviz.models import memory
from esmviz.models.fake import SPEC, FakeBackend, FakeModels
from esmviz.settings import Settings
from esmviz.types import (
    AMINO_ACIDS,
    ContactHead,
    EmbeddingSet,
    KeepHeads,
    OverHeads,
    Predictor,
    ProteinRecord,
    Request,
    Thumbnails,
)
from esmviz.workbench import Workbench

WAIT = 20
LOGITS = Request(logits=True)


def bench(*backends, **settings):
    return Workbench(Settings(default_model="fake", **settings), models=FakeModels(*backends))


def random_set(n, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((n, 8)).astype(np.float32)
    return EmbeddingSet(tuple(f"p{i}" for i in range(n)), vectors, "fake", "r", 2, "mean", "float32")


class Recorder(Context):
    """Keeps what is reported, and can call it a day."""

    def __init__(self, stop_after=10**9):
        super().__init__()
        self.reports = []
        self.partials = []
        self._stop_after = stop_after

    @property
    def cancelled(self):
        return len(self.reports) >= self._stop_after

    def report(self, done, total, unit="residues", note="", partial=None):
        self.reports.append((done, total, unit))
        self.partials.append(partial)
        super().report(done, total, unit, note, partial)


# One protein


def test_the_same_content_is_computed_once(workbench, fake, records):
    first = workbench.inspect(records[0], "fake", LOGITS)
    renamed = replace(records[0], id="another name", description="another header")
    assert workbench.inspect(renamed, "fake", LOGITS) is first
    assert workbench.submit_inspect(renamed, "fake", LOGITS, visitor="ann", slot="x").result() is first
    assert fake.n_calls == 1


def test_all_that_changes_the_answer_is_in_the_key(workbench, fake, records):
    for request in [
        LOGITS,
        Request(layers=(0,)),
        Request(layers=(1,)),
        replace(LOGITS, precision="bfloat16"),
    ]:
        workbench.inspect(records[0], "fake", request)
    workbench.inspect(records[1], "fake", LOGITS)
    assert fake.n_calls == 5


def test_a_layer_has_one_name(workbench, fake, records):
    last = workbench.inspect(records[0], "fake", Request(layers=(-1,)))
    assert workbench.inspect(records[0], "fake", Request(layers=(2,))) is last
    assert fake.n_calls == 1


def test_two_models_do_not_share_results(records):
    other = FakeBackend(replace(SPEC, name="other"))
    both = bench(FakeBackend(), other)
    a = both.inspect(records[0], "fake", LOGITS)
    b = both.inspect(records[0], "other", LOGITS)
    assert not np.allclose(a.logits, b.logits)


def test_results_leave_when_the_bound_is_reached(fake):
    small = bench(fake, cache_mb=1)
    proteins = [ProteinRecord(f"p{i}", "M" * 300 + "ACDEFGHIKL"[i]) for i in range(10)]
    request = Request(probes=(OverHeads(1, 2),))  # 0.36 MB each
    for protein in proteins:
        small.inspect(protein, "fake", request)
    assert 0 < small.results.n_bytes <= 1 << 20
    small.inspect(proteins[-1], "fake", request)
    assert fake.n_calls == 10
    small.inspect(proteins[0], "fake", request)
    assert fake.n_calls == 11


def test_a_cached_job_is_done_at_once(workbench, records):
    finish(workbench.submit_inspect(records[0], "fake", LOGITS, visitor="ann", slot="x"))
    again = workbench.submit_inspect(records[0], "fake", LOGITS, visitor="bob", slot="x")
    assert again.status == "done"


def finish(job: Job):
    assert job.wait(WAIT)
    return job.result()


def test_fifty_visitors_one_computation(records):
    entered, allowed = threading.Event(), threading.Event()

    def gate(record):
        entered.set()
        assert allowed.wait(WAIT)

    fake = FakeBackend(before_each=gate)
    shared = bench(fake)
    jobs = [
        shared.submit_inspect(replace(records[0], id=f"v{n}"), "fake", LOGITS, visitor=f"v{n}", slot="x")
        for n in range(50)
    ]
    assert entered.wait(WAIT)
    allowed.set()
    results = [finish(job) for job in jobs]
    assert all(result is results[0] for result in results)
    assert fake.n_calls == 1


def test_a_key_shows_no_sequence(workbench, records):
    job = workbench.submit_inspect(records[0], "fake", LOGITS)
    assert records[0].sequence not in str(job.key)
    finish(job)


def test_precision_of_the_settings_replaces_auto_only(records):
    half = bench(FakeBackend(), precision="bfloat16")
    [chunk] = half.embed(records, "fake")
    assert chunk.precision == "bfloat16"
    [chunk] = half.embed(records, "fake", precision="float32")
    assert chunk.precision == "float32"
    assert half.inspect(records[0], "fake", LOGITS).precision == "float32"


# What is refused


def test_unknown_model_lists_what_there_is(workbench, records):
    with pytest.raises(UnknownModelError, match="There are fake"):
        workbench.inspect(records[0], "nope", LOGITS)
    with pytest.raises(UnknownModelError):
        workbench.submit_embed(records, "nope")


SHORT = replace(SPEC, name="short", max_residues=10)


def test_beyond_the_limit_of_a_model_its_results_come_from_windows(records):
    long = bench(FakeBackend(SHORT))
    output = long.inspect(records[1], "short", Request(logits=True, probes=(ContactHead(),)))
    assert output.windows == ((0, 10), (3, 13))
    assert output.logits.shape == (13, 20)
    assert np.isfinite(output.logits).all()
    assert np.isnan(output.probes["contacts"][0, 12])
    assert long.masked_logits(records[1], "short").shape == (13, 20)
    [vectors] = long.embed(records, "short")
    assert vectors.windows == ((), output.windows, ())
    assert long.submit_embed(records, "short").result().windows == vectors.windows


def test_a_window_is_a_step_in_which_others_get_their_turn(records):
    long, told = bench(FakeBackend(SHORT)), Recorder()
    protein = ProteinRecord("long", "MKVLAWGHTE" * 4)
    output = long.inspect(protein, "short", LOGITS, context=told)
    *_, last = told.reports
    assert [total for _, total, _ in told.reports] == [40] * len(output.windows)
    assert last[0] == 40
    with pytest.raises(CancelledError):
        long.inspect(replace(protein, sequence="A" * 60), "short", LOGITS, context=Recorder(stop_after=2))
    told = Recorder()
    list(long.embed([protein, records[0], replace(protein, id="twin")], "short", context=told))
    assert [done for done, *_ in told.reports] == [8, *[8 + 2 * stop for _, stop in output.windows]]


def test_how_long_proteins_are_read_is_part_of_a_vectors_key(records, monkeypatch):
    keys = []
    monkeypatch.setattr(embedding.EmbeddingKey, "digest", lambda key: keys.append(key.windowing) or "k")
    for limits in ({}, {"window_above": 11}):
        list(bench(**limits).embed(records[:1], "fake"))
    list(bench(FakeBackend(SHORT)).embed(records[:1], "short"))
    assert keys == ["4096 above 4096", "11 above 11", "10 above 10"]


def test_a_setting_says_up_to_which_length_a_protein_runs_in_one_piece(records):
    assert bench(window_above=13).inspect(records[1], "fake", LOGITS).windows == ()
    assert len(bench(window_above=12).inspect(records[1], "fake", LOGITS).windows) == 2


def test_what_windows_cannot_give_names_the_models_that_can(records):
    short = FakeBackend(SHORT)
    both = bench(FakeBackend(), short)
    with pytest.raises(SequenceTooLongError, match=r"13 residues, which short reads in windows.*piece: fake"):
        both.submit_inspect(records[1], "short", Request(probes=(Thumbnails(),)))
    assert short.n_calls == 0


@pytest.mark.parametrize("probe", [KeepHeads(1, (0,)), OverHeads(1, 2), Thumbnails(), ContactHead()])
def test_maps_are_bounded_by_the_setting(records, probe):
    small = bench(FakeBackend(), max_map_residues=10)
    with pytest.raises(SequenceTooLongError, match=r"up to 10\..*ESMVIZ_MAX_MAP_RESIDUES"):
        small.inspect(records[1], "fake", Request(probes=(probe,)))
    assert small.inspect(records[1], "fake", LOGITS).logits.shape == (13, 20)


def test_missing_output_lists_models_that_have_it(records):
    poor = FakeBackend(replace(SPEC, name="poor", provides=frozenset({"logits"})))
    both = bench(FakeBackend(), poor)
    with pytest.raises(OutputNotProvidedError, match=r"poor does not give contacts.*fake"):
        both.inspect(records[0], "poor", Request(probes=(ContactHead(),)))


def test_a_failure_reaches_whoever_asked(records):
    broken = bench(FakeBackend(fail_on={"first": EsmvizError("the backend broke")}))
    job = broken.submit_inspect(records[0], "fake", LOGITS, visitor="ann", slot="x")
    with pytest.raises(EsmvizError, match="the backend broke"):
        finish(job)
    assert finish(broken.submit_inspect(records[1], "fake", LOGITS)).logits.shape == (13, 20)


# Masked marginals


def test_masked_logits_fill_in(workbench, fake, records):
    recorder = Recorder()
    logits = workbench.masked_logits(records[1], "fake", context=recorder)
    assert logits.shape == (13, 20)
    assert np.isfinite(logits).all()
    assert not logits.flags.writeable
    assert recorder.reports == [(n, 13, "positions") for n in (4, 8, 12, 13)]
    known = [int(np.isfinite(partial).all(1).sum()) for partial in recorder.partials]
    assert known == [4, 8, 12, 13]
    assert np.isnan(recorder.partials[0][4:]).all()
    np.testing.assert_array_equal(recorder.partials[1][:8], logits[:8])
    assert workbench.masked_logits(records[1], "fake") is logits
    assert fake.n_calls == 1
    one = workbench.inspect(records[1], "fake", LOGITS).logits
    assert not np.allclose(one, logits)


def test_masked_scan_stops_within_one_batch(records):
    entered, allowed = threading.Semaphore(0), threading.Semaphore(0)

    def gate(record):
        entered.release()
        assert allowed.acquire(timeout=WAIT)

    fake = FakeBackend(before_each=gate)
    shared = bench(fake)
    job = shared.submit_masked(records[1], "fake", visitor="ann", slot="x")
    assert entered.acquire(timeout=WAIT)
    allowed.release()
    assert entered.acquire(timeout=WAIT)
    assert job.partial.shape == (13, len(AMINO_ACIDS))
    shared.queue.release("ann")
    allowed.release()
    with pytest.raises(CancelledError):
        finish(job)
    assert fake.n_records == 2


# Sets


def test_embedding_is_in_order_and_each_sequence_once(workbench, fake, records):
    twin = replace(records[0], id="twin")
    [chunk] = workbench.embed([*records, twin], "fake")
    assert chunk.ids == ("first", "second", "third", "twin")
    assert (chunk.vectors.shape, chunk.vectors.dtype) == ((4, 8), np.float32)
    assert (chunk.layer, chunk.pooling, chunk.precision) == (2, "mean", "float32")
    assert chunk.revision == fake.revision
    np.testing.assert_array_equal(chunk.vectors[0], chunk.vectors[3])
    assert fake.n_records == 3
    alone = workbench.inspect(records[1], "fake", Request(layers=(2,), pooling="mean")).pooled[0]
    np.testing.assert_array_equal(chunk.vectors[1], alone)


def test_vectors_are_shared_between_sets_but_not_between_settings(workbench, fake, records):
    list(workbench.embed(records[:2], "fake"))
    list(workbench.embed(records, "fake"))
    assert fake.n_records == 3
    list(workbench.embed(records, "fake", pooling="max"))
    list(workbench.embed(records, "fake", layer=1))
    assert fake.n_records == 9


def test_embedding_streams_in_chunks(monkeypatch, workbench, fake):
    monkeypatch.setattr(embedding, "CHUNK", 2)
    read = []

    def source():
        for i, letter in enumerate("ACDEF"):
            read.append(i)
            yield ProteinRecord(f"p{i}", "M" + letter)

    chunks = workbench.embed(source(), "fake")
    assert next(chunks).ids == ("p0", "p1")
    assert read == [0, 1]
    assert fake.n_records == 2
    assert [chunk.ids for chunk in chunks] == [("p2", "p3"), ("p4",)]


def test_a_job_of_chunks_gives_one_set(monkeypatch, workbench, records):
    [whole] = workbench.embed(records, "fake")
    monkeypatch.setattr(embedding, "CHUNK", 2)
    job = workbench.submit_embed(records, "fake", visitor="ann", slot="x")
    result = finish(job)
    assert result.ids == whole.ids
    np.testing.assert_array_equal(result.vectors, whole.vectors)
    assert not result.vectors.flags.writeable
    assert workbench.submit_embed(records, "fake", visitor="ann", slot="x").result() is result


def test_a_stream_of_any_length_remembers_no_more_than_its_bound(monkeypatch, fake):
    monkeypatch.setattr("esmviz.library.STREAMED_BYTES", 10_000)
    monkeypatch.setattr(embedding, "CHUNK", 8)
    bench = Workbench(Settings(default_model="fake"), models=FakeModels(fake))
    source = (ProteinRecord(f"p{n}", "M" * (n + 1)) for n in range(100))
    assert sum(len(chunk.ids) for chunk in bench.embed(source, "fake")) == 100
    assert 0 < bench.streamed.n_bytes <= 10_000
    assert len(bench.results) == 0


def test_embedding_reports_residues(workbench, records):
    recorder = Recorder()
    twin = replace(records[0], id="twin")
    list(workbench.embed([*records, twin], "fake", context=recorder))
    lengths = [7, 16, 13]  # the shortest first, and two with one pass
    assert recorder.reports == [(done, 36, "residues") for done in accumulate(lengths)]
    list(workbench.embed([*records, ProteinRecord("new", "MMM")], "fake", context=recorder))
    assert recorder.reports[-1] == (31, 31, "residues")


def test_embedding_stops_and_keeps_what_it_had(workbench, fake, records):
    with pytest.raises(CancelledError):
        list(workbench.embed(records, "fake", context=Recorder(stop_after=1)))
    assert fake.n_records == 1
    list(workbench.embed(records, "fake"))
    assert fake.n_records == 3


def test_one_protein_does_not_wait_for_a_thousand(records):
    entered, allowed = threading.Semaphore(0), threading.Semaphore(0)

    def gate(record):
        if record.id.startswith("set"):
            entered.release()
            assert allowed.acquire(timeout=WAIT)

    fake = FakeBackend(before_each=gate)
    shared = bench(fake)
    many = tuple(ProteinRecord(f"set{n}", "M" * (n + 1)) for n in range(1000))
    shared.submit_embed(many, "fake", visitor="ann", slot="set")
    assert entered.acquire(timeout=WAIT)
    page = shared.submit_inspect(records[0], "fake", LOGITS, visitor="bob", slot="page")
    allowed.release()
    assert finish(page).logits.shape == (8, 20)
    assert fake.n_records <= 3
    shared.queue.release("ann")
    allowed.release()


def predicting(unit="proteins", **options):
    predictor = Predictor(unit, "single_label_classification", ("a", "b", "c"))
    provides = frozenset({"hidden_states", "attentions", "predictions"})
    return FakeBackend(replace(SPEC, name="own", provides=provides, predictor=predictor), **options)


def predict(workbench, records, model="own"):
    return workbench.submit_predict(records, model, "float32", visitor="v", slot="predict")


def test_predictions_of_a_set_are_raw_in_order_and_computed_once(records):
    backend = predicting()
    workbench = bench(FakeBackend(), backend)
    twice = (*records, replace(records[0], id="copy"))
    found = predict(workbench, twice).result()
    expected = list(predicting().run(twice, Request(predictions=True)))
    np.testing.assert_array_equal(found.vectors, [output.predictions for output in expected])
    assert found.ids == ("first", "second", "third", "copy")
    assert (found.model, found.layer, found.pooling, found.precision) == ("own", 2, "predictions", "float32")
    assert backend.n_records == len(records)
    assert predict(workbench, records[1:]).result().ids == ("second", "third")
    assert backend.n_records == len(records)


def test_predictions_are_not_taken_for_embeddings(records):
    workbench = bench(FakeBackend(), predicting())
    assert predict(workbench, records).result().vectors.shape == (3, 3)
    assert workbench.submit_embed(records, "own").result().vectors.shape == (3, 8)


def test_predictions_are_refused_at_once_where_there_are_none(workbench, records):
    with pytest.raises(OutputNotProvidedError, match="classifier or a regression of your own"):
        predict(workbench, records, "fake")
    both = bench(FakeBackend(), predicting())
    with pytest.raises(OutputNotProvidedError, match="Models that do: own"):
        predict(both, records, "fake")


def test_predictions_of_a_set_can_be_cancelled(records):
    started, gate = threading.Event(), threading.Event()

    def wait(record):
        started.set()
        gate.wait(WAIT)

    workbench = bench(FakeBackend(), predicting(before_each=wait))
    job = predict(workbench, records)
    assert started.wait(WAIT)
    workbench.queue.release("v", "predict")
    gate.set()
    with pytest.raises(CancelledError):
        job.result()


def test_nothing_to_embed_is_said(workbench):
    with pytest.raises(InvalidSequenceError, match="no protein"):
        workbench.submit_embed([], "fake")
    assert list(workbench.embed([], "fake")) == []


def test_many_proteins_in_one_stream(workbench, records):
    outputs = list(workbench.inspect_each(iter(records), "fake", LOGITS))
    assert [len(output.logits) for output in outputs] == [8, 13, 7]


# Maps


@pytest.mark.parametrize("n", [1, 2, 3])
def test_umap_of_very_few_is_pca_and_says_so(workbench, n):
    projection = workbench.project(random_set(n))
    assert projection.method == "pca"
    assert "UMAP needs at least 4 proteins" in projection.params["note"]
    assert projection.coords.shape == (n, 2)
    assert np.isfinite(projection.coords).all()


def test_pca_is_cached_and_says_what_it_explains(workbench):
    points = random_set(10)
    projection = workbench.project(points, method="pca")
    assert projection.ids == points.ids
    assert 0 < sum(projection.params["explained"]) < 1
    assert workbench.project(points, method="pca") is projection
    assert workbench.submit_project(points, method="pca", visitor="ann", slot="x").status == "done"
    assert workbench.project(random_set(10, seed=1), method="pca") is not projection


def test_clusters_are_read_only(workbench):
    points = random_set(12)
    clusters = workbench.cluster(points, method="kmeans", k=3)
    assert sorted(set(clusters)) == [0, 1, 2]
    assert not clusters.flags.writeable
    assert workbench.cluster(points, method="kmeans", k=3) is clusters
    assert workbench.cluster(points).shape == (12,)


def test_unknown_methods_are_a_programmers_mistake(workbench):
    with pytest.raises(ValueError, match="only umap and pca"):
        workbench.project(random_set(5), method="tsne")
    with pytest.raises(ValueError, match="only hdbscan, kmeans"):
        workbench.cluster(random_set(5), method="louvain")


UMAPS = """
import threading
import numpy as np
from esmviz.models.fake import FakeModels
from esmviz.settings import Settings
from esmviz.types import EmbeddingSet
from esmviz.workbench import Workbench

workbench = Workbench(Settings(default_model="fake"), models=FakeModels())
maps = {}

def draw(n):
    vectors = np.random.default_rng(n).standard_normal((8 + n, 8)).astype(np.float32)
    ids = tuple(map(str, range(len(vectors))))
    maps[n] = workbench.project(EmbeddingSet(ids, vectors, "fake", "r", 2, "mean", "float32"), seed=n)

workbench.warm_up()
threads = [threading.Thread(target=draw, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for n, projection in maps.items():
    assert projection.method == "umap", projection
    assert projection.coords.shape == (8 + n, 2)
    assert np.isfinite(projection.coords).all()
    assert projection.params["n_neighbors"] == 7 + n
    assert "instead of 15" in projection.params["note"]
    assert projection.params["seed"] == n
print("drawn", len(maps))
"""


def test_three_umaps_at_once_do_not_abort_the_process():
    done = subprocess.run(
        [sys.executable, "-c", UMAPS],
        env={**os.environ, "NUMBA_THREADING_LAYER": "workqueue", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "drawn 3"), done.stderr[-2000:]


# The rest


def test_provenance_knows_the_revision_once_loaded(workbench, fake, records):
    assert workbench.provenance("fake").revision == ""
    workbench.inspect(records[0], "fake", LOGITS)
    provenance = workbench.provenance("fake", layer=2, head=0)
    assert (provenance.revision, provenance.layer, provenance.head) == (fake.revision, 2, 0)


def test_download_is_a_job(workbench):
    job = workbench.submit_download("fake", visitor="ann", slot="download")
    finish(job)
    assert workbench.models.downloaded == ["fake"]
    assert job.progress.unit == "bytes"
    with pytest.raises(UnknownModelError):
        workbench.submit_download("nope")


def test_limits_come_from_the_settings():
    limits = bench(FakeBackend(), max_upload_mb=3, max_records=7).limits
    assert (limits.file_bytes, limits.records) == (3 << 20, 7)


def test_a_fold_is_computed_once_tells_how_far_it_is_and_comes_from_the_cache(esmfold_folder):
    folding = Workbench(
        Settings(models_dir=esmfold_folder.parent, device="cpu", offline=True, heartbeat_seconds=600)
    )
    record, request = ProteinRecord("peptide", "MKVLAWGHMKVL"), Request(structure=True)
    job = folding.submit_inspect(record, "esmfold-tiny", request, visitor="v", slot="fold")
    structure = job.result().structure
    progress = job.progress
    assert (progress.done, progress.total, progress.unit) == (7, 7, "blocks")
    assert structure.plddt.shape == (12,)
    again = folding.submit_inspect(
        replace(record, id="another name"), "esmfold-tiny", request, visitor="v", slot="fold"
    )
    assert again.wait(0)
    assert again.result().structure is structure


def test_memory_that_a_fold_itself_took_does_not_refuse_it(esmfold_folder, monkeypatch):
    folding = Workbench(Settings(models_dir=esmfold_folder.parent, device="cpu", offline=True))
    asked = ProteinRecord("peptide", "MKVLAWGHMKVL"), "esmfold-tiny", Request(structure=True)
    job = folding.submit_inspect(*asked, visitor="v", slot="fold")
    full = replace(folding.status("esmfold-tiny"), free_bytes=1000)
    monkeypatch.setattr(folding, "status", lambda model: full)
    assert folding.submit_inspect(*asked, visitor="v", slot="fold") is job  # a page asks at each of its runs
    structure = job.result().structure
    assert folding.submit_inspect(*asked, visitor="v", slot="fold").result().structure is structure
    with pytest.raises(OutOfMemoryError):
        folding.submit_inspect(ProteinRecord("other", "MKVLAWGHMKVLA"), *asked[1:])


def test_a_fold_that_would_not_fit_is_refused_before_the_model_is_loaded(esmfold_folder, monkeypatch):
    folding = Workbench(Settings(models_dir=esmfold_folder.parent, device="cpu", offline=True))
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 20)
    long = ProteinRecord("long", "M" * 4000)
    with pytest.raises(OutOfMemoryError, match="4000 residues; folding it with esmfold-tiny needs"):
        folding.submit_inspect(long, "esmfold-tiny", Request(structure=True))
    assert not folding.status("esmfold-tiny").loaded


@pytest.mark.parametrize(("device", "expected"), [("cpu", ["warm"]), ("cuda", [])])
def test_what_a_processor_computes_with_is_warm_before_anybody_asks(device, expected, monkeypatch):
    from esmviz.models import half_attention

    found, done = [], threading.Event()
    monkeypatch.setattr(half_attention, "warm_up", lambda: found.append("warm"))
    monkeypatch.setattr("esmviz.warming.threading.Timer", lambda *_: SimpleNamespace(start=done.set))
    models = FakeModels()
    models.device = device
    Workbench(Settings(default_model="fake"), models=models).warm_up()
    assert done.wait(20)
    assert found == expected
