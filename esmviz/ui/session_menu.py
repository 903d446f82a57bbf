"""What visitors do with their session as a whole: keep a copy of it, bring one back, have it forgotten."""

from __future__ import annotations

from typing import cast

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from esmviz import sequences, structures
from esmviz.errors import EsmvizError
from esmviz.structures import Coordinates
from esmviz.types import Precision
from esmviz.ui import access, errors, exhibits, files, page_settings
from esmviz.ui.resources import shelf, workbench
from esmviz.ui.session import Session
from esmviz.ui.session_file import SavedSession, read_session, session_bytes


def draw(session: Session) -> None:
    """Three ways to deal with it, and where it is kept meanwhile."""
    st.caption(_where_it_is(session))
    st.download_button(  # not counted, as other files are: who is out of time must be able to go on elsewhere
        "Save this session",
        lambda: session_bytes(_saved(session)),
        "esmviz-session.json",
        "application/json",
        key="download_session",
        on_click="ignore",
        help="One file with your proteins, labels, structure, choices and settings, to go on later or elsewhere.",
    )
    st.file_uploader(
        "Bring back a saved session",
        type=["json", "gz"],
        key="saved_session",
        on_change=_restore,
        args=(session,),
        max_upload_size=workbench().settings.max_upload_mb,
    )
    if (failure := st.session_state.get("restore_error")) is not None:
        errors.show(failure)
    for name in st.session_state.get("settings_left_out", ()):
        st.caption(errors.plain(f"This version has no setting {name}; it was left out."))
    with st.popover("Forget my data"):
        st.write(
            "Proteins, labels, structures, choices and running work of this browser leave the server, in all tabs. "
            "What was computed stays among the results that all visitors share until others push it out: found by "
            "the content of a sequence alone. Snapshots that you shared stay, too."
        )
        st.button("Forget all of it", key="forget", type="primary", on_click=forget, args=(session,))


def _where_it_is(session: Session) -> str:
    hours = f"{workbench().settings.session_hours:g}"
    if session.is_kept:
        return f"A reload finds it again, for {hours} hours after your last look: it is kept in the server's memory."
    if session.browser is None:
        return "Your browser takes no cookies: a reload of this tab loses the session. Save it."
    return "This set is too large to be kept: a reload of this tab loses it. Save it."


def _saved(session: Session) -> SavedSession:
    return SavedSession(
        proteins=session.proteins,
        source=session.source,
        model=session.model,
        protein=session.protein,
        layer=session.layer,
        head=session.head,
        precision=session.precision,
        labels=session.labels,
        structure=session.structure_text,
        settings=session.settings,
    )


@errors.reporting_errors()  # a callback runs outside the page's
def _restore(session: Session) -> None:
    given = st.session_state.get("saved_session")
    st.session_state["restore_error"] = None
    st.session_state["settings_left_out"] = ()
    if given is None:
        return
    try:
        saved, structure = files.read(session, lambda: _read(given.getvalue(), given.name))
    except EsmvizError as error:
        st.session_state["restore_error"] = error
        return
    session.load(saved.proteins, saved.source, "session")
    session.labels, session.structure, session.structure_text = saved.labels, structure, saved.structure
    session.pick(model=saved.model, layer=saved.layer, head=saved.head)
    session.precision = cast(Precision, saved.precision)
    if session.record(saved.protein) is not None:
        session.protein = saved.protein
    page_settings.replace(session.settings, saved.settings)
    st.session_state["settings_left_out"] = saved.left_out
    page_settings.put_back(session.settings, session.page)


def _read(content: bytes, name: str) -> tuple[SavedSession, Coordinates | None]:
    """A saved session, and the structure in it."""
    saved = read_session(content, limits=workbench().limits, name=name)
    if saved.structure is None:
        return saved, None
    title, text = saved.structure
    return saved, structures.read_structure(text, name=title)


def forget(session: Session) -> None:
    """Nothing of this browser stays, in this tab or another; the page is loaded anew."""
    kept = shelf().forget(session.browser) if session.browser is not None else []
    context = get_script_run_ctx()
    for each in {id(each): each for each in (*kept, session)}.values():
        exhibits.leave(each)
        if context is not None:
            context.uploaded_file_mgr.remove_session_files(each.connection)
        each.clear(sequences.example())
    st.session_state.clear()
    st.query_params.clear()  # or the address names a protein that is no longer there
    access.go(f"{access.base()}/")
