"""Axes of residues: a category per cell, so that hover reads ``M1`` without a text for every cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from esmviz import labels
from esmviz.types import IntArray, ProteinRecord

Edges = Sequence[int] | IntArray  # 0-based borders of cells, one more than there are cells
WINDOW = 150  # positions that a wide figure shows at first: beyond, the letters' rows are too narrow to read
_STEPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True)
class ResidueAxis:
    """One label per cell (``M1``, or ``M1–K4`` for a block), which cells get a tick, and the cells' 0-based borders."""

    cells: tuple[str, ...]
    ticks: tuple[int, ...]
    tick_texts: tuple[str, ...]
    title: str
    edges: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def is_exact(self) -> bool:
        """Whether every cell is one residue."""
        return self.edges[-1] - self.edges[0] == len(self)

    @property
    def note(self) -> str:
        """For the caption: that cells are means where they are."""
        return "" if self.is_exact else "cells are means over blocks of residues"

    def layout(self) -> dict[str, Any]:
        """Properties for a plotly axis; panning stops at the first and the last cell."""
        return {
            "type": "category",
            "tickmode": "array",
            "tickvals": [self.cells[tick] for tick in self.ticks],
            "ticktext": list(self.tick_texts),
            "title": {"text": self.title},
            "ticks": "outside",
            "ticklen": 4,
            "showgrid": False,
            "zeroline": False,
            "minallowed": -0.5,
            "maxallowed": len(self) - 0.5,
        }


def residue_axis(
    record: ProteinRecord,
    n_cells: int,
    title: str,
    *,
    start: int = 0,
    step: int = 1,
    edges: Edges | None = None,
    most_ticks: int = 13,
) -> ResidueAxis:
    """Axis over ``n_cells`` cells of a protein.

    Parameters
    ----------
    start, step : int
        0-based first residue and residues per cell; the last cell may hold fewer.
    edges : sequence of int, shape=(n_cells + 1,), optional
        0-based borders of cells of unequal size, instead of ``start`` and ``step``.
    most_ticks : int
        Ticks are 10, 20, 50, 100, ... residues apart, as close as this number allows.

    Raises
    ------
    ValueError
        When the cells do not fit the protein.
    """
    if edges is None:
        edges = [min(start + step * cell, len(record)) for cell in range(n_cells + 1)]
    edges = [int(edge) for edge in edges]
    if len(edges) != n_cells + 1 or edges[-1] > len(record) or any(a >= b for a, b in pairwise(edges)):
        raise ValueError(f"{n_cells} cells do not fit a protein of {len(record)} residues")
    names = labels.residue_labels(record.sequence)
    cells = [_cell(names, first, stop) for first, stop in pairwise(edges)]
    positions = tick_positions(edges[0], edges[-1], most_ticks)
    ticks = [next(cell for cell in range(n_cells) if edges[cell + 1] > position) for position in positions]
    texts = tuple(names[position] for position in positions)
    return ResidueAxis(tuple(cells), tuple(ticks), texts, title, tuple(edges))


def _cell(names: Sequence[str], first: int, stop: int) -> str:
    return names[first] if stop - first == 1 else f"{names[first]}–{names[stop - 1]}"


def tick_positions(start: int, stop: int, most_ticks: int = 13) -> list[int]:
    """0-based residues of the half-open range that get a tick: the first, round numbers, and the last.

    >>> [position + 1 for position in tick_positions(0, 142, most_ticks=9)]
    [1, 20, 40, 60, 80, 100, 120, 142]
    """
    step = next((step for step in _STEPS if (stop - start) / step <= most_ticks), _STEPS[-1])
    round_ones = range((start // step + 1) * step - 1, stop - 1, step)
    room = 0.6 * step  # a round number closer than this to either end would touch its label
    between = [
        position for position in round_ones if position - start >= room and stop - 1 - position >= room
    ]
    return sorted({start, *between, stop - 1})
