"""The controls of the attention page, as one value."""

from __future__ import annotations

import streamlit as st

from esmviz.panels import texts
from esmviz.panels.look import ALL_HEADS, CONTACTS, Kind, Look
from esmviz.types import HeadStatistic, KeepHeads, OverHeads, Probe, Rollout
from esmviz.ui.frame import Choice, pick_layer
from esmviz.ui.pickers import pick_head

CORRECTIONS: dict[str, Kind] = {"none": "attention", "symmetrised": "symmetric", "symmetrised + APC": "apc"}
APC_TIP = (
    "Symmetrised: the mean of both directions. APC, the average product correction, also subtracts what a residue "
    "shares with all others."
)


def pick_look(choice: Choice) -> Look:
    """Draw the controls in the sidebar and read them."""
    options = ["one head", "all heads", "heads in numbers", "mean over heads", "max over heads", "rollout"]
    if "contacts" in choice.spec.provides:
        options.append("contacts")
    if st.session_state.get("show") not in options:
        st.session_state["show"] = st.session_state.pop("show_next", options[0])
    show = str(st.sidebar.selectbox("Show", options, key="show"))
    if show == "all heads":
        return ALL_HEADS
    if show == "heads in numbers":
        name = st.sidebar.selectbox(
            "Number", list(texts.STATISTICS), key="statistic", format_func=texts.STATISTICS.__getitem__
        )
        return Look(show, HeadStatistic(name), "heads")
    if show == "contacts":
        return CONTACTS
    if show == "rollout":
        return Look(show, Rollout(*_pick_layers(choice)), "rollout")
    return _pick_map(choice, show)


def _pick_map(choice: Choice, show: str) -> Look:
    """One head, or the mean or maximum over heads, and what is done to it."""
    probe: Probe
    layer = head = None
    if show == "one head":
        layer, head = pick_layer(choice, 1), pick_head(choice)
        probe = KeepHeads(layer, (head,))
    else:
        first, last = _pick_layers(choice)
        probe = OverHeads(first, last, "mean" if show.startswith("mean") else "max")
    kind = CORRECTIONS[
        str(st.sidebar.selectbox("Correction", list(CORRECTIONS), key="correction", help=APC_TIP))
    ]
    fixed = kind == "attention" and st.sidebar.toggle(
        "Colours from 0 to 1", key="fixed_range", help=texts.RANGE_TIP
    )
    return Look(show, probe, kind, layer, head, (0.0, 1.0) if fixed else None)


def _pick_layers(choice: Choice) -> tuple[int, int]:
    if choice.spec.n_layers == 1:
        return 1, 1
    key = f"layers_{choice.spec.name}"
    first, last = st.sidebar.slider("Layers", 1, choice.spec.n_layers, (1, choice.spec.n_layers), key=key)
    return int(first), int(last)


def open_head(choice: Choice, picked: tuple[int, int] | None) -> None:
    """Show the head that was clicked."""
    if picked is not None:
        choice.session.choose(layer=picked[0], head=picked[1])
        st.session_state.pop("show", None)
        st.session_state["show_next"] = "one head"
        st.rerun()
