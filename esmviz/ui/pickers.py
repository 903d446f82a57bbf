"""Controls that single pages add to the sidebar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import streamlit as st

from esmviz.panels import LogitsLook, MapLook, colouring, tables, texts
from esmviz.panels.caution import no_effects
from esmviz.panels.clusters import most_neighbours
from esmviz.panels.logits import MASKED, MOST_RESIDUES, SCHEMES, SHOWN
from esmviz.types import ModelSpec, ProteinRecord
from esmviz.ui import cautions
from esmviz.ui import session as sessions
from esmviz.ui.errors import plain
from esmviz.ui.frame import Choice
from esmviz.ui.resources import workbench
from esmviz.views.mutations import RowOrder

MAX_CELLS = 1024  # a heatmap of up to 1024 x 1024 cells travels exactly; above, block means
SMALL_WORK = 1e12  # residues x parameters that two cores compute in seconds, so that no button is needed


MOST_GROUPS = 100  # of k-means: nobody tells more apart in a picture, and each costs time

ITSELF = "itself"


def pick_other(choice: Choice) -> ProteinRecord | None:
    """The protein to compare with; None is the protein itself."""
    ids = [record.id for record in choice.session.records if record.id != choice.record.id]
    picked = st.sidebar.selectbox("Compare with", [ITSELF, *ids], key="other")
    other = None if picked == ITSELF else choice.session.record(picked)
    if other is not None:
        cautions.tell_if_long(choice.spec, other)
    return other


def pick_head(choice: Choice) -> int:
    """The head slider: 1-based for people, the 0-based head comes back."""
    session, n_heads = choice.session, choice.spec.n_heads
    if not 0 <= session.head < n_heads:
        asked = f"head {session.head + 1} was asked for"
        st.warning(plain(f"{choice.spec.name} has heads 1 to {n_heads}; {asked}."))
        session.choose(head=0)
    if n_heads > 1:
        follow = session.follow("head", session.head + 1, lambda number: number - 1)
        st.sidebar.slider("Head", 1, n_heads, **follow)
    sessions.write_url(session)
    return session.head


def pick_parts(record: ProteinRecord, other: ProteinRecord | None = None) -> tuple[slice, slice]:
    """The residues that are drawn, for rows and columns; a slider only for proteins too long for exact cells."""
    rows = _pick_part(record, "part")
    return rows, rows if other is None else _pick_part(other, "part_other")


def pick_stretch(record: ProteinRecord, most: int) -> slice:
    """The residues that are drawn along a protein; a slider only for one of more than `most` residues."""
    return _pick_part(record, "stretch", most)


def _pick_part(record: ProteinRecord, key: str, most: int = MAX_CELLS) -> slice:
    n = len(record)
    if n <= most:
        return slice(0, n)
    tip = f"Up to {most} residues are drawn exactly, more as means over blocks. Downloads hold every one."
    # The key holds the length: Streamlit keeps a slider's value, which another protein might not reach.
    first, last = st.sidebar.slider(f"Residues of {n:,}", 1, n, (1, n), key=f"{key}_{n}", help=tip)
    return slice(first - 1, last)


def pick_map(n_proteins: int) -> MapLook:
    """Controls of the map and of the groups."""
    method = st.sidebar.selectbox("Map", ["UMAP", "PCA"], key="map").lower()
    params: dict[str, Any] = {}
    usual = MapLook.usual(n_proteins)
    if method == "umap":
        most, start = most_neighbours(n_proteins), usual.params["n_neighbors"]
        tip = "Few: fine structure. Many: the large picture."
        params["n_neighbors"] = st.sidebar.slider(
            "Neighbours", 2, most, start, key=f"neighbours_{most}", help=tip
        )
        params["min_dist"] = st.sidebar.slider(
            "Least distance on the map", 0.0, 0.99, usual.params["min_dist"], key="min_dist"
        )
        params["seed"] = int(st.sidebar.number_input("Seed", 0, 10_000, usual.params["seed"], key="seed"))
    grouping = st.sidebar.selectbox("Groups by", ["HDBSCAN", "k-means"], key="grouping")
    if grouping == "HDBSCAN":
        most = max(2, n_proteins)
        default = usual.group_params["min_cluster_size"]
        size = st.sidebar.number_input("Smallest group", 2, most, default, key=f"smallest_{most}")
        return MapLook(method, params, "hdbscan", {"min_cluster_size": int(size)})
    most, tip = min(n_proteins, MOST_GROUPS), f"From 1 to {min(n_proteins, MOST_GROUPS)}."
    k = st.sidebar.number_input(
        "Number of groups", 1, most, min(7, n_proteins), key=f"k_{n_proteins}", help=tip
    )
    return MapLook(method, params, "kmeans", {"k": int(k), "seed": 0})


def pick_colour(records: Sequence[ProteinRecord]) -> str:
    """What the points are coloured by: a label, the cluster or the length."""
    colours = colouring.colours(records)
    n_labels = len(colours) - len(colouring.OURS)
    tip = f"The {n_labels} labels that most proteins have." if n_labels == tables.MOST_LABELS else None
    # The key holds the colours: with other labels the map begins with the best of them, not with what was the best before.
    key = f"colour_{crc32(repr(colours).encode()) % 10**9}"
    return str(st.sidebar.selectbox("Colour by", colours, key=key, help=tip))


def wants_all(choice: Choice, verb: str, slot: str) -> bool:
    """Whether the whole set may be computed now: at once when that takes seconds, else after the button."""
    records, spec = choice.session.records, choice.spec
    n_residues = sum(map(len, records))
    asked = (len(records), n_residues, spec.name)
    label = f"{verb} {len(records):,} protein" + "s" * (len(records) != 1)
    pressed = st.sidebar.button(label, key="run", type="primary")
    if pressed:
        choice.session.asked[slot] = asked
        choice.session.cancelled.pop(slot, None)
    is_here = workbench().status(spec.name).present and not spec.host
    small = is_here and n_residues * spec.n_parameters < SMALL_WORK
    if small or choice.session.asked.get(slot) == asked:
        return True
    work = f"{len(records):,} proteins with {n_residues:,} residues through {spec.title or spec.name}"
    st.info(
        f"{plain(work)} take a while. "
        "The button in the sidebar starts it; you can walk the other pages meanwhile."
    )
    return False


def pick_logits(record: ProteinRecord) -> LogitsLook:
    """What is shown of the logits, and by which scheme they are computed."""
    show = str(st.sidebar.selectbox("Show", SHOWN, key="show_logits"))
    scheme = str(st.sidebar.radio("Scheme", SCHEMES, key="scheme", help=texts.SCHEME_TIP))
    st.sidebar.button(
        "Run masked marginals",
        key="run",
        type="primary",
        on_click=st.session_state.__setitem__,
        args=("scheme", MASKED),
        disabled=scheme == MASKED,
    )
    order: RowOrder = "field"
    if show in ("mutations", "probabilities"):
        orders: dict[RowOrder, str] = {
            "field": "charge to aromatic",
            "property": "property",
            "alphabet": "alphabet",
        }
        names: list[RowOrder] = list(orders)
        order = st.sidebar.selectbox("Rows by", names, key="row_order", format_func=orders.__getitem__)
    return LogitsLook(pick_stretch(record, MOST_RESIDUES), show, scheme, order)


def say_if_no_effects(spec: ModelSpec) -> None:
    """A model that is known not to predict effects says so, here and wherever the picture is shown."""
    cautions.tell(no_effects(spec, workbench().specs().values()))
