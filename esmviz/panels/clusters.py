"""How a set of proteins falls into groups: a map of one vector for each, and clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from esmviz import views
from esmviz.analysis import clustering
from esmviz.exhibit import Facts, Table
from esmviz.labels import windows_label
from esmviz.panels import colouring, tables, texts
from esmviz.panels.panel import Panel, Spread, Subject
from esmviz.types import EmbeddingSet, IntArray, Projection, ProteinRecord, Provenance


@dataclass(frozen=True)
class MapLook:
    """How a set is laid out and grouped."""

    method: str = "umap"
    params: dict[str, Any] = field(default_factory=dict)
    grouping: str = "hdbscan"
    group_params: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def usual(cls, n_proteins: int) -> MapLook:
        """What a page shows first."""
        params = {"n_neighbors": usual_neighbours(n_proteins), "min_dist": 0.1, "seed": 0}
        return cls("umap", params, "hdbscan", {"min_cluster_size": usual_smallest(n_proteins)})

    @property
    def group_facts(self) -> dict[str, Any]:
        """How it is grouped, under names that the map has none of: both have a seed."""
        return {"groups": self.grouping} | {f"groups {name}": v for name, v in self.group_params.items()}


def most_neighbours(n_proteins: int) -> int:
    """Of UMAP."""
    return max(3, min(100, n_proteins - 1))


def usual_neighbours(n_proteins: int) -> int:
    """Of UMAP, unless somebody chooses."""
    return min(15, most_neighbours(n_proteins))


def usual_smallest(n_proteins: int) -> int:
    """Proteins of the smallest group of HDBSCAN, unless somebody chooses."""
    return min(max(2, n_proteins), 3 if n_proteins < 100 else max(5, round(n_proteins / 100)))


@dataclass(frozen=True)
class Grouped:
    """A set with its vectors, its map and its clusters."""

    records: Sequence[ProteinRecord]
    embeddings: EmbeddingSet
    projection: Projection
    clusters: IntArray

    def listed(self, picked: Sequence[int] = ()) -> Table:
        """The proteins, or those that were picked."""
        chosen = picked or range(len(self.records))
        return Table(
            "Selected proteins" if picked else "Proteins",
            tables.proteins(self.records, chosen, self.clusters),
        )

    def chosen(self, picked: Sequence[int] = ()) -> Sequence[ProteinRecord]:
        """What ``listed`` lists."""
        return [self.records[index] for index in picked] or self.records

    @property
    def is_mostly_noise(self) -> bool:
        """Whether more than half are in no group."""
        return 2 * sum(int(cluster) < 0 for cluster in self.clusters) > len(self.clusters)

    def facts(self, colour: str) -> Facts:
        """How many groups, how much noise, and how well they match the labels."""
        clusters, names = self.clusters, colouring.label_values(self.records, colour)
        n_noise = sum(int(cluster) < 0 for cluster in clusters)
        n_groups = len({int(cluster) for cluster in clusters} - {-1})
        found = str(n_groups) if n_groups else "none (HDBSCAN finds two or more, or none)"
        values = {"Groups": found, "Noise": f"{n_noise} of {len(clusters)} proteins"}
        agreement = clustering.agreement(clusters, names)
        if colouring.measurements(self.records, colour) is not None:
            values["Agreement with groups"] = f"none: {colour} is a scale"
        elif not math.isnan(agreement):
            values[f"Agreement with {colour} (adjusted Rand index)"] = f"{agreement:.2f}"
        return Facts(values)


def clusters(
    grouped: Grouped, look: MapLook, source: str, provenance: Provenance, *, pooling: str, colour: str
) -> Spread:
    """The map and the list of proteins; ``source`` names the set."""
    records, projection, vectors = grouped.records, grouped.projection, grouped.embeddings
    groups = colouring.colour_groups(records, colour, views.cluster_names(grouped.clusters))
    in_windows = {i: windows_label(w) for i, w in zip(vectors.ids, vectors.windows, strict=False) if w}
    told = f"{len(in_windows)} of {len(records)} proteins read in windows" if in_windows else ""
    note = " · ".join(filter(None, [f"{pooling} pooling", told]))
    text, citation, doi = texts.PRINCIPAL if projection.method == "pca" else texts.CLUSTERS
    figure = views.projection_scatter(
        projection, records, provenance, color_by=colour, groups=groups, note=note
    )
    panel = Panel(
        "clusters",
        figure,
        Subject(source, len(records), is_set=True),
        provenance,
        alt="Map of the proteins: near ones have similar vectors",
        text=(f"{text} {texts.GROUPINGS[look.grouping]}", citation, doi),
        columns=partial(tables.proteins, records, range(len(records)), grouped.clusters, projection.coords),
        arrays={
            "ids": list(vectors.ids),
            "vectors": vectors.vectors,
            "coordinates": projection.coords,
            "clusters": grouped.clusters,
        },
        settings={
            "pooling": pooling,
            "map": projection.method,
            **projection.params,
            **look.group_facts,
            **({"windows": in_windows} if in_windows else {}),
        },
    )
    return Spread(panel, (grouped.facts(colour), grouped.listed()))
