"""Errors become sentences on the page, as plain text: a FASTA header is never rendered as markup."""

from __future__ import annotations

import logging
import re
import secrets
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from esmviz.errors import EsmvizError

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


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Translate errors for people. Anything unforeseen is logged without the visitor's data and shown as a number."""
    try:
        yield
    except EsmvizError as error:
        show(error)
    except Exception as error:  # noqa: BLE001 - the one place where a page may fail without a traceback
        number = secrets.token_hex(4)
        # The message of a foreign exception can quote a sequence, so only its type and place are logged.
        frames = "".join(traceback.format_tb(error.__traceback__))
        log.error("reference %s: %s\n%s", number, type(error).__name__, frames)
        st.error(
            f"Something went wrong that esmviz did not foresee. Its reference in the log is {number}. "
            "Your proteins are still loaded; other pages work."
        )
