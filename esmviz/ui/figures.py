"""Around a figure: drawing it in the visitor's theme, what to read in it, the table beside it, the files from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import streamlit as st

from esmviz import export
from esmviz.exhibit import Facts, Picture, Table
from esmviz.panels import Panel, Spread, Subject, tables
from esmviz.panels.panel import facts as told
from esmviz.types import ProteinRecord, Provenance
from esmviz.ui import exhibits
from esmviz.ui.errors import plain
from esmviz.ui.files import download as made_on_click
from esmviz.ui.frame import Choice
from esmviz.views import theme


def is_dark() -> bool:
    """Whether the visitor sees the dark theme."""
    return st.context.theme.type == "dark"


def figure(fig: Any, name: str, *, alt: str, points: bool = False) -> Any:
    """Draw a figure; the camera of its mode bar saves SVG or PNG as the visitor chose.

    Returns what was selected when ``points``, else None.
    """
    exhibits.note(lambda: Picture(name, alt, fig.to_json()), *cells(fig), is_picture=True)
    return _drawn(fig, name, alt, points)


def cells(fig: Any) -> list[Any]:
    """What a figure holds on to."""
    names = ("x", "y", "z", "text", "customdata", "hovertext")
    return [getattr(trace, name, None) for trace in fig.data for name in names]


def themed(fig: Any) -> None:
    """Give a figure, which is made for the light theme, the visitor's; one that has it is left alone: it may be shared."""
    if is_dark() and not theme.is_dark(fig):
        fig.update_layout(template=theme.template(dark=True))


def _drawn(fig: Any, name: str, alt: str, points: bool) -> Any:
    themed(fig)
    options: dict[str, Any] = (
        {"on_select": "rerun", "selection_mode": ("points", "box", "lasso")} if points else {}
    )
    event = st.plotly_chart(fig, key=name, theme=None, config=_config(name), alt=alt, **options)
    return event.selection.points if points else None


def _config(name: str) -> dict[str, Any]:
    image = {
        "format": str(st.session_state.get("image_format") or "SVG").lower(),
        "filename": f"esmviz-{name}",
        "scale": 3,
    }
    if image["format"] == "svg":
        image["scale"] = 1
    return {"displaylogo": False, "toImageButtonOptions": image, "scrollZoom": False, "responsive": True}


def panel(choice: Choice, shown: Panel, *, points: bool = False) -> Any:
    """A figure with all that belongs under it: the files from it, and how to read it.

    Returns
    -------
    points : list or None
        What the visitor selected, when ``points``.
    """
    selected = _drawn(shown.figure, shown.name, shown.alt, points)
    exhibits.note_panel(shown, *cells(shown.figure))
    title = f"{choice.question} {shown.subject.name}"
    _downloads(shown.file_name, shown.figure, title, shown.facts, shown.columns, shown.arrays)
    how_to_read(*shown.reading)
    return selected


def spread(
    choice: Choice, shown: Spread, *, side: float = 1.5, height: int = 320, points: bool = False
) -> Any:
    """A panel with its facts and tables beside it, which are ``side`` parts wide where the picture is three."""
    left, right = st.columns([3, side], gap="medium")
    with left:
        selected = panel(choice, shown.panel, points=points)
    with right:
        for piece in shown.beside:
            beside(piece, height=height)
    return selected


def beside(piece: Facts | Table, *, height: int = 320) -> None:
    """Facts, or a table."""
    if isinstance(piece, Facts):
        facts(piece.values)
    else:
        ranking(piece.title, piece.columns, note=piece.note, height=height)


def picture(shown: Picture, fig: Any, title: str, number: int) -> None:
    """A stored picture with its files and how to read it; ``number`` tells the keys of several apart."""
    _drawn(fig, shown.name, shown.alt, points=False)
    if shown.arrays or shown.columns:
        key = f"{number}_" if number else ""
        _downloads(shown.file_name, fig, title, shown.facts, lambda: shown.columns, shown.arrays, key=key)
    if shown.reading is not None:
        how_to_read(*shown.reading)


def table(shown: Table, number: int) -> None:
    """A stored table with its files."""
    st.dataframe(_shown(shown.columns), hide_index=True, height=420, key=f"shown_{number}")

    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _table_and_arrays(
            shown.file_name, shown.facts, lambda: shown.columns, shown.arrays, key=f"table{number}_"
        )


