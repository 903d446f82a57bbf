"""The controls of the attention page, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from esmviz.types import ContactHead, KeepHeads, OverHeads, Probe, Thumbnails
from esmviz.ui import texts
from esmviz.ui.frame import Choice, pick_layer
from esmviz.ui.pickers import pick_head

Kind = Literal["attention", "symmetric", "apc", "contacts", "grid"]

CORRECTIONS: dict[str, Kind] = {"none": "attention", "symmetrised": "symmetric", "symmetrised + APC": "apc"}
APC_TIP = (
    "Symmetrised: the mean of both directions. APC, the average product correction, also subtracts what a residue "
    "shares with all others."
)


@dataclass(frozen=True)
class Look:
    """What of the attention is shown, how it is corrected, and between which colours."""

    show: str
    probe: Probe
    kind: Kind
    layer: int | None = None
    head: int | None = None
    limits: tuple[float, float] | None = None

    @property
    def summary(self) -> str:
        """What was put together, for the caption; empty for one head."""
        if not isinstance(self.probe, OverHeads):
            return ""
        span = (
            f"layer {self.probe.first}"
            if self.probe.first == self.probe.last
            else f"layers {self.probe.first} to {self.probe.last}"
        )
        return f"{self.probe.how} over all heads of {span}"

    @property
    def rows_are_shares(self) -> bool:
        """Whether what a row lacks to 1 is what went to the special tokens; maxima never summed to 1."""
        is_maximum = isinstance(self.probe, OverHeads) and self.probe.how == "max"
        return self.kind != "contacts" and not is_maximum

    @property
    def value(self) -> str:
        """What a cell is, as the name of a column and an array."""
        return "contact_probability" if self.kind == "contacts" else "attention"

    @property
    def pair_names(self) -> tuple[str, str]:
        """Names of the two columns of residues in a list of pairs."""
        return "residue", "attends to" if self.kind == "attention" else "with"

    @property
    def text(self) -> tuple[str, str, str]:
        """How to read it."""
        if self.kind == "contacts":
            return texts.CONTACTS
        if self.kind == "grid":
            return texts.GRID
        return texts.CORRECTED if self.kind == "apc" else texts.ATTENTION


def pick_look(choice: Choice) -> Look:
    """Draw the controls in the sidebar and read them."""
    options = ["one head", "all heads", "mean over heads", "max over heads"]
    if "contacts" in choice.spec.provides:
        options.append("contacts")
    if st.session_state.get("show") not in options:
        st.session_state["show"] = st.session_state.pop("show_next", options[0])
    show = str(st.sidebar.selectbox("Show", options, key="show"))
    if show == "all heads":
        return Look(show, Thumbnails(), "grid")
    if show == "contacts":
        return Look(show, ContactHead(), "contacts")
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
    """Show the head that was clicked in the grid."""
    if picked is not None:
        choice.session.choose(layer=picked[0], head=picked[1])
        st.session_state.pop("show", None)
        st.session_state["show_next"] = "one head"
        st.rerun()
