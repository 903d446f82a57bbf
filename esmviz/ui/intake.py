"""How proteins come in: an upload, a paste or the example, and labels that are joined to them."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import DeletedFile

from esmviz import sequences
from esmviz.errors import EsmvizError
from esmviz.label_tables import LabelTable, read_labels, with_labels
from esmviz.labels import source_name
from esmviz.panels.tables import shown
from esmviz.ui import errors, files
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session

TYPES = ["fasta", "fa", "faa", "txt", "fas", "fsa", "pep", "seq", "aa", "gz"]  # the reader judges by content
ENDINGS = " ".join(f".{ending}" for ending in TYPES)


def draw(session: Session) -> None:
    """The three ways in, side by side; whichever changed last counts."""
    settings = workbench().settings
    upload, paste = st.columns(2)
    upload.file_uploader(
        f"Upload FASTA, also gzip (up to {settings.max_upload_mb} MB unpacked)",
        type=TYPES,
        help=f"A file whose name ends in {ENDINGS}",
        key="upload",
        on_change=_read,
        args=(session, "upload"),
        max_upload_size=settings.max_upload_mb,
    )
    paste.text_area(
        "Paste FASTA or one bare sequence",
        key="paste",
        height=96,
        placeholder=">my protein\nMKT…",
        on_change=_read,
        args=(session, "paste"),
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Read", key="run", type="primary", on_click=_read_asked, args=(session,))
        st.button("Example", key="example", on_click=_load_example, args=(session,))
        st.checkbox(
            "Treat as protein",
            key="treat_as_protein",
            on_change=_read_again,
            args=(session,),
            help="Read records that look like DNA or RNA as proteins.",
        )
    failure = st.session_state.get("intake_error")
    if failure is not None:
        errors.show(failure)
        st.caption("The proteins loaded before are still here.")


def draw_labels(session: Session) -> None:
    """A table of labels, joined by id."""
    st.file_uploader(
        "Labels, optional: CSV or TSV with the ids in its first column",
        type=["csv", "tsv", "txt"],
        key="labels",
        on_change=_read_labels,
        args=(session,),
    )
    failure = st.session_state.get("labels_error")
    if failure is not None:
        errors.show(failure)
    if session.labels is not None:
        _say_unmatched(session.labels)


def _say_unmatched(table: LabelTable) -> None:
    st.caption(errors.plain(f"Columns joined: {', '.join(table.columns) or 'none'}."))
    for ids, what in (
        (table.unmatched, "rows name no loaded protein"),
        (table.unlabelled, "proteins have no row"),
    ):
        if ids:
            st.caption(f"{len(ids)} {what}:")
            st.dataframe(shown({"id": list(ids)}), hide_index=True, height=min(180, 40 + 36 * len(ids)))


def _reason(report: sequences.RecordReport) -> str:
    """The notes of a report without the number and id that stand beside them in the table."""
    own = f"Record {report.number} ({report.id}) "
    return " ".join(note.removeprefix(own) for note in report.notes)


def records_table(session: Session) -> None:
    """Every record with what became of it; a click on a row picks the protein."""
    reports = session.proteins.reports
    wanted = (
        st.pills("Show", ["accepted", "mended", "rejected"], selection_mode="multi", key="show_status") or []
    )
    rows = [report for report in reports if not wanted or report.status in wanted]
    families = {record.id: record.labels.get("family", "") for record in session.records}
    columns: dict[str, list[Any]] = {
        "id": [report.id for report in rows],
        "status": [report.status for report in rows],
        "residues": [report.n_residues for report in rows],
        "what was done, or why not": [_reason(report) for report in rows],
    }
    if not any(columns["what was done, or why not"]):
        del columns["what was done, or why not"]
    if any(families.values()):
        columns["family"] = [families.get(report.id, "") for report in rows]
    # Last, where a narrow table is cut: a number that touches the edge reads as cut off itself.
    columns |= {
        "record": [report.number for report in rows],
        "line": [report.line for report in rows],
    }

    def picked() -> (
        None
    ):  # only a click counts: the mark stays in the table while the choice moves on elsewhere
        marked = st.session_state["records"].selection.rows
        if marked and rows[marked[0]].status != "rejected":
            session.pick(protein=rows[marked[0]].id)

    st.dataframe(
        shown(columns),
        hide_index=True,
        height=300,
        key="records",
        on_select=picked,
        selection_mode="single-row",
    )
    st.caption("Tick a row to look at that protein.")


@errors.reporting_errors()  # a callback runs outside the page's
def _read(session: Session, kind: str) -> None:
    given = st.session_state[kind]
    if not given or (kind == "paste" and not given.strip()):
        return
    name = source_name(given.name) if kind == "upload" else "Pasted text"
    source = given.getvalue() if kind == "upload" else given
    treat = bool(st.session_state.get("treat_as_protein"))
    st.session_state["intake_error"] = None
    try:
        reading = partial(
            sequences.read_fasta, source, limits=workbench().limits, treat_as_protein=treat, name=name
        )
        found = files.read(session, reading)
        if not found.records:
            why = " ".join(report.notes[0] for report in found.reports[:3] if report.notes)
            raise EsmvizError(f"No protein could be read from {name}.", why)
    except EsmvizError as error:
        st.session_state["intake_error"] = error
        return
    session.load(found, name, kind)
    _read_labels(session)


def _read_again(session: Session) -> None:
    """The same text, read in another way; an empty form stays as it is."""
    _read_latest(session)


def _read_asked(session: Session) -> None:
    """What the button does: an empty form is said."""
    if not _read_latest(session):
        st.session_state["intake_error"] = EsmvizError(
            "There is nothing to read yet.", "Drop a FASTA file, or paste a sequence into the box."
        )


def _read_latest(session: Session) -> bool:
    """Read again what stands in the form, the one that came last before the other; whether there was any."""
    for kind in ("paste", "upload") if session.kind != "upload" else ("upload", "paste"):
        given = st.session_state.get(kind)
        is_text = isinstance(given, str) and given.strip()
        is_file = given and not isinstance(given, str | DeletedFile)  # deleted: forgotten from another tab
        if is_text or is_file:
            _read(session, kind)
            return True
    return False


def _load_example(session: Session) -> None:
    st.session_state["intake_error"] = None
    session.load(sequences.example(), "Example", "example")
    _read_labels(session)


@errors.reporting_errors()
def _read_labels(session: Session) -> None:
    """Join the table that stands in the form, to proteins that came after it too."""
    given = st.session_state.get("labels")
    st.session_state["labels_error"] = None
    if given is None or isinstance(given, DeletedFile):
        return
    try:
        ids = [record.id for record in session.records]
        reading = partial(read_labels, given.getvalue(), ids, limits=workbench().limits, name=given.name)
        table = files.read(session, reading)
        labelled = with_labels(session.records, table)
    except EsmvizError as error:
        st.session_state["labels_error"] = error
        return
    session.proteins = sequences.SequenceSet(labelled, session.proteins.reports)
    session.labels = table
