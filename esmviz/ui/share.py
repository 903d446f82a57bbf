"""*Share* on a page: what it shows is frozen, and a link to it is handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from esmviz.panels.questions import QUESTIONS
from esmviz.sharing import NOTE_LETTERS, TITLE_LETTERS
from esmviz.ui import visitor
from esmviz.ui.errors import plain, reporting_errors
from esmviz.ui.exhibits import Draft
from esmviz.ui.place import base
from esmviz.ui.resources import quotas, workbench

if TYPE_CHECKING:
    from esmviz.sharing import Handed

WARNING = (
    "Whoever has the link sees this page's figures, tables and data, with the sequences of what it shows ({}), until it "
    "expires or you revoke it. A copy is kept on this server. The rest of your set stays with you."
)


def offer(draft: Draft) -> None:
    """The button, on a page that has drawn a picture."""
    if draft.has_picture and st.button("Share", key="share", help="Freeze this page and get a link to it."):
        _dialog(draft)


@st.dialog("Share this page")
def _dialog(draft: Draft) -> None:
    with reporting_errors():
        slot = st.empty()
        with slot.container():
            handed = _asked(draft)
        if handed is not None:
            slot.empty()
            _hand_out(handed)


def _asked(draft: Draft) -> Handed | None:
    """Draw the form; a snapshot once it is filled in."""
    sharing, n = workbench().sharing, len(draft.records)
    with st.form("share_form", border=False):
        title = st.text_input(
            "Title", max_chars=TITLE_LETTERS, placeholder=QUESTIONS[draft.page], key="share_title"
        )
        note = st.text_area("Note", max_chars=NOTE_LETTERS, key="share_note", height=100)
        days = st.selectbox(
            "Keep it for",
            sharing.days,
            index=min(2, len(sharing.days) - 1),
            format_func=days_in_words,
            key="share_days",
        )
        st.caption(plain(WARNING.format(f"{n} protein" + "s" * (n != 1))))
        if not st.form_submit_button("Make a link", type="primary", key="make_link"):
            return None
    with st.spinner("Freezing the page"):
        return sharing.share(
            draft.frozen(),
            title=title,
            note=note,
            days=days,
            browser=visitor.browser(),
            admit=quotas().admit_snapshot,
        )


def _hand_out(handed: Handed) -> None:
    st.markdown("**The link**")
    st.code(link(handed.token), language=None, wrap_lines=True)
    st.markdown("**The owner key**")
    st.code(handed.key, language=None)
    st.caption(
        "Keep the key: from any computer it revokes the link or lets it live longer. It is shown only now. In this browser "
        "the page Snapshots does the same without it."
    )


def link(token: str) -> str:
    """The address that opens a snapshot."""
    parts = urlsplit(st.context.url or "")
    origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return f"{origin}{base()}/snapshots?s={token}"


def days_in_words(days: int) -> str:
    """A life for people to choose.

    >>> [days_in_words(days) for days in (7, 30, 365, 3650, 500)]
    ['7 days', '30 days', '1 year', '10 years', '500 days']
    """
    years, rest = divmod(days, 365)
    return f"{days} days" if rest or not years else f"{years} year" + "s" * (years != 1)
