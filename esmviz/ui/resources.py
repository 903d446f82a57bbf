"""What all visitors share: one Workbench in the process, and one shelf for what each of them left."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import streamlit as st

from esmviz.jobs import Queue
from esmviz.settings import Settings
from esmviz.ui import monitoring
from esmviz.ui.quotas import Quotas
from esmviz.ui.shelf import Shelf
from esmviz.workbench import Workbench

TIDY_SECONDS = 300.0


@st.cache_resource(show_spinner=False)
def _quotas() -> Quotas:
    return Quotas(Settings.from_env())


def quotas() -> Quotas:
    """What the visitors of this process have asked for lately."""
    return _quotas()


@st.cache_resource(show_spinner=False)
def _shared() -> Workbench:
    settings = Settings.from_env()
    queue = Queue(settings.heartbeat_seconds, watch=monitoring.job_over, admit=quotas().admit)
    bench = Workbench(settings, queue=queue)
    monitoring.METRICS.read = lambda: monitoring.reading(bench)
    return bench


def workbench() -> Workbench:
    """The one Workbench, with the settings of the environment."""
    return _shared()


@st.cache_resource(show_spinner=False)
def _shelf() -> Shelf[Any]:
    s = workbench().settings
    shelf: Shelf[Any] = Shelf(
        n_bytes=s.session_mb << 20,
        n_browsers=s.session_visitors,
        seconds=s.session_hours * 3600,
        gone=_gone,
    )
    threading.Thread(target=_look_after, args=(weakref.ref(shelf),), name="shelf", daemon=True).start()
    return shelf


def _gone(session: Any) -> None:
    """What was shown in a tab goes with what was kept of it, unless it is open: then it may be shown again."""
    from esmviz.ui import exhibits  # which asks for the workbench here
    from esmviz.ui.session import is_connected

    if not is_connected(session.connection):
        exhibits.leave(session)


def _look_after(shelf: weakref.ref[Shelf[Any]]) -> None:
    """On a quiet server, too, nothing is kept for longer than was said."""
    while (kept := shelf()) is not None:
        kept.tidy()
        del kept
        time.sleep(TIDY_SECONDS)


def shelf() -> Shelf[Any]:
    """The sessions of visitors who may come back."""
    return _shelf()
