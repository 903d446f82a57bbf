"""Files that are made when a visitor asks for one: what that takes of the processor counts against the visitor."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from esmviz.ui import session as sessions
from esmviz.ui.errors import plain
from esmviz.ui.resources import quotas


def download(
    label: str,
    make: Callable[[], bytes],
    file_name: str,
    mime: str,
    *,
    key: str,
    help: str | None = None,
    is_large: bool = False,
) -> None:
    """A button for a file. It rests while the visitor's time is used up, and says until when.

    Parameters
    ----------
    make : callable
        Called in a thread of its own, outside of any page.
    is_large : bool
        Whether the page is drawn anew after a click, so that the buttons know what is left.
    """
    meter = quotas().meter(sessions.current().visitor)
    refusal = meter.refusal()
    st.download_button(
        label,
        lambda: meter.charged(make),
        file_name,
        mime,
        key=key,
        on_click="rerun" if is_large else "ignore",
        disabled=bool(refusal),
        help=plain(refusal) if refusal else help,
    )
    if refusal and is_large:
        st.caption(plain(refusal))