def _shown(columns: Mapping[str, Sequence[Any]]) -> Any:
    """A table for the browser as Streamlit sends it; by way of pandas it would take several times as long. Where numbers
    and words share a column, Streamlit makes words of all.
    """
    shown = tables.shown(columns)
    try:
        return pa.table({name: pa.array(column, from_pandas=True) for name, column in shown.items()})
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return shown


def files(
    name: str,
    choice: Choice,
    provenance: Provenance,
    *,
    columns: Callable[[], Mapping[str, Sequence[Any]]],
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> None:
    """CSV and NPZ of the whole set, below a table that has no figure."""
    file_name = "-".join((name, choice.session.source, provenance.model))
    subject = Subject(choice.session.source, len(choice.session.records), is_set=True)
    meta = told(subject, provenance, settings)
    exhibits.note(lambda: Table(name, dict(columns()), "", meta, file_name, dict(arrays)), arrays, columns)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _table_and_arrays(file_name, meta, columns, arrays, key=f"{name}_")


def _table_and_arrays(
    name: str,
    meta: Mapping[str, Any],
    columns: Callable[[], Mapping[str, Sequence[Any]]],
    arrays: Mapping[str, Any],
    key: str = "",
) -> None:
    npz = "application/octet-stream"
    _download("CSV", lambda: export.csv_bytes(columns()), name, "csv", "text/csv", key)
    _download("NPZ", lambda: export.npz_bytes(arrays, meta), name, "npz", npz, key)


def _downloads(
    name: str,
    fig: Any,
    title: str,
    meta: Mapping[str, Any],
    columns: Callable[[], Mapping[str, Sequence[Any]]],
    arrays: Mapping[str, Any],
    key: str = "",
) -> None:
    """The numbers as CSV and NPZ, the figure as one offline HTML file, and what the camera saves."""
    notes = [f"{key}: {value}" for key, value in meta.items() if value not in (None, "", ())]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _table_and_arrays(name, meta, columns, arrays, key)
        _download(
            "Figure as HTML", lambda: export.html_bytes(fig, title, notes), name, "html", "text/html", key
        )
        if key:
            return  # the choice stands below the first figure
        st.caption("The figure's camera saves")
        st.segmented_control(
            "The camera above the figure saves",
            ["SVG", "PNG"],
            default="SVG",
            required=True,
            key="image_format",
            label_visibility="collapsed",
            help="Format of the image that the camera in the figure's upper right corner saves.",
        )


def _download(
    label: str, data: Callable[[], bytes], name: str, suffix: str, mime: str, key: str = ""
) -> None:
    file_name = export.download_name("esmviz", name, suffix=suffix)
    made_on_click(label, data, file_name, mime, key=f"download_{key}{suffix}")


def download_csv(name: str, subject: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """A table alone, as a file."""
    _download("CSV", lambda: export.csv_bytes(columns), f"{name}-{subject}", "csv", "text/csv", f"{name}_")


def download_listed(name: str, subject: str, shown: Table, records: Sequence[ProteinRecord]) -> None:
    """The proteins of a table that follows a selection: the table, and their sequences."""
    which, key = f"{name}-{shown.title}-{subject}", f"{name}_listed_"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _download("CSV", lambda: export.csv_bytes(shown.columns), which, "csv", "text/csv", key)
        _download("FASTA", lambda: export.fasta_bytes(records), which, "fasta", "text/plain", key)


def how_to_read(text: str, citation: str, doi: str) -> None:
    """What a picture means and does not mean, with its source."""
    with st.expander("How to read this"):
        st.markdown(text)
        st.caption(f"{citation} [doi:{doi}](https://doi.org/{doi})")


def ranking(title: str, columns: Mapping[str, Sequence[Any]], *, height: int = 320, note: str = "") -> None:
    """A ranked table beside the picture: its twin for screen readers."""
    exhibits.note(lambda: Table(title, columns, note), columns)
    st.markdown(f"**{title}**")
    st.dataframe(_shown(columns), hide_index=True, height=height, key=f"table_{plain(title)}")
    if note:
        st.caption(plain(note))


def facts(values: Mapping[str, str]) -> None:
    """A few numbers that sum the picture up."""
    exhibits.note(lambda: Facts(values))
    lines = "  \n".join(f"{plain(name)}: **{plain(value)}**" for name, value in values.items())
    st.markdown(lines)
