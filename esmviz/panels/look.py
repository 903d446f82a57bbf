"""What of the attention is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from esmviz.panels import texts
from esmviz.types import ContactHead, HeadStatistic, KeepHeads, OverHeads, Probe, Rollout, Thumbnails

Kind = Literal["attention", "symmetric", "apc", "rollout", "contacts", "grid", "heads"]


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
        return self.kind != "contacts" and not self.is_maximum

    @property
    def is_maximum(self) -> bool:
        """Whether a cell is the largest of all heads'."""
        return isinstance(self.probe, OverHeads) and self.probe.how == "max"

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
            "symmetric": texts.SYMMETRIC,
        }.get(self.kind, texts.MAXIMUM if self.is_maximum else texts.ATTENTION)


ALL_HEADS = Look("all heads", Thumbnails(), "grid")
CONTACTS = Look("contacts", ContactHead(), "contacts")


def one_head(layer: int, head: int) -> Look:
    """Attention of a head (0-based) as it is."""
    return Look("one head", KeepHeads(layer, (head,)), "attention", layer, head)
