"""What the proteins on a map are coloured by: a label, a measurement among the labels, the cluster or the length."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from esmviz.panels.tables import label_names
from esmviz.types import FloatArray, ProteinRecord
from esmviz.views.scatter import MOST_GROUPS

OURS = ("cluster", "length")
MOST_CODES = 12  # so few different numbers are names of groups, however few proteins have each
CODES = frozenset(
    {"family", "cluster", "ox", "taxid", "taxonid", "taxonomyid", "ncbitaxid", "ec"}
)  # never a scale
BLANKS = frozenset({"NA", "na", "-", "--", ".", "?", "nd", "ND", "n.d.", "N.D.", "none", "None", "missing"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def colour_name(label: str) -> str:
    """What a label is called among the colours, where ``cluster`` and ``length`` are ours.

    >>> colour_name("family"), colour_name("cluster")
    ('family', 'cluster (label)')
    """
    return f"{label} (label)" if label in OURS else label


def colours(records: Sequence[ProteinRecord]) -> list[str]:
    """All that points can be coloured by, the one to begin with first.

    ``family``, then labels of a few groups, of many groups, measurements, and the rest, each by how many proteins have
    them; clusters and lengths last.
    """
    counts = Counter(name for record in records for name in record.labels)

    def usefulness(name: str) -> tuple[bool, int, int, str]:
        return (name != "family", _kind(records, colour_name(name)), -counts[name], name)

    return [*map(colour_name, sorted(label_names(records), key=usefulness)), *OURS]


def _kind(records: Sequence[ProteinRecord], colour: str) -> int:
    """0 for a few groups, 1 for many, 2 for a measurement, 3 for what tells each protein or none apart."""
    if measurements(records, colour) is not None:
        return 2
    sizes = Counter(filter(None, label_values(records, colour)))
    if not 2 <= len(sizes) <= sizes.total() // 2:
        return 3
    return int(len(sizes) > MOST_GROUPS)


def measurements(records: Sequence[ProteinRecord], colour: str) -> FloatArray | None:
    """A label as numbers on a scale, NaN where a protein has none; None where it names groups.

    Numbers are names where many proteins share each: up to ``MOST_CODES`` different ones are, as are up to as many as a
    legend has room for where two proteins or more share each on average, and so is a label that is called so.

    Parameters
    ----------
    records : sequence of ProteinRecord, length N
    colour : str
        As ``colours`` has it.

    Returns
    -------
    values : ndarray, shape=(N,), dtype=float32, or None
    """
    texts = [text.strip() for text in label_values(records, colour)]
    known = [text for text in texts if text and text not in BLANKS]
    plain = re.sub(r"[\s_-]", "", colour.removesuffix(" (label)").lower())
    if plain in CODES or not all(map(_is_number, known)):
        return None
    n_different = len(set(map(float, known)))
    if n_different <= MOST_CODES or n_different <= min(MOST_GROUPS, len(known) // 2):
        return None
    return np.array([float(text) if _is_number(text) else np.nan for text in texts], dtype=np.float32)


def _is_number(text: str) -> bool:
    """As people write one, and finite in float32, in which colours are computed."""
    return len(text) <= 40 and _NUMBER.fullmatch(text) is not None and abs(float(text)) < 1e38


def label_values(records: Iterable[ProteinRecord], colour: str) -> list[str]:
    """The label of each protein behind a colour, ``""`` where it has none."""
    label = next((own for own in OURS if colour == colour_name(own)), "" if colour in OURS else colour)
    return [record.labels.get(label, "") for record in records]


def colour_groups(
    records: Sequence[ProteinRecord], colour: str, clusters: Sequence[str]
) -> Sequence[str] | FloatArray:
    """What each point is coloured by: text is a category, numbers are a scale, NaN where a protein has none."""
    if colour == "cluster":
        return list(clusters)
    if colour == "length":
        return np.array([len(record) for record in records], dtype=np.float32)
    numbers = measurements(records, colour)
    return [v or "unlabelled" for v in label_values(records, colour)] if numbers is None else numbers
