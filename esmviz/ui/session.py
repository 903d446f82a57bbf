"""The visitor's choices: one value in the tab, mirrored into the address, never a sequence."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from esmviz import sequences
from esmviz.label_tables import LabelTable
from esmviz.measuring import Measurement
from esmviz.structures import Coordinates
from esmviz.types import Precision, ProteinRecord
from esmviz.ui import page_settings, visitor
from esmviz.ui.held import text_bytes
from esmviz.ui.resources import shelf, workbench

URL_NAMES = ("protein", "model", "layer", "head")
NO_PAGE = "none yet"
TAB = "tab"  # in the address too: a reload finds what this tab showed, beside another tab of the same browser


def _new_tab() -> str:
    return secrets.token_urlsafe(6)


@dataclass
class Session:
    """What one tab has loaded and picked. Widget keys are no storage: Streamlit drops them on a page change.

    It is kept for the tab of a browser that takes cookies: ``is_kept`` is False where it is too large for that.
    """

    proteins: sequences.SequenceSet
    source: str
    model: str
    protein: str
    layer: int | None = None  # None: the model's last
    head: int = 0
    precision: Precision = "float32"
    labels: LabelTable | None = None
    structure: Coordinates | None = None  # uploaded
    structure_text: tuple[str, str] | None = None  # its name and what the file said
    browser: str | None = None
    tab: str = field(default_factory=_new_tab)
    connection: str = ""  # of Streamlit; another one after a reload
    settings: dict[str, page_settings.Value] = field(default_factory=dict)  # of every page, by widget
    page: str = NO_PAGE  # that ran last in this connection
    is_kept: bool = False
    weighed: tuple[tuple[object, ...], int] = ((), 0)  # what was weighed last, and its bytes
    kind: str = "example"
    asked: dict[str, object] = field(default_factory=dict)  # what a button began, by slot
    cancelled: dict[str, object] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    downloading: str = ""  # a model
    to_measure: tuple[str, ...] = ()  # models, one after the other
    measured: list[tuple[str, Measurement]] = field(default_factory=list)  # with the name of the set
    trusted_hosts: set[str] = field(default_factory=set)  # servers to which the visitor lets sequences go
    has_picked: bool = False  # in a widget, since the last run

    @property
    def visitor(self) -> str:
        """Who wants a job: each tab for itself."""
        return f"{self.browser or ''}/{self.tab}"

    @property
    def records(self) -> tuple[ProteinRecord, ...]:
        return self.proteins.records

    def record(self, identifier: str) -> ProteinRecord | None:
        return next((record for record in self.records if record.id == identifier), None)

    def load(self, proteins: sequences.SequenceSet, source: str, kind: str) -> None:
        """Replace the set; the first protein is picked unless the one picked before is there too."""
        self.proteins, self.source, self.kind, self.labels = proteins, source, kind, None
        if proteins.records and self.record(self.protein) is None:
            self.protein = proteins.records[0].id
        self.cancelled.clear()
        self.to_measure = ()

    def clear(self, proteins: sequences.SequenceSet) -> None:
        """Begin anew, as a first visit does."""
        fresh = Session(proteins, "Example", workbench().settings.default_model, _first_choice(proteins))
        for name in vars(fresh).keys() - {"browser", "connection"}:
            setattr(self, name, getattr(fresh, name))

    def choose(self, **choices: object) -> None:
        """Set choices: from a click in a figure, a link, a button. Another model starts at its last layer."""
        if choices.get("model", self.model) != self.model:
            choices = {"layer": None, "head": 0, **choices}
        for name, value in choices.items():
            setattr(self, name, value)

    def pick(self, **choices: object) -> None:
        """``choose`` from the callback of a widget."""
        self.choose(**choices)
        self.has_picked = True

    def follow(
        self, name: str, shown: Any, store: Callable[[Any], Any] = lambda value: value
    ) -> dict[str, Any]:
        """Keyword arguments for a widget that shows a choice and stores what the visitor picks.

        The value is set at every run: one that is set only once is lost when a rerun cuts in before the browser
        has it, and the widget then shows its first option.
        """
        st.session_state[name] = shown

        def picked() -> None:
            self.pick(**{name: store(st.session_state[name])})

        return {"key": name, "on_change": picked}


def current(page: str | None = None) -> Session:
    """The session of this tab: kept from before a reload, else a new one that opens with the example.

    ``page`` is the name of the one whose frame asks: its controls go back to what they were set to, where another page
    was looked at meanwhile.
    """
    if "session" not in st.session_state:
        fresh = _returning() or _new()
        fresh.browser, fresh.connection, fresh.page = visitor.browser(), _connection(), NO_PAGE
        st.session_state["session"] = fresh
    session: Session = st.session_state["session"]
    page_settings.note(session.settings)
    if page is not None and session.page != page:
        session.page = page
        page_settings.put_back(session.settings, page)
    _adopt_url(session)
    _keep(session)
    beat(session)
    return session


def at_hand() -> Session:
    """``current``, for who comes later in the same run of a page: buttons and links need not look everything up anew."""
    session: Session | None = st.session_state.get("session")
    return current() if session is None else session


def beat(session: Session) -> None:
    """Tell the queue that the visitor is here, and stays here while the page is connected."""
    workbench().queue.heartbeat(session.visitor, partial(is_connected, session.connection))


def is_connected(connection: str) -> bool:
    """Whether a page is open: not one whose tab is gone, or is being loaded anew."""
    return runtime.exists() and runtime.get_instance().is_active_session(connection)


def _connection() -> str:
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def _new() -> Session:
    proteins = sequences.example()
    return Session(proteins, "Example", workbench().settings.default_model, _first_choice(proteins))


def _returning() -> Session | None:
    """What this browser had in this tab, or last; a copy where that is still open in another tab."""
    browser = visitor.browser()
    kept: Session | None = None if browser is None else shelf().find(browser, st.query_params.get(TAB))
    if kept is None:
        return None
    if is_connected(kept.connection):
        # Nothing that changes is shared, and that sequences may go to a host is said for one tab.
        fresh: dict[str, Any] = {"tab": _new_tab(), "cancelled": {}, "trusted_hosts": set()}
        copied = {name: copy(getattr(kept, name)) for name in ("asked", "settings", "written", "measured")}
        return replace(kept, **fresh, **copied)
    kept.has_picked = False
    return kept


def _keep(session: Session) -> None:
    if session.browser is not None:
        session.is_kept = shelf().put(session.browser, session.tab, session, _n_bytes(session))


def _n_bytes(session: Session) -> int:
    """About what a session takes, counted anew only where a part is another; the example's proteins are everybody's."""
    drawn = None if session.structure is None else session.structure.text
    own = () if session.kind == "example" and session.labels is None else session.proteins
    parts = (own, session.labels, session.structure_text, drawn)
    if len(session.weighed[0]) != len(parts) or any(
        one is not other for one, other in zip(session.weighed[0], parts, strict=True)
    ):
        structure = 5 * len(drawn or "")  # atoms as numbers, beside the text
        session.weighed = parts, structure + text_bytes(parts[:3])
    return session.weighed[1]


def _first_choice(proteins: sequences.SequenceSet) -> str:
    ids = [record.id for record in proteins.records]
    return "HBA_HUMAN" if "HBA_HUMAN" in ids else ids[0]


def _adopt_url(session: Session) -> None:
    """Take what the address says where it says something new: a link, a bookmark, the back button.

    Then all of it counts, since another model forgets layer and head. What the visitor has just picked in a widget
    is newer than an address that the browser may not have caught up with.
    """
    address = {name: st.query_params[name] for name in URL_NAMES if name in st.query_params}
    has_news = any(text != session.written.get(name) for name, text in address.items())
    if session.has_picked or not has_news:
        session.has_picked = False
        return
    for name, text in address.items():
        if name in ("protein", "model"):
            session.choose(**{name: text})
        elif text.isdecimal() and len(text) < 5:
            session.choose(**{name: int(text) - (name == "head")})
        session.written[name] = text


def write_url(session: Session) -> None:
    """Mirror the choices into the address."""
    values = {"protein": session.protein, "model": session.model}
    if session.layer is not None:
        values["layer"] = str(session.layer)
    if session.head:
        values["head"] = str(session.head + 1)
    if session.is_kept:
        values[TAB] = session.tab
    ours = (*URL_NAMES, TAB)
    if values != {name: st.query_params.get(name) for name in ours if name in st.query_params}:
        st.query_params.from_dict({**st.query_params.to_dict(), **values})
        for name in set(ours) - values.keys():
            st.query_params.pop(name, None)
    session.written = values
