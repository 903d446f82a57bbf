"""The Report page's own words: what of the analysis is taken along, and as which files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from esmviz import export
from esmviz.exhibit import Exhibit
from esmviz.jobs import Context
from esmviz.report.archive import ARRAYS_ALONE, archive_bytes
from esmviz.report.figures import Print, figures_zip
from esmviz.report.images import chromium
from esmviz.report.journals import JOURNALS
from esmviz.report.methods import bibtex, methods_text, subject
from esmviz.report.page import report_bytes
from esmviz.ui import exhibits, files
from esmviz.ui.computing import drawn
from esmviz.ui.errors import plain
from esmviz.ui.exhibits import Draft
from esmviz.ui.frame import PAGES, link
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session

LARGE = ("html", "zip")
FORMATS, DPI = ("PDF", "SVG", "PNG"), (300, 450, 600)

NAMED = (
    "The list of sequences stays out. But figures and tables along a protein name its residues, letter by letter: to keep "
    "a sequence secret, leave those pages out, too."
)


@dataclass(frozen=True)
class Chosen:
    """What goes along; drafts become exhibits when a file is asked for, since that takes a while."""

    drafts: tuple[Draft, ...]
    title: str
    with_sequences: bool
    session: Session

    def exhibits(self) -> tuple[Exhibit, ...]:
        return tuple(draft.frozen() for draft in self.drafts)

    @property
    def key(self) -> tuple[tuple[str, str, str], ...]:
        """Tells one choice from another without showing what is in it."""
        return tuple((draft.page, draft.created.isoformat(), str(id(draft))) for draft in self.drafts)


def choose(session: Session) -> Chosen:
    """A box for each page that has shown something in this tab; stops where there is none."""
    drafts = exhibits.shown(session, [page.file for page in PAGES])
    if not drafts:
        st.info("No page has shown anything in this tab yet. What you look at comes here by itself.")
        link("home", "Begin on Home")
        st.stop()
    st.markdown("**What goes along: each page as you saw it last**")
    kept = tuple(draft for draft in drafts if st.checkbox(_label(draft), True, key=f"take_{draft.page}"))
    title = st.text_input(
        "Title of the report", max_chars=200, key="report_title", placeholder="Report of an analysis"
    )
    with_sequences = st.checkbox("The sequences of the proteins", True, key="with_sequences")
    if not with_sequences:
        st.caption(NAMED)
    if not kept:
        st.info("Tick at least one page.")
        st.stop()
    return Chosen(kept, title.strip(), with_sequences, session)


def _label(draft: Draft) -> str:
    name = next(page.title for page in PAGES if page.file == draft.page)
    return plain(
        f"{name}: {subject(draft.records.values(), draft.source)}, {draft.spec.title or draft.spec.name}"
    )


def downloads(chosen: Chosen) -> None:
    """The files, each made when it is asked for."""
    options = {"with_sequences": chosen.with_sequences}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _download(
            "Report as HTML",
            chosen,
            "report",
            "html",
            "text/html",
            lambda: report_bytes(chosen.exhibits(), title=chosen.title, **options),
            help="One file of about 5 MB that opens in any browser, without a network. Its figures can be zoomed.",
        )
        _download(
            "All data as ZIP",
            chosen,
            "data",
            "zip",
            "application/zip",
            lambda: archive_bytes(chosen.exhibits(), **options),
            help="Tables as CSV, arrays as NPZ, figures as JSON, with a manifest of their SHA-256 sums.",
        )
    if any(draft.leaves_out for draft in chosen.drafts):
        st.caption(ARRAYS_ALONE)


def _download(
    label: str, chosen: Chosen, name: str, suffix: str, mime: str, data: Callable[[], bytes], *, help: str
) -> None:
    file_name = export.download_name("esmviz", name, chosen.session.source, suffix=suffix)
    files.download(label, data, file_name, mime, key=f"download_{name}", help=help, is_large=suffix in LARGE)


@st.cache_data(max_entries=100, show_spinner=False)
def _texts(key: tuple[tuple[str, str, str], ...], _chosen: Chosen) -> tuple[str, str]:
    found = _chosen.exhibits()
    return methods_text(found), bibtex(found)


def figures(chosen: Chosen) -> None:
    """Every figure at the size of a journal's column, drawn when asked for."""
    st.markdown("**Figures for a journal**")
    to = _pick_print()
    asked = (chosen.key, to)
    if st.button("Draw the figures", key="draw"):
        st.session_state["drawing_asked"] = asked
        chosen.session.cancelled.pop("drawing", None)
    if st.session_state.get("drawing_asked") != asked:
        return
    browser = chromium(workbench().settings.chromium)

    def draw(context: Context) -> bytes:
        def report(done: int, total: int) -> None:
            context.report(done, total, "figures", "Drawing:")

        return figures_zip(chosen.exhibits(), to, browser=browser, report=report)

    content = drawn(asked, draw)
    help = "A file for each figure, and legends.txt with what to write below them."
    _download("Figures as ZIP", chosen, "figures", "zip", "application/zip", lambda: content, help=help)


def _pick_print() -> Print:
    left, middle, right, last = st.columns(4)
    journal = JOURNALS[str(left.selectbox("Journal", list(JOURNALS), key="journal"))]
    widths = journal.widths
    column = middle.selectbox(
        "Width",
        list(widths),
        format_func=lambda name: f"{name}, {widths[name]:g} mm",
        key=f"column_{journal.name}",
    )
    form = str(right.selectbox("Format", FORMATS, key="figure_format")).lower()
    dpi = last.selectbox("Dots per inch", DPI, key="figure_dpi", disabled=form != "png")
    st.caption(
        plain(
            f"The smallest letter is {journal.least_pt:g} pt, the height at most {journal.most_height:g} mm. "
            f"{journal.name} says so at {journal.source}; look there for what holds today."
        )
    )
    return Print(journal.name, str(column), form, int(dpi) if form == "png" else DPI[0])  # type: ignore[arg-type]  # one of FORMATS


def methods(chosen: Chosen) -> None:
    """Text to paste, with a button that copies it."""
    text, entries = _texts(chosen.key, chosen)
    st.markdown("**Methods, to paste**")
    st.code(text, language=None, wrap_lines=True, height=380)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _download(
            "Methods as text",
            chosen,
            "methods",
            "txt",
            "text/plain",
            text.encode,
            help="UTF-8, no formatting.",
        )
        _download(
            "Sources as BibTeX",
            chosen,
            "sources",
            "bib",
            "text/plain",
            entries.encode,
            help="For a reference manager.",
        )
