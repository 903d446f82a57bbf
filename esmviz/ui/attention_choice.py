"""The controls of the attention page, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from esmviz.types import ContactHead, HeadStatistic, KeepHeads, OverHeads, Probe, Rollout, Thumbnails
from esmviz.ui import texts
from esmviz.ui.frame import Choice, pick_layer
from esmviz.ui.pickers import pick_head

Kind = Literal["attention", "symmetric", "apc", "rollout", "contacts", "grid", "heads"]

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
        if not isinstance(self.probe, OverHeads | Rollout):
            return ""
        span = (
            f"layer {self.probe.first}"
            if self.probe.first == self.probe.last
            else f"layers {self.probe.first} to {self.probe.last}"
        )
        if isinstance(self.probe, Rollout):
            return f"rollout through {span}"
        return f"{self.probe.how} over all heads of {span}"

    @property
    def rows_are_shares(self) -> bool:
        """Whether what a row lacks to 1 is what went to the special tokens; maxima never summed to 1."""
        is_maximum = isinstance(self.probe, OverHeads) and self.probe.how == "max"
        return self.kind != "contacts" and not is_maximum

    def lost(self, share: float) -> str:
        """The mean share that a row lacks, in words."""
        if not self.rows_are_shares:
            return ""
        return texts.share_from_ends(share) if self.kind == "rollout" else texts.share_lost(share)

    @property
    def is_directed(self) -> bool:
        """Whether a pair and its reverse are two things."""
        return self.kind in ("attention", "rollout")

    @property
    def value(self) -> str:
        """What a cell is, as the name of a column and an array."""
        if isinstance(self.probe, HeadStatistic):
            return self.probe.name
        return {"contacts": "contact_probability", "grid": "block_means", "rollout": "rollout"}.get(
            self.kind, "attention"
        )

    @property
    def measure(self) -> str:
        """By what heads are ranked, with its unit."""
        return texts.STATISTICS[self.probe.name if isinstance(self.probe, HeadStatistic) else "distance"]

    @property
    def pair_names(self) -> tuple[str, str]:
        """Names of the two columns of residues in a list of pairs."""
        return "residue", {"attention": "attends to", "rollout": "takes from"}.get(self.kind, "with")

    @property
    def text(self) -> tuple[str, str, str]:
        """How to read it."""
        return {
            "contacts": texts.CONTACTS,
            "grid": texts.GRID,
            "heads": texts.HEADS,
            "rollout": texts.ROLLOUT,
            "apc": texts.CORRECTED,
        }.get(self.kind, texts.ATTENTION)


def pick_look(choice: Choice) -> Look:
    """Draw the controls in the sidebar and read them."""
    options = ["one head", "all heads", "heads in numbers", "mean over heads", "max over heads", "rollout"]
    if "contacts" in choice.spec.provides:
        options.append("contacts")
    if st.session_state.get("show") not in options:
        st.session_state["show"] = st.session_state.pop("show_next", options[0])
    show = str(st.sidebar.selectbox("Show", options, key="show"))
    if show == "all heads":
        return Look(show, Thumbnails(), "grid")
    if show == "heads in numbers":
        name = st.sidebar.selectbox(
            "Number", list(texts.STATISTICS), key="statistic", format_func=texts.STATISTICS.__getitem__
        )
        return Look(show, HeadStatistic(name), "heads")
    if show == "contacts":
        return Look(show, ContactHead(), "contacts")
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
