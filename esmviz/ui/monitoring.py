"""For whoever runs the server: is it alive, is it ready, what is it doing; and its log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import streamlit.config
import streamlit.logger
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime import Runtime
from streamlit.runtime.stats import ACTIVE_SESSIONS_FAMILY

from esmviz import logs
from esmviz.addresses import contains, networks
from esmviz.jobs import Job
from esmviz.metrics import Metrics, Reading
from esmviz.settings import Settings
from esmviz.ui.place import base
from esmviz.workbench import Workbench

METRICS = Metrics()
NEEDED = ("model",)  # without the rest a visitor can work: another server would not serve them better
CHECK_SECONDS = 5.0  # from the end of a check to the next
OLD_SECONDS = 15.0  # a check that has not ended for so long has failed
FIRST_SECONDS = 1.0  # how long the first who asks waits for each check
PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
log = logging.getLogger("esmviz.jobs")


def job_over(model: str, job: Job) -> None:
    """Count a computation that is over, and note it where the log has a line for each."""
    progress = job.progress
    facts: dict[str, Any] = {
        "waited": round(job.waited, 3),
        "ran": round(progress.seconds, 3),
        "n_residues": progress.done if progress.unit == "residues" else 0,
        "error": job.error_name,
    }
    METRICS.count_job(model, job.status, **facts)
    log.info("job", extra={"fields": {"model": model, "outcome": job.status, **facts}})


def reading(bench: Workbench) -> Reading:
    """How much there is of everything now."""
    return Reading(
        visitors=_visitors(),
        jobs=bench.queue.counts(),
        cache_bytes=bench.results.n_bytes,
        cache_hits=bench.results.n_hits,
        cache_misses=bench.results.n_misses,
    )


def _visitors() -> int:
    if not Runtime.exists():
        return 0
    stats = Runtime.instance().stats_mgr.get_stats([ACTIVE_SESSIONS_FAMILY])
    return int(sum(stat.value for stat in stats[ACTIVE_SESSIONS_FAMILY]))  # type: ignore[attr-defined]


class Readiness:
    """Whether a visitor who comes now would be served: each check by name, ``ok`` or ``failed``.

    From the first question on each is made again and again in a thread of its own, and whoever asks is told what was
    found last: a store that hangs keeps neither them nor the other checks waiting.
    """

    def __init__(
        self, checks: dict[str, Callable[[], bool]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._checks, self._clock = checks, clock
        self._lock, self._over = threading.Lock(), threading.Event()
        self._known = {name: threading.Event() for name in checks}
        self._found = dict.fromkeys(checks, ("failed", float("-inf")))  # and when
        self._threads: dict[str, threading.Thread] = {}

    def __call__(self) -> dict[str, str]:
        if self._begin():
            for known in self._known.values():
                known.wait(FIRST_SECONDS)
        oldest = self._clock() - OLD_SECONDS
        return {name: found if at >= oldest else "failed" for name, (found, at) in self._found.items()}

    def end(self) -> None:
        """Check no more."""
        self._over.set()

    def _begin(self) -> bool:
        """Start what does not run yet; whether there was any."""
        with self._lock:
            new = {name: check for name, check in self._checks.items() if name not in self._threads}
            for name, check in new.items():
                thread = threading.Thread(target=self._watch, args=(name, check), daemon=True)
                thread.start()
                self._threads[name] = thread
        return bool(new)

    def _watch(self, name: str, check: Callable[[], bool]) -> None:
        while not self._over.is_set():
            self._found[name] = _told(name, check), self._clock()
            self._known[name].set()
            self._over.wait(CHECK_SECONDS)


def _told(name: str, check: Callable[[], bool]) -> str:
    try:
        return "ok" if check() else "failed"
    except Exception as error:  # noqa: BLE001 - it has failed, and is made again; its text may hold a path
        logging.getLogger("esmviz").warning("not ready: %s: %s", name, type(error).__name__)
        return "failed"


def model_can_run(bench: Workbench) -> bool:
    """Whether the model that a first visit opens with is loaded, or is here and would fit."""
    status = bench.status(bench.settings.default_model)
    return status.loaded or (status.present and status.fits)


def can_share(bench: Workbench) -> bool:
    """Whether a page could be shared now."""
    bench.sharing.snapshots.check()
    return True


def _bench() -> Workbench:
    from esmviz.ui.resources import workbench

    return workbench()


READY = Readiness({"model": lambda: model_can_run(_bench()), "snapshots": lambda: can_share(_bench())})


def routes(ready: Readiness = READY) -> list[Route]:
    """``/healthz``, ``/readyz`` and ``/metrics``."""
    METRICS.checks = ready

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        found = ready()
        is_ready = all(found[name] == "ok" for name in NEEDED)
        is_degraded = is_ready and set(found.values()) != {"ok"}
        return JSONResponse({"ready": is_ready, "degraded": is_degraded, **found}, 200 if is_ready else 503)

    def metrics(request: Request) -> Response:
        if not may_read(request, _bench().settings):
            return PlainTextResponse("Not Found", 404)
        return PlainTextResponse(METRICS.text(), media_type="text/plain; version=0.0.4")

    paths = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    return [Route(base() + path, endpoint) for path, endpoint in paths.items()]


def may_read(request: Request, settings: Settings) -> bool:
    """Whether the numbers are for whoever asks.

    Through a proxy on this machine everybody comes from loopback, so a request that says it was passed on does not.
    """
    if settings.metrics == "loopback" and any(name in request.headers for name in PROXIED):
        return False
    host = request.client.host if request.client else ""
    return contains(networks(settings.metrics, "ESMVIZ_METRICS"), host)


class NoFrameworkMetrics:
    """ASGI middleware that closes Streamlit's own numbers, which are open to all and walk every model in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith("/_stcore/metrics"):
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def open_log() -> None:
    """Everything that this process logs goes through one handler, Streamlit's and the server's lines too."""
    # Where rich is installed, Streamlit prints an exception past every logger, message and all.
    streamlit.config.set_option("logger.enableRich", False)
    handler = logs.configure(Settings.from_env().log_format)  # type: ignore[arg-type]  # Settings has checked it

    def adopt(logger: logging.Logger) -> None:
        logger.handlers = [handler]

    streamlit.logger.setup_formatter = adopt  # for the loggers to come: each would make a handler of its own
    for name, logger in list(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and name.split(".")[0] in (
            "streamlit",
            "uvicorn",
            "websockets",
        ):
            logger.handlers = [handler] if logger.handlers else []
