"""The frame around every page: the question, and one choice of protein, model and layer for all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from esmviz.errors import CorruptCheckpointError, OutputNotProvidedError
from esmviz.panels import Subject
from esmviz.panels.questions import QUESTIONS
from esmviz.types import ModelSpec, Output, Precision, ProteinRecord
from esmviz.ui import access, cautions, exhibits, intake, share
from esmviz.ui import session as sessions
from esmviz.ui.errors import plain, reporting_errors
from esmviz.ui.monitoring import METRICS
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session
from esmviz.ui.turns import TURNS

OF_ONE_PROTEIN = ("home", "similarity", "attention", "logits")
ROOT = Path(__file__).resolve().parents[2]
ICON = Path(__file__).resolve().parents[1] / "assets" / "icon.png"


# A long question breaks before the button beside it does, and a long link is not cut. Below 1100 pixels a figure and
# the list beside it stand one above the other, and the sidebar leaves room.
NARROW = """<style>
[data-testid="stMain"] .st-key-question { flex-wrap: nowrap; }
[data-testid="stMain"] .st-key-question [data-testid="stElementContainer"]:has(button) { flex: none; }
[data-testid="stMain"] [data-testid="stPageLink"] p { white-space: normal; overflow: visible; }
@media (max-width: 1100px) {
  [data-testid="stMain"] [data-testid="stColumn"] { min-width: calc(100% - 1.5rem); }
  [data-testid="stSidebar"][aria-expanded="true"] { width: 230px !important; min-width: 230px !important; }
}
</style>"""


@dataclass(frozen=True)
class PageInfo:
    """One page of the app: its file in ``pages/``; its name in the navigation and the question it answers."""

    file: str

    @property
    def title(self) -> str:
        return self.file.capitalize()

    @property
    def question(self) -> str:
        return QUESTIONS[self.file]

    @property
    def url_path(self) -> str:
        return "" if self.file == "home" else self.file

    @property
    def path(self) -> Path:
        return ROOT / "pages" / f"{self.file}.py"

    def as_streamlit(self) -> st.Page:
        default = self.file == "home"
        return st.Page(
            self.path, title=self.title, url_path=self.url_path, default=default, help=self.question
        )


PAGES = tuple(PageInfo(file) for file in QUESTIONS)


@dataclass(frozen=True)
class Choice:
    """What the visitor looks at: one protein through one model."""

    question: str
    session: Session
    record: ProteinRecord
    spec: ModelSpec

    @property
    def layer(self) -> int:
        return self.spec.layers[-1] if self.session.layer is None else self.session.layer

    @property
    def precision(self) -> Precision:
        return self.session.precision

    @property
    def subject(self) -> Subject:
        return Subject(self.record.id)


@contextmanager
def opened(file: str, *, needs: Output | None = None, layers_from: int | None = None) -> Iterator[Choice]:
    """Draw the frame of a page and hand over the choice; errors of the body become sentences.

    Parameters
    ----------
    file : str
        Name of the page in ``PAGES``.
    needs : str, optional
        The output the page shows; a model without it is refused with the names of those that have it.
    layers_from : int, optional
        Lowest layer of the layer slider; no slider without it.
    """
    page = next(page for page in PAGES if page.file == file)
    with METRICS.timing_page(file), TURNS.drawing():
        st.html(NARROW)
        head = st.container(horizontal=True, vertical_alignment="center", key="question")
        head.title(page.question, anchor=False)
        access.need_sign_in()
        choice = None
        with reporting_errors():
            choice = _choose(page, needs, layers_from)
        if choice is None:
            st.stop()
        with reporting_errors():
            with exhibits.drafting(file, choice.session, choice.spec) as draft:
                if file in OF_ONE_PROTEIN:
                    cautions.tell_if_long(choice.spec, choice.record)
                yield choice
            with head:  # not before all is drawn: half a page is not shared
                share.offer(draft)


@contextmanager
def framed(file: str) -> Iterator[None]:
    """The frame of a page that needs no proteins and draws its own title."""
    with METRICS.timing_page(file), reporting_errors():
        st.html(NARROW)
        access.need_sign_in(is_snapshot="s" in st.query_params)
        if "session" in st.session_state:
            sessions.current(file)  # the visitor is still here
        yield


def _choose(page: PageInfo, needs: Output | None, layers_from: int | None) -> Choice:
    session = sessions.current(page.file)
    _source_line(session, page.file)
    choice = Choice(page.question, session, _pick_protein(session, page.file), _pick_model(session))
    if layers_from is not None and needs in (None, *choice.spec.provides):
        pick_layer(choice, layers_from)
    _pick_precision(session)
    sessions.write_url(session)
    if needs:
        need(choice.spec, needs)
    return choice


def need(spec: ModelSpec, output: Output) -> None:
    """Refuse a model that does not give the output, and stop at one whose weights are not here."""
    if output not in spec.provides:
        _refuse(spec, output)
    _need_weights(spec)


def _need_weights(spec: ModelSpec) -> None:
    """A model that is not on this machine is got on the Models page."""
    status = workbench().status(spec.name)
    if status.present:
        return
    st.warning(plain(f"{spec.title or spec.name}: {status.reason}"))
    link("models", "Choose another model" if spec.host else "Download it, or choose another model")
    st.stop()


def link(file: str, label: str) -> None:
    """A link to another page that keeps protein, model and layer."""
    page = next(page for page in PAGES if page.file == file)
    st.page_link(page.as_streamlit(), label=label, query_params=sessions.at_hand().written)


def _source_line(session: Session, file: str) -> None:
    n = len(session.records)
    count = f"{n} protein" + "s" * (n != 1)
    if session.kind == "example":
        tail = (
            "Drop your FASTA below to replace it."
            if file == "home"
            else "Drop your FASTA on Home to replace it."
        )
        st.caption(f"Example: {count}, six families and four single ones. {tail}")
    else:
        found = Counter(report.status for report in session.proteins.reports)
        told = [f"{found[status]} {status}" for status in ("mended", "rejected") if found[status]]
        see = f" ({' and '.join(told)}; see Home)" if told else ""
        st.caption(plain(f"{session.source}: {count}{see}."))


def _pick_protein(session: Session, file: str) -> ProteinRecord:
    ids = [record.id for record in session.records]
    record = session.record(session.protein)
    if record is None:
        st.info(
            plain(
                f"This link shows the protein {session.protein}, which is not among your {len(ids)} proteins."
            )
            + " A link never carries sequences: upload the FASTA that has it on Home, or look at one of yours."
        )
        with st.container(horizontal=True):
            link_home = next(page for page in PAGES if page.file == "home")
            st.page_link(link_home.as_streamlit(), label="Upload a FASTA", query_params=session.written)
            st.button(
                plain(f"Show {ids[0]}"), on_click=session.choose, kwargs={"protein": ids[0]}, key="show_first"
            )
        if file == "home":
            intake.draw(session)
        st.stop()
    label = f"Protein, {ids.index(record.id) + 1} of {len(ids)}"
    st.sidebar.selectbox(label, ids, **session.follow("protein", record.id))
    _sequence_strip(record)
    return record


def _sequence_strip(record: ProteinRecord) -> None:
    """The sequence in blocks of ten with a 1-based ruler, selectable and copyable."""
    n = len(record)
    width = len(str(n))
    rows = [
        f"{start + 1:>{width}} {record.sequence[start : start + 10]} {record.sequence[start + 10 : start + 20]}"
        for start in range(0, n, 20)
    ]
    with st.sidebar.expander(f"Sequence, {n:,} residues"):
        st.code("\n".join(rows), language=None, height=min(260, 40 + 22 * len(rows)))


def _pick_model(session: Session) -> ModelSpec:
    specs = workbench().specs()
    default = workbench().settings.default_model
    if session.model not in specs and default in specs:
        name = specs[default].title or default
        st.button(plain(f"Use {name}"), on_click=session.choose, kwargs={"model": default}, key="use_default")
    spec = workbench().spec(session.model)  # raises UnknownModelError with the list
    st.sidebar.selectbox(
        "Model",
        list(specs),
        format_func=lambda name: specs[name].title or name,
        **session.follow("model", spec.name),
    )
    if spec.host:
        st.sidebar.caption(plain(f"Hosted by {spec.host}: sequences are sent there."))
    return spec


def pick_layer(choice: Choice, lowest: int = 1) -> int:
    """The layer slider in the sidebar; a layer from a link that the model does not have is said, not bent silently."""
    session, layers = choice.session, choice.spec.layers
    lowest, highest = max(lowest, layers[0]), layers[-1]
    if not lowest <= choice.layer <= highest:
        asked = f"layer {choice.layer} was asked for"
        st.warning(plain(f"This page has layers {lowest} to {highest} of {choice.spec.name}; {asked}."))
        session.choose(layer=None)
    tip = "Layer 0 is the input embedding, the last is after the final norm." if lowest == 0 else None
    if lowest < highest:  # a slider needs two ends
        st.sidebar.slider("Layer", lowest, highest, help=tip, **session.follow("layer", choice.layer))
    return choice.layer


def _pick_precision(session: Session) -> None:
    tip = "float32 is exact to about seven digits; bfloat16 to about three."
    with st.sidebar.expander("Precision"):
        options = ["float32", "bfloat16"]
        st.selectbox("Of the numbers", options, help=tip, **session.follow("precision", session.precision))


def _refuse(spec: ModelSpec, needs: Output) -> None:
    if not spec.provides:  # a checkpoint that cannot be read
        raise CorruptCheckpointError(spec.note)
    others = [name for name, other in workbench().specs().items() if needs in other.provides]
    raise OutputNotProvidedError(
        f"{spec.title or spec.name} gives no {needs.replace('_', ' ')}.", f"These do: {', '.join(others)}."
    )
