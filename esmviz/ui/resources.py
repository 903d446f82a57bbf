"""What all visitors share: one Workbench in the process."""

from __future__ import annotations

import streamlit as st

from esmviz.jobs import Queue
from esmviz.settings import Settings
from esmviz.ui import monitoring
from esmviz.workbench import Workbench


@st.cache_resource(show_spinner=False)
def _shared() -> Workbench:
    settings = Settings.from_env()
    queue = Queue(settings.heartbeat_seconds, watch=monitoring.job_over)
    bench = Workbench(settings, queue=queue)
    monitoring.METRICS.read = lambda: monitoring.reading(bench)
    return bench


def workbench() -> Workbench:
    """The one Workbench, with the settings of the environment."""
    return _shared()
