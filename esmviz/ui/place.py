"""Where the app is on its server."""

from __future__ import annotations

import streamlit as st


def base() -> str:
    """Path under which it is served: ``""``, or as ``/esmviz``."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""
