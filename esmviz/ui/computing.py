"""Asking the Workbench from a page: results at once where they are known, else a bar with Cancel while the queue works."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from esmviz import checks
from esmviz.errors import SequenceTooLongError
from esmviz.jobs import Context, Job
from esmviz.labels import duration, pace
from esmviz.measuring import Measurement
from esmviz.types import (
    EmbeddingSet,
    FloatArray,
    IntArray,
    ModelOutput,
    Pooling,
    Precision,
    Projection,
    ProteinRecord,
    Provenance,
    Request,
)
from esmviz.ui import exhibits
from esmviz.ui import session as sessions
from esmviz.ui.errors import plain, reporting_errors
from esmviz.ui.figures import figure
from esmviz.ui.frame import Choice
from esmviz.ui.resources import workbench
from esmviz.ui.turns import TURNS

PATIENCE_SECONDS = 0.8  # a job done by then shows its result without a flash of the progress bar
SECONDS_OF_EACH = 0.05  # asking for progress costs a run of a fragment: in a crowd everybody asks less often
MOST_SECONDS = 3.0
Show = Callable[[Any], object]


def inspect(
    choice: Choice, request: Request, record: ProteinRecord | None = None, slot: str = "inspect"
) -> ModelOutput:
    """What one forward pass over one protein gives."""
    _need_consent(choice)
    protein = choice.record if record is None else record
    exhibits.note_records(protein)
    asked = (protein, choice.spec.name, request)
    output: ModelOutput = _awaited(slot, asked, partial(workbench().submit_inspect, *asked))
    return output


def masked_logits(choice: Choice, draw: Callable[[FloatArray], Any], alt: str) -> FloatArray:
    """Logits at each position with that position masked; ``draw`` makes a figure of what has come so far."""

    def show(logits: FloatArray) -> None:
        figure(draw(logits), "so-far", alt=alt)

    _need_consent(choice)
    asked = (choice.record, choice.spec.name, choice.precision)
    logits: FloatArray = _awaited("masked", asked, partial(workbench().submit_masked, *asked), show)
    return logits


def embedding(choice: Choice, *, layer: int, pooling: Pooling) -> EmbeddingSet:
    """One vector for each protein of the set."""
    _need_consent(choice)
    records, model, precision = choice.session.records, choice.spec.name, choice.precision
    exhibits.note_records(*records)
    submit = partial(workbench().submit_embed, layer=layer, pooling=pooling, precision=precision)
    asked = (records, model, layer, pooling, precision)
    vectors: EmbeddingSet = _awaited("embed", asked, partial(submit, records, model))
    return vectors


def predictions(choice: Choice) -> EmbeddingSet:
    """What a classifier or a regression says of each protein of the set that it can read in one piece, raw."""
    asked = (_in_one_piece(choice), choice.spec.name, choice.precision)
    exhibits.note_records(*asked[0])
    found: EmbeddingSet = _awaited("predict", asked, partial(workbench().submit_predict, *asked))
    return found


def _in_one_piece(choice: Choice) -> tuple[ProteinRecord, ...]:
    """The proteins short enough for a prediction of the whole; says how many are not, and why the first is not."""
    records, kept, errors = choice.session.records, [], []
    check = workbench().checker(choice.spec.name, Request(predictions=True))
    for record in records:
        try:
            check(record)
        except SequenceTooLongError as error:
            errors.append(error)
        else:
            kept.append(record)
    if not kept:
        raise errors[0]
    if errors:
        st.warning(plain(f"{len(errors)} of {len(records):,} proteins are left out. {errors[0]}"))
    return tuple(kept)


def projection(embeddings: EmbeddingSet, method: str, **params: Any) -> Projection:
    """The set on a map."""
    asked = (id(embeddings), method, tuple(params.items()))
    submit = partial(workbench().submit_project, embeddings, method=method, **params)
    points: Projection = _awaited("map", asked, submit)
    return points


def groups(embeddings: EmbeddingSet, method: str, **params: Any) -> IntArray:
    """A cluster number for each protein, -1 for noise."""
    asked = (id(embeddings), method, tuple(params.items()))
    submit = partial(workbench().submit_cluster, embeddings, method=method, **params)
    clusters: IntArray = _awaited("groups", asked, submit)
    return clusters


def provenance(
    choice: Choice,
    output: ModelOutput | EmbeddingSet,
    *,
    layer: int | None = None,
    head: int | None = None,
) -> Provenance:
    """Where a picture of this output comes from."""
    windows = output.windows if isinstance(output, ModelOutput) else ()
    return workbench().provenance(
        choice.spec.name, precision=output.precision, layer=layer, head=head, windows=windows
    )


def check_map(*records: ProteinRecord) -> None:
    """Refuse a residue x residue map that would not fit, before anything is computed."""
    checks.check_map(workbench().settings, *records)


def download(model: str) -> None:
    """Bring a model's files to this machine."""
    _anew("download", model, partial(workbench().submit_download, model))


