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
MOST_CODES = 12  # so few different numbers may be names of groups
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def colour_name(label: str) -> str:
    """What a label is called among the colours, where ``cluster`` and ``length`` are ours.

    >>> colour_name("family"), colour_name("cluster")
    ('family', 'cluster (label)')
    """
    return f"{label} (label)" if label in OURS else label


def colours(records: Sequence[ProteinRecord]) -> list[str]:
    """All that points can be coloured by, the one to begin with first.

    ``family``, then labels that tell groups apart, then measurements, then the rest, each by how many proteins have
    them; clusters and lengths last.
    """
    counts = Counter(name for record in records for name in record.labels)

    def usefulness(name: str) -> tuple[bool, int, int, str]:
        return (name != "family", _kind(label_values(records, colour_name(name))), -counts[name], name)

    return [*map(colour_name, sorted(label_names(records), key=usefulness)), *OURS]


def _kind(values: Sequence[str]) -> int:
    """0 for a few groups, 1 for a measurement, 2 for what tells each protein or none apart."""
    if is_measurement(values):
        return 1
    sizes = Counter(filter(None, values))
    return 0 if 2 <= len(sizes) <= min(MOST_GROUPS, sizes.total() // 2) else 2


def is_measurement(values: Iterable[str]) -> bool:
    """Whether labels are numbers on a scale: all of them numbers, and more different ones than groups would have.

    >>> is_measurement(["1.5", "", *map(str, range(12))])
    True
    >>> is_measurement(["1", "2", "1"])
    False
    """
    different = {value.strip() for value in values} - {""}
    return len(different) > MOST_CODES and all(map(_is_number, different))


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
    values = label_values(records, colour)
    if is_measurement(values):
        return np.array([float(value) if value.strip() else np.nan for value in values], dtype=np.float32)
    return [value or "unlabelled" for value in values]
