"""Errors become sentences on the page, as plain text: a FASTA header is never rendered as markup."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from esmviz import logs
from esmviz.errors import EsmvizError
from esmviz.ui.monitoring import METRICS

log = logging.getLogger("esmviz")

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@^=/])")
# Streamlit links addresses after the escapes are gone; an invisible word joiner in them prevents it.
_ADDRESS = re.compile(r"www(?=\.)|https?(?=://)|@", re.IGNORECASE)


def plain(text: str) -> str:
    """Text that Streamlit's markdown shows letter by letter: no image, link, HTML, formula or directive."""
    unlinked = _ADDRESS.sub("\\g<0>\u2060", " ".join(text.split()))
    return _MARKUP.sub(r"\\\1", unlinked)


def show(error: EsmvizError) -> None:
    """Show an error of the house with its way out."""
    box = {"error": st.error, "warning": st.warning, "info": st.info}[error.severity]
    box(plain(str(error)))
    METRICS.count_error(type(error).__name__, where="page")


def show_unforeseen(error: Exception) -> bool:
    """Show an error that nobody caught: a reference number, or the sentence of one of the house."""
    if isinstance(error, EsmvizError):
        show(error)
        return True
    number = logs.unforeseen(log, error)
    METRICS.count_error("unforeseen", where="page")
    st.error(
        f"Something went wrong that esmviz did not foresee. Its reference in the log is {number}. "
        "Your proteins are still loaded; other pages work."
    )
    return True


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Translate errors for people. Anything unforeseen is logged without the visitor's data and shown as a number."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the one place where a page may fail without a traceback
        show_unforeseen(error)
