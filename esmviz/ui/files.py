"""Files that are made when a visitor asks for one: what that takes of the processor counts against the visitor."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TypeVar

import streamlit as st

from esmviz.errors import QuotaError
from esmviz.ui import session as sessions
from esmviz.ui.errors import plain
from esmviz.ui.resources import quotas

T = TypeVar("T")


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
    """A button for a file, at rest where the visitor's time is used up when it is drawn.

    Streamlit draws the page anew before it asks for the file, if at all, so that the page does not know yet what the file
    takes: one that is asked for when the time is used up says so itself, see ``refused``.

    Parameters
    ----------
    make : callable
        Called in a thread of its own, outside of any page.
    is_large : bool
        Whether a click draws the page anew, so that the buttons rest that had the time when they were drawn.
    """
    meter = quotas().meter(sessions.at_hand().visitor)
    refusal = meter.refusal()

    def made() -> bytes:
        try:
            return meter.charged(make)
        except QuotaError as error:
            return refused(str(error), file_name)

    st.download_button(
        label,
        made,
        file_name,
        mime,
        key=key,
        on_click="rerun" if is_large else "ignore",
        disabled=bool(refusal),
        help=plain(refusal) if refusal else help,
    )
    if refusal and is_large:
        st.caption(plain(refusal))


def read(session: sessions.Session, make: Callable[[], T]) -> T:
    """What ``make`` finds in a file of the visitor, who pays for a large one.

    Raises
    ------
    QuotaError
        The visitor's time is used up; and what ``make`` raises.
    """
    return quotas().meter(session.visitor).read(make)


def refused(reason: str, file_name: str) -> bytes:
    """What a visitor gets instead of a file: the reason, in one that opens. Its name was settled with the button.

    >>> refused("Come back in 5 minutes.", "methods.txt")
    b'This file was not made. Come back in 5 minutes.\\n'
    """
    text = f"This file was not made. {reason}\n"
    match Path(file_name).suffix:
        case ".html":
            text = (
                f'<!doctype html>\n<meta charset="utf-8">\n<title>Not made</title>\n<p>{escape(text)}</p>\n'
            )
        case ".zip" | ".npz":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                archive.writestr("NOT-MADE.txt", text)
            return buffer.getvalue()
    return text.encode()
