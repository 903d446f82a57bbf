"""Numbers for whoever runs a server, in the words of Prometheus: never an id, a sequence or an address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

MOST_NAMES = 100  # of a label; later ones become OTHER, so that nobody fills the monitor's memory
OTHER = "other"
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300)


@dataclass(frozen=True)
class Reading:
    """What can be looked up at any moment. ``jobs`` maps a model and a status to how many there are."""

    visitors: int = 0
    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)
    cache_bytes: int = 0
    cache_hits: int = 0
    cache_misses: int = 0


class Metrics:
    """Counts events as they happen, and takes a reading when it is asked for its numbers.

    Examples
    --------
    >>> metrics = Metrics()
    >>> metrics.read = lambda: Reading(visitors=3)
    >>> metrics.count_error("SequenceTooLongError", where="page")
    >>> [line for line in metrics.text().splitlines() if line.startswith("esmviz_visitors")]
    ['esmviz_visitors 3.0']
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

        self.read: Callable[[], Reading] = Reading
        self.checks: Callable[[], Mapping[str, str]] = dict  # each by name, "ok" where it went well
        self._registry: CollectorRegistry = CollectorRegistry()
        self._names: dict[str, set[str]] = {}
        registry = self._registry
        self._jobs = Counter(
            "esmviz_jobs",
            "Computations that are over, by how they ended",
            ["model", "outcome"],
            registry=registry,
        )
        self._residues = Counter("esmviz_residues", "Residues computed", ["model"], registry=registry)
        self._waits = Histogram(
            "esmviz_job_wait_seconds",
            "From being asked for to beginning",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self._runs = Histogram(
            "esmviz_job_run_seconds",
            "From beginning to the end",
            ["model"],
            buckets=SECONDS,
            registry=registry,
        )
        self._pages = Histogram(
            "esmviz_page_seconds", "Run of a page's script", ["page"], buckets=SECONDS, registry=registry
        )
        self._errors = Counter("esmviz_errors", "Errors, by class", ["error", "where"], registry=registry)
        ProcessCollector(registry=self._registry)
        self._registry.register(_Readings(self))

    def count_job(
        self, model: str, outcome: str, *, waited: float, ran: float, n_residues: int, error: str = ""
    ) -> None:
        """A computation is over; ``error`` is the class of what it failed with."""
        model = self._bounded("model", model)
        self._jobs.labels(model, outcome).inc()
        self._waits.labels(model).observe(waited)
        self._runs.labels(model).observe(ran)
        self._residues.labels(model).inc(n_residues)
        if error:
            self.count_error(error, where="job")

    def count_error(self, error: str, *, where: str) -> None:
        """An error of that class, in a ``job`` or shown on a ``page``."""
        self._errors.labels(self._bounded("error", error), where).inc()

    @contextmanager
    def timing_page(self, page: str) -> Iterator[None]:
        """The time that the ``with`` takes is a page's."""
        start = perf_counter()
        try:
            yield
        finally:
            self._pages.labels(self._bounded("page", page)).observe(perf_counter() - start)

    def text(self) -> str:
        """All numbers, in the text format of Prometheus."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry).decode()

    def _bounded(self, label: str, name: str) -> str:
        names = self._names.setdefault(label, set())
        if name not in names and len(names) >= MOST_NAMES:
            return OTHER
        names.add(name)
        return name


class _Readings:
    """Asks for a reading whenever the numbers are collected."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        return ()  # no reading before somebody asks

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        now = self._metrics.read()
        yield GaugeMetricFamily("esmviz_visitors", "Open pages", value=now.visitors)
        checks = GaugeMetricFamily("esmviz_check", "1 where a check of /readyz goes well", labels=["check"])
        for name, found in self._metrics.checks().items():
            checks.add_metric([name], found == "ok")
        yield checks
        jobs = GaugeMetricFamily(
            "esmviz_queue", "Computations that wait, run or are kept", labels=["model", "status"]
        )
        for (model, status), count in sorted(now.jobs.items()):
            jobs.add_metric([self._metrics._bounded("model", model), status], count)
        yield jobs
        yield GaugeMetricFamily("esmviz_cache_bytes", "Results in memory", value=now.cache_bytes)
        yield CounterMetricFamily("esmviz_cache_hits", "Results found in memory", value=now.cache_hits)
        yield CounterMetricFamily("esmviz_cache_misses", "Results not found", value=now.cache_misses)
