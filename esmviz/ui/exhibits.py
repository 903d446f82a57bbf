"""What each page showed a visitor last, as an ``Exhibit``: the doors of the pages note what they draw as they draw it.

Nothing is copied or written as text before somebody asks. What pages hold meanwhile is bounded in bytes for all visitors
together: who has walked away long ago opens the page again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import streamlit as st

from esmviz.exhibit import Exhibit, Facts, Piece
from esmviz.panels import Panel
from esmviz.panels.questions import answer
from esmviz.report.archive import n_left_out
from esmviz.results import Results
from esmviz.types import ModelSpec, ProteinRecord
from esmviz.ui import page_settings
from esmviz.ui.held import held_bytes, text_bytes
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session

BYTES_OF_A_PICTURE = 60_000  # plotly's objects around the arrays, measured


@dataclass
class Draft:
    """What the page has drawn so far in this run of its script."""

    page: str
    source: str
    spec: ModelSpec
    created: datetime
    choices: dict[str, Any]
    records: dict[str, ProteinRecord] = field(default_factory=dict)
    cautions: list[Facts] = field(default_factory=list)
    pieces: list[Callable[[], Piece]] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)
    n_pictures: int = 0

    @property
    def has_picture(self) -> bool:
        return self.n_pictures > 0

    @cached_property
    def leaves_out(self) -> bool:
        """Whether the table of one of its pictures is too large for the ZIP; for the finished draft."""
        return any(n_left_out(panel.columns(), panel.arrays) for panel in self.panels)

    def weighed(self) -> int:
        """About how many bytes it keeps in memory, once nothing is to come."""
        n_bytes = held_bytes(self.held) + text_bytes(self.records)
        self.held.clear()
        return n_bytes + BYTES_OF_A_PICTURE * self.n_pictures

    def frozen(self) -> Exhibit:
        """The finished value."""
        return answer(
            self.page,
            (*self.cautions, *(make() for make in self.pieces)),
            source=self.source,
            records=self.records.values(),
            spec=self.spec,
            settings=self.choices,
            created=self.created,
        )


_drawing: ContextVar[Draft | None] = ContextVar("drawing", default=None)


@st.cache_resource(show_spinner=False)
def _shelf() -> Results:
    # A quarter of the bound of results, since most of what drafts hold on to lies there anyway.
    shelf = Results(workbench().settings.cache_mb << 18)
    workbench().spare.caches.append(shelf)
    return shelf


@contextmanager
def drafting(page: str, session: Session, spec: ModelSpec) -> Iterator[Draft]:
    """Collect what the body of a page draws; a body that stops or fails leaves what the page showed before."""
    draft = Draft(page, session.source, spec, datetime.now(UTC), {})
    token = _drawing.set(draft)
    try:
        yield draft
    finally:
        _drawing.reset(token)
    draft.choices.update(_choices(session, spec, page))
    if draft.pieces:
        _shelf().put(f"{session.visitor} {page}", draft, draft.weighed())


def note(make: Callable[[], Piece], *held: Any, is_picture: bool = False) -> None:
    """Take up what a page draws; ``make`` is called when somebody wants it, ``held`` is what it holds on to.

    ``make`` must not lead to the page's own namespace, as a lambda written in the page does: all that the page computed
    would stay with it, uncounted.
    """
    if (draft := _drawing.get()) is not None:
        draft.n_pictures += is_picture
        draft.pieces.append(make)
        draft.held.extend(held)


def note_caution(caution: Facts) -> None:
    """Take up what a reader must know first; by itself it is nothing to keep."""
    if (draft := _drawing.get()) is not None:
        draft.cautions.append(caution)


def note_panel(shown: Panel, *held: Any) -> None:
    """Take up a figure with its files."""
    note(shown.picture, *held, shown.arrays, shown.columns, is_picture=True)
    if (draft := _drawing.get()) is not None:
        draft.panels.append(shown)


def note_records(*records: ProteinRecord) -> None:
    """Take up proteins that the page reads."""
    if (draft := _drawing.get()) is not None:
        draft.records |= {record.id: record for record in records}


def latest(session: Session, page: str) -> Exhibit | None:
    """What a page of this tab showed last, or None."""
    draft: Draft | None = _shelf().get(f"{session.visitor} {page}")
    return None if draft is None else draft.frozen()


def shown(session: Session, pages: Iterable[str]) -> tuple[Draft, ...]:
    """What pages of this tab showed last; nothing is written as text yet."""
    drafts = (_shelf().get(f"{session.visitor} {page}") for page in pages)
    return tuple(draft for draft in drafts if draft is not None)


def forget(session: Session) -> None:
    """Let go of what the pages of this tab showed."""
    _shelf().drop(f"{session.visitor} ")


def leave(session: Session) -> None:
    """Nobody comes back to this tab: nor does it compute any more."""
    workbench().queue.release(session.visitor)
    forget(session)


def _choices(session: Session, spec: ModelSpec, page: str) -> dict[str, Any]:
    """What the visitor chose, and what controls of the page are set to. No more: people type sequences and passwords."""
    names = ("protein", "layer", "head", "precision")
    own = {"model": spec.name, **{name: getattr(session, name) for name in names}}
    of_page = (key for key in map(str, list(st.session_state)) if page_settings.is_of(key, page))
    values = {key: st.session_state.get(key) for key in of_page}
    return own | {"widgets": {key: value for key, value in values.items() if page_settings.fits(key, value)}}
