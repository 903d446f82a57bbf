"""The page of snapshots: one as it was, from its link; or the list of those that this browser shared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import streamlit as st

from esmviz import export
from esmviz.exhibit import Exhibit
from esmviz.labels import short_revision
from esmviz.panels.tables import Columns, shown
from esmviz.report.archive import ARRAYS_ALONE, archive_bytes, n_left_out
from esmviz.sequences import RecordReport, SequenceSet
from esmviz.ui import files, page_settings, showcase, visitor
from esmviz.ui import session as sessions
from esmviz.ui.errors import plain, reporting_errors
from esmviz.ui.frame import PAGES
from esmviz.ui.resources import workbench
from esmviz.ui.share import days_in_words

if TYPE_CHECKING:
    from esmviz.sharing import Snapshot

PICKED = "snapshot"  # in the session state: the one of the list that is looked at


def draw() -> None:
    """The whole page."""
    if done := st.session_state.pop("snapshot_done", ""):
        st.success(done)
    token, picked = st.query_params.get("s"), st.session_state.get(PICKED)
    if token is not None or picked is not None:
        st.button("All my snapshots", on_click=_leave, key="all_snapshots", type="tertiary")
    if token is not None:
        _show(*workbench().sharing.open(token))
    elif picked is not None:
        _show(picked, workbench().sharing.content(picked))
    else:
        _list_mine()


def _leave() -> None:
    """Back to the list: Streamlit's own link to the page would keep the address."""
    st.query_params.pop("s", None)
    st.session_state.pop(PICKED, None)


def _show(snapshot: Snapshot, exhibit: Exhibit) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="question"):
        st.title(plain(snapshot.title), anchor=False)
        wants_on = st.button("Continue from here", type="primary", key="continue", help=_tip(exhibit))
    if wants_on:
        _continue(snapshot, exhibit)
    if snapshot.title != exhibit.title:
        st.markdown(plain(exhibit.title))
    st.caption(plain(" · ".join(_made(snapshot, exhibit))))
    for line in filter(None, snapshot.note.splitlines()):
        st.markdown(plain(line))
    showcase.draw(exhibit)
    with st.expander("How it was made, and from what"):
        _sources(snapshot, exhibit)
    with st.expander("Revoke it or let it live longer, with the owner key"):
        key = st.text_input("Owner key", type="password", key="owner_key", autocomplete="off")
        _take_back(snapshot, {"key": key.strip()}, is_ready=bool(key.strip()))


def _made(snapshot: Snapshot, exhibit: Exhibit) -> list[str]:
    """When, by what and until when: a snapshot explains itself years later."""
    model = exhibit.model
    revisions = {p.provenance.revision for p in exhibit.pictures if p.provenance is not None}
    page = next((page.title for page in PAGES if page.file == exhibit.page), exhibit.page)
    return [
        f"Snapshot of {page}, {exhibit.created[:16].replace('T', ' ')} UTC",
        f"model {model.get('title') or model.get('name')}",
        *(f"revision {short_revision(revision)}" for revision in sorted(revisions)),
        f"esmviz {exhibit.versions.get('esmviz')}",
        f"until {_day(snapshot.expires)}",
        "nothing is computed here",
    ]


def _tip(exhibit: Exhibit) -> str:
    n = len(exhibit.records)
    return f"Takes {n} protein{'s' * (n != 1)}, model and settings into your session, in place of your set."


def _continue(snapshot: Snapshot, exhibit: Exhibit) -> None:
    """What was shared becomes what the visitor works with, on the page that it came from."""
    session, records, given = sessions.current(), exhibit.records, exhibit.settings
    reports = [RecordReport(n, 0, r.id, len(r), "accepted") for n, r in enumerate(records, start=1)]
    session.load(SequenceSet(records, tuple(reports)), f"Snapshot {snapshot.title}", "snapshot")
    session.pick(model=given["model"])
    session.pick(**{name: given[name] for name in ("protein", "layer", "head", "precision")})
    widgets = {key: tuple(v) if isinstance(v, list) else v for key, v in given["widgets"].items()}
    fitting = {key: value for key, value in widgets.items() if page_settings.fits(key, value)}
    kept = {key: value for key, value in fitting.items() if page_settings.is_of(key, exhibit.page)}
    session.settings |= kept
    page_settings.put_back(kept, exhibit.page)
    st.session_state.pop(PICKED, None)
    page = next((page for page in PAGES if page.file == exhibit.page), PAGES[0])
    st.switch_page(page.as_streamlit())


