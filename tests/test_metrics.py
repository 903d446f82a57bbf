"""The numbers of a server: what they count, and that a label cannot grow without bound."""

from prometheus_client.parser import text_string_to_metric_families

from esmviz.metrics import MOST_NAMES, OTHER, Metrics, Reading


def samples(metrics):
    """Every sample by its name and labels, as a monitor reads them."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(metrics.text())
        for sample in family.samples
    }


def test_a_job_is_counted_with_its_model_outcome_times_and_residues():
    metrics = Metrics()
    metrics.count_job("mini", "done", waited=0.2, ran=3, n_residues=146)
    metrics.count_job("mini", "failed", waited=0, ran=0.01, n_residues=0, error="OutOfMemoryError")
    found = samples(metrics)
    assert found["esmviz_jobs_total", "done", "mini"] == 1
    assert found["esmviz_jobs_total", "failed", "mini"] == 1
    assert found["esmviz_residues_total", "mini"] == 146
    assert found["esmviz_job_wait_seconds_sum", "mini"] == 0.2
    assert found["esmviz_job_run_seconds_count", "mini"] == 2
    assert found["esmviz_errors_total", "OutOfMemoryError", "job"] == 1


def test_a_page_is_timed_though_its_script_is_stopped():
    metrics = Metrics()
    try:
        with metrics.timing_page("logits"):
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert samples(metrics)["esmviz_page_seconds_count", "logits"] == 1


def test_a_reading_is_taken_anew_each_time():
    metrics, readings = (
        Metrics(),
        iter(
            [
                Reading(visitors=1),
                Reading(2, {("mini", "waiting"): 5}, cache_bytes=7, cache_hits=8, cache_misses=9),
            ]
        ),
    )
    metrics.read = lambda: next(readings)
    assert samples(metrics)["esmviz_visitors",] == 1
    found = samples(metrics)
    assert found["esmviz_visitors",] == 2
    assert found["esmviz_queue", "mini", "waiting"] == 5
    assert found["esmviz_cache_bytes",] == 7
    assert found["esmviz_cache_hits_total",] == 8
    assert found["esmviz_cache_misses_total",] == 9


def test_memory_of_the_process_is_among_them():
    assert samples(Metrics())["process_resident_memory_bytes",] > 10e6


def test_labels_are_bounded():
    metrics = Metrics()
    for number in range(MOST_NAMES + 50):
        metrics.count_job(f"model {number}", "done", waited=0, ran=0, n_residues=1)
    found = {key[1:]: value for key, value in samples(metrics).items() if key[0] == "esmviz_jobs_total"}
    assert len(found) == MOST_NAMES + 1
    assert found["done", OTHER] == 50
