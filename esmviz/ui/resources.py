"""What all visitors share: one Workbench in the process."""

from __future__ import annotations

import streamlit as st

from esmviz.settings import Settings
from esmviz.workbench import Workbench


@st.cache_resource(show_spinner=False)
def _shared() -> Workbench:
    return Workbench(Settings.from_env())


def workbench() -> Workbench:
    """The one Workbench, with the settings of the environment."""
    return _shared()