def _sources(snapshot: Snapshot, exhibit: Exhibit) -> None:
    st.markdown(f"**Proteins**, from {plain(exhibit.source)}")
    records: Columns = {
        "id": [r.id for r in exhibit.records],
        "residues": [len(r) for r in exhibit.records],
        "sequence": [r.sequence for r in exhibit.records],
    }
    st.dataframe(shown(records), hide_index=True, key="inputs")
    name = export.download_name("esmviz", snapshot.title, suffix="zip")
    files.download(
        "Everything as ZIP",
        lambda: archive_bytes([exhibit]),
        name,
        "application/zip",
        key="download_zip",
        is_large=True,
        help="Proteins, tables, arrays, figures, methods and a manifest with checksums.",
    )
    if any(n_left_out(drawn.columns, drawn.arrays) for drawn in exhibit.pictures):
        st.caption(ARRAYS_ALONE)
    facts: dict[str, Mapping[str, Any]] = {
        "settings": {k: v for k, v in exhibit.settings.items() if k != "widgets"}
    }
    facts |= {"controls": exhibit.settings.get("widgets", {}), "versions": exhibit.versions}
    for title, values in facts.items():
        st.markdown(f"**{title.capitalize()}**")
        st.dataframe(
            shown({"name": list(values), "value": [str(value) for value in values.values()]}),
            hide_index=True,
            key=f"facts_{title}",
        )


def _take_back(snapshot: Snapshot, proof: dict[str, Any], *, is_ready: bool = True) -> None:
    """Extend or revoke."""
    sharing = workbench().sharing

    def extend() -> str:
        kept = sharing.snapshots.extend(snapshot.id, st.session_state["extend_days"], **proof)
        if PICKED in st.session_state:  # or its page would go on naming the day it had before
            st.session_state[PICKED] = kept
        return f"Kept until {_day(kept.expires)}."

    def revoke() -> str:
        sharing.snapshots.revoke(snapshot.id, **proof)
        st.session_state.pop(PICKED, None)
        return "Revoked. The link no longer works, and what was kept here is deleted."

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("From now on for", sharing.days, format_func=days_in_words, key="extend_days", width=200)
        _button("Keep it", extend, "extend", is_ready)
        with st.popover("Revoke", disabled=not is_ready):
            st.markdown("The link stops working and the content is deleted, for everybody and at once.")
            _button("Revoke it", revoke, "revoke", is_ready)


def _button(label: str, act: Callable[[], str], key: str, is_ready: bool) -> None:
    if st.button(label, key=key, disabled=not is_ready):
        with reporting_errors():
            st.session_state["snapshot_done"] = act()
            st.rerun()


def _list_mine() -> None:
    st.title(next(page.question for page in PAGES if page.file == "snapshots"), anchor=False)
    st.caption("Share is a button beside the question of every page that shows a figure.")
    browser = visitor.browser()
    if browser is None:
        st.info("This browser takes no cookies, so esmviz cannot tell which snapshots are yours.")
        return
    mine = workbench().sharing.snapshots.of_browser(browser)
    if not mine:
        st.info("Nothing has been shared from this browser, or all of it has expired.")
        return
    titles = {page.file: page.title for page in PAGES}
    st.dataframe(
        shown(
            {
                "title": [one.title for one in mine],
                "page": [titles.get(one.page, one.page) for one in mine],
                "model": [one.model for one in mine],
                "shared": [_day(one.created) for one in mine],
                "until": [_day(one.expires) for one in mine],
                "MB": [round(one.n_bytes / 2**20, 2) for one in mine],
            }
        ),
        hide_index=True,
        key="snapshots",
    )
    total = sum(one.n_bytes for one in mine) / 2**20
    st.caption(
        f"{total:,.1f} of {workbench().settings.snapshot_visitor_mb:,} MB used. A link cannot be shown again: only its "
        "digest is stored."
    )
    names = {one.id: f"{one.title}, {titles.get(one.page, one.page)}, {_day(one.created)}" for one in mine}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox("Snapshot", list(names), format_func=names.__getitem__, key="which", width=500)
        picked = next(one for one in mine if one.id == which)
        st.button("Open", on_click=st.session_state.update, args=({PICKED: picked},), key="open_snapshot")
    _take_back(picked, {"browser": browser})


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