def measure(records: tuple[ProteinRecord, ...], model: str, precision: Precision) -> Measurement:
    """Speed, memory and pseudo-perplexity of a model on a set, measured now."""
    asked = (records, model, precision)
    measurement: Measurement = _anew("measure", asked, partial(workbench().submit_measure, *asked))
    return measurement


def drawn(asked: object, draw: Callable[[Context], bytes]) -> bytes:
    """Figures for a journal; a browser draws for one visitor at a time."""
    submit = partial(workbench().queue.submit, "drawing", ("drawing", asked), draw)
    content: bytes = _awaited("drawing", asked, submit)
    return content


def _anew(slot: str, asked: object, submit: Callable[..., Job]) -> Any:
    """``_awaited``, and its job forgotten: who asks again wants it done again."""
    result = _awaited(slot, asked, submit)
    workbench().queue.release(sessions.current().visitor, slot)
    return result


def _need_consent(choice: Choice) -> None:
    """Nothing goes to another machine before the visitor has said so: a link can choose a model, too."""
    host, session = choice.spec.host, choice.session
    if not host or host in session.trusted_hosts:
        return
    st.info(
        plain(
            f"{choice.spec.title} does not run on this machine. To compute, the sequences you look at are sent to "
            f"{host}, which may keep them under its own terms."
        )
    )
    st.button(
        plain(f"Send sequences to {host}"), key="trust", on_click=session.trusted_hosts.add, args=(host,)
    )
    st.stop()


def _awaited(slot: str, asked: object, submit: Callable[..., Job], show: Show | None = None) -> Any:
    """Result of a job. While it runs, its progress stands here and the script of the page ends."""
    session = sessions.current()
    if session.cancelled.get(slot) == asked:
        _offer_again(slot, session)
    session.cancelled.pop(slot, None)
    job = submit(visitor=session.visitor, slot=slot)
    sessions.beat(session)
    if not job.wait(0):
        with TURNS.waiting():
            job.wait(PATIENCE_SECONDS)
    if not job.is_over:
        st.fragment(_progress, run_every=_interval(show))(job, slot, asked, show)
        st.stop()
    return job.result()


def _interval(show: Show | None) -> float:
    """Seconds between two looks at a running job. Drawing what has come so far takes the time of many passes: it is done
    less often than a bar.
    """
    crowd = SECONDS_OF_EACH * workbench().queue.n_waiting()
    return min(MOST_SECONDS, (0.5 if show is None else 2.0) + crowd)


def _offer_again(slot: str, session: sessions.Session) -> None:
    st.info("Cancelled. Nothing else was lost.")
    st.button("Start again", key=f"again_{slot}", on_click=_forget, args=(slot, session))
    st.stop()


def _forget(slot: str, session: sessions.Session) -> None:
    session.cancelled.pop(slot, None)  # two quick clicks come here twice


def _progress(job: Job, slot: str, asked: object, show: Show | None) -> None:
    session: sessions.Session = st.session_state["session"]
    sessions.beat(session)
    if job.wait(0):
        st.rerun()
    progress = job.progress
    share = progress.done / progress.total if progress.total else 0.0
    st.progress(min(1.0, share), text=_words(progress, job.status))
    st.button("Cancel", key=f"cancel_{slot}", on_click=_cancel, args=(slot, asked, session))
    if show is not None and job.partial is not None:
        with reporting_errors():  # a fragment runs outside the page's
            show(job.partial)


def _words(progress: Any, status: str) -> str:
    if status == "waiting":
        return "Waiting for the model: another request runs first."
    if not progress.total:
        return progress.note or "Working. The first use of a model loads it."
    speed = progress.done / progress.seconds if progress.seconds > 2 else 0
    rest = f", {pace(speed)}, {duration((progress.total - progress.done) / speed)} left" if speed else ""
    return f"{progress.note} {progress.done:,} of {progress.total:,} {progress.unit}{rest}".strip()


def _cancel(slot: str, asked: object, session: sessions.Session) -> None:
    session.cancelled[slot] = asked
    workbench().queue.release(session.visitor, slot)
