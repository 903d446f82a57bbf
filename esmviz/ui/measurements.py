"""Two models side by side on the visitor's own set: pickers, the work, and all that was measured so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from esmviz.errors import EsmvizError
from esmviz.measuring import Measurement, can_measure, comparison, part_to_measure, subject
from esmviz.panels import texts
from esmviz.panels.tables import shown
from esmviz.types import ModelSpec, ProteinRecord
from esmviz.ui import computing
from esmviz.ui.errors import plain
from esmviz.ui.figures import download_csv, how_to_read
from esmviz.ui.frame import Choice
from esmviz.ui.resources import workbench
from esmviz.ui.session import Session


def side_by_side(choice: Choice) -> None:
    """Measure two models on the visitor's set, and compare."""
    st.subheader("Measure on your own set", anchor=False)
    session, names = choice.session, _measurable()
    if not names:
        st.caption("No model on this machine gives vectors and fits into its memory. Download one above.")
        return
    part = part_to_measure(session.records)
    st.caption(plain(_what(part, len(session.records), choice)))
    first, second = _pick_two(names, choice.spec)
    pair = tuple(dict.fromkeys((first, second)))
    st.button("Measure", key="measure", type="primary", on_click=_begin, args=(session, pair))
    work, results = st.container(), st.container()  # the work ends the page's script while it runs
    with results:
        _show(session, subject(part), pair)
    with work:
        _work(choice)


def _measurable() -> list[str]:
    """Models on this machine that embed, and fit."""
    names = [spec.name for spec in workbench().specs().values() if can_measure(spec)]
    return [name for name in names if (status := workbench().status(name)).present and not status.reason]


def _what(part: Sequence[ProteinRecord], n_all: int, choice: Choice) -> str:
    which = f"{n_all:,}" if len(part) == n_all else f"first {len(part):,} of {n_all:,}"
    return (
        f"How fast does each embed the {which} proteins ({sum(map(len, part)):,} residues) in {choice.precision}, what "
        "memory does it take, and how well does it know them? Offered are models on this machine that give vectors: "
        "none that folds, and no ensemble."
    )


def _pick_two(names: list[str], chosen: ModelSpec) -> tuple[str, str]:
    first = names.index(chosen.name) if chosen.name in names else 0
    specs = workbench().specs()
    places = st.columns(2)
    picked = [
        place.selectbox(
            label, names, index, format_func=lambda name: specs[name].title or name, key=f"measure_{key}"
        )
        for place, label, index, key in (
            (places[0], "Model", first, "first"),
            (places[1], "Beside it", (first + 1) % len(names), "second"),
        )
    ]
    return str(picked[0]), str(picked[1])


def _begin(session: Session, models: tuple[str, ...]) -> None:
    session.to_measure = models
    session.cancelled.pop("measure", None)


def _work(choice: Choice) -> None:
    """One model after the other, so that neither slows the other."""
    session = choice.session
    if "measure" in session.cancelled:
        st.info("Cancelled. What was measured before is kept.")
        return
    if not session.to_measure:
        return
    model = session.to_measure[0]
    try:
        found = computing.measure(session.records, model, choice.precision)
    except EsmvizError:
        session.to_measure = ()  # or every rerun would try again
        raise
    session.to_measure = session.to_measure[1:]
    session.measured = [(name, m) for name, m in session.measured if not _is_same(m, found)]
    session.measured.append((session.source, found))
    st.rerun()


def _is_same(a: Measurement, b: Measurement) -> bool:
    return (a.subject, a.model, a.precision) == (b.subject, b.model, b.precision)


def _show(session: Session, of: str, pair: tuple[str, ...]) -> None:
    if not session.measured:
        return
    here = {m.model: m for _, m in session.measured if m.subject == of}
    if len(pair) == 2 and set(pair) <= here.keys():
        st.markdown(plain(comparison(here[pair[0]], here[pair[1]])))
    columns = as_columns(session.measured)
    fastest = max(columns["residues/s"])
    bar = st.column_config.ProgressColumn(min_value=0, max_value=fastest, format="localized")
    pinned = st.column_config.TextColumn(pinned=True)
    look = {"residues/s": bar, "model": pinned}
    st.dataframe(shown(columns), column_config=look, placeholder="", hide_index=True, key="measured")
    n = {m.n_masked for _, m in session.measured} - {0}
    drawn = f" over {' or '.join(f'{k:,}' for k in sorted(n))} positions, drawn with seed 0" if n else ""
    st.caption(f"One pass each. Pseudo-perplexity (masked){drawn}.")
    download_csv("measured", session.source, columns)
    how_to_read(*texts.MEASURE)


def as_columns(measured: Sequence[tuple[str, Measurement]]) -> Mapping[str, Sequence[Any]]:
    """The table and the CSV file: one line for each measurement."""
    rows = [
        {
            "model": m.model,
            "residues/s": float(f"{m.residues_per_second:.4g}"),
            "memory (GB)": None if m.memory_bytes is None else round(m.memory_bytes / 1e9, 3),
            "pseudo-perplexity": None if m.pseudo_perplexity is None else round(m.pseudo_perplexity, 2),
            "set": source,
            "proteins": m.n_proteins,
            "residues": m.n_residues,
            "seconds": float(f"{m.seconds:.3g}"),
            "masked positions": m.n_masked,
            "device": m.device,
            "precision": m.precision,
            "revision": m.revision,
        }
        for source, m in measured
    ]
    return {name: [row[name] for row in rows] for name in rows[0]}
