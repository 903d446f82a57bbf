"""Around a figure: drawing it in the visitor's theme, what to read in it, the table beside it, the files from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from esmviz import __version__, export
from esmviz.exhibit import Facts, Picture, Table
from esmviz.labels import head_label, provenance_facts
from esmviz.types import Provenance
from esmviz.ui import exhibits, tables, texts
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
    exhibits.note(lambda: Picture(name, alt, fig.to_json()), *_cells(fig), is_picture=True)
    return _drawn(fig, name, alt, points)


def _cells(fig: Any) -> list[Any]:
    """What a figure holds on to."""
    names = ("x", "y", "z", "text", "customdata", "hovertext")
    return [getattr(trace, name, None) for trace in fig.data for name in names]


def _drawn(fig: Any, name: str, alt: str, points: bool) -> Any:
    if is_dark():  # figures are made for the light one
        fig.update_layout(template=theme.template(dark=True))
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


def panel(
    name: str,
    fig: Any,
    choice: Choice,
    provenance: Provenance,
    *,
    alt: str,
    text: tuple[str, str, str],
    columns: Callable[[], Mapping[str, Sequence[Any]]],
    arrays: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    points: bool = False,
    of_protein: bool = True,
) -> Any:
    """A figure with all that belongs under it: the files from it, and how to read it.

    Parameters
    ----------
    alt : str
        The figure in words, for who cannot see it.
    text : (str, str, str)
        One of ``texts``.
    columns, arrays
        The CSV file, made when it is asked for, and the NPZ file.
    settings : Mapping, optional
        What else made the figure; goes into the files beside the provenance.
    of_protein : bool
        Whether the files are about the chosen protein, else about the whole set.

    Returns
    -------
    points : list or None
        What the visitor selected, when ``points``.
    """
    selected = _drawn(fig, name, alt, points)
    subject = choice.record.id if of_protein else choice.session.source
    meta = _meta(choice, provenance, settings or {}, of_protein)
    parts = [name, subject, provenance.model] + (
        [f"layer{provenance.layer}"] if provenance.layer is not None else []
    )
    parts += [f"head{head_label(provenance.head)}"] if provenance.head is not None else []
    file_name, reading = "-".join(parts), _with_windows(text, provenance)
    exhibits.note(
        lambda: Picture(
            name, alt, fig.to_json(), provenance, meta, reading, file_name, dict(columns()), dict(arrays)
        ),
        *_cells(fig),
        arrays,
        columns,
        is_picture=True,
    )
    _downloads(file_name, fig, f"{choice.question} {subject}", meta, columns, arrays)
    how_to_read(*reading)
    return selected


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
    st.dataframe(tables.shown(shown.columns), hide_index=True, height=420, key=f"shown_{number}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _table_and_arrays(
            shown.file_name, shown.facts, lambda: shown.columns, shown.arrays, key=f"table{number}_"
        )


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
    meta = _meta(choice, provenance, settings, of_protein=False)
    exhibits.note(lambda: Table(name, dict(columns()), "", meta, file_name, dict(arrays)), arrays, columns)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _table_and_arrays(file_name, meta, columns, arrays, key=f"{name}_")


def _meta(
    choice: Choice, provenance: Provenance, settings: Mapping[str, Any], of_protein: bool
) -> dict[str, Any]:
    of = {"protein": choice.record.id} if of_protein else {"proteins": len(choice.session.records)}
    return {"esmviz": __version__, **of, **provenance_facts(provenance), **settings}


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


def _with_windows(text: tuple[str, str, str], provenance: Provenance) -> tuple[str, str, str]:
    return (f"{text[0]}\n\n{texts.WINDOWS}", *text[1:]) if provenance.windows else text


def how_to_read(text: str, citation: str, doi: str) -> None:
    """What a picture means and does not mean, with its source."""
    with st.expander("How to read this"):
        st.markdown(text)
        st.caption(f"{citation} [doi:{doi}](https://doi.org/{doi})")


def ranking(title: str, columns: Mapping[str, Sequence[Any]], *, height: int = 320, note: str = "") -> None:
    """A ranked table beside the picture: its twin for screen readers."""
    exhibits.note(lambda: Table(title, columns, note), columns)
    st.markdown(f"**{title}**")
    st.dataframe(tables.shown(columns), hide_index=True, height=height, key=f"table_{plain(title)}")
    if note:
        st.caption(plain(note))


def facts(values: Mapping[str, str]) -> None:
    """A few numbers that sum the picture up."""
    exhibits.note(lambda: Facts(values))
    lines = "  \n".join(f"{plain(name)}: **{plain(value)}**" for name, value in values.items())
    st.markdown(lines)


def cluster_facts(clusters: Sequence[int], colour: str, agreement: float | None) -> None:
    """How many groups, how much noise, and how well they match the labels."""
    n_noise = sum(int(cluster) < 0 for cluster in clusters)
    n_groups = len({int(cluster) for cluster in clusters} - {-1})
    values = {"Groups": str(n_groups), "Noise": f"{n_noise} of {len(clusters)} proteins"}
    if agreement is not None:
        values[f"Agreement with {colour} (adjusted Rand index)"] = f"{agreement:.2f}"
    facts(values)
