"""A set of vectors as a map or as groups: what analysis is asked for, and what a small set gets instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from esmviz import apart
from esmviz.models.base import read_only
from esmviz.types import EmbeddingSet, IntArray, Projection


def project(embeddings: EmbeddingSet, method: str, params: Mapping[str, Any]) -> Projection:
    """Points of a set on a map; its ``params`` hold every parameter used, and a note where it differs.

    Parameters
    ----------
    method : {'umap', 'pca'}
    params : Mapping
        Arguments of the function of that name in ``analysis/projection.py``.
    """
    from esmviz.analysis import projection

    if method == "pca":
        used = _all_params(projection.pca, params)
        coords, explained = projection.pca(embeddings.vectors, **used)
        used["explained"] = [float(share) for share in explained]
        return Projection(embeddings.ids, read_only(coords), method, used)
    if method != "umap":
        raise ValueError(f"no projection {method!r}, only umap and pca")
    used, n = _all_params(projection.umap, params), len(embeddings.ids)
    fewest = max(projection.FEWEST_FOR_UMAP, used["n_components"] + 2)
    if n < fewest:
        small = project(embeddings, "pca", {"n_components": used["n_components"]})
        note = f"UMAP needs at least {fewest} proteins; this is PCA."
        return replace(small, params={**small.params, "note": note})
    wanted = used["n_neighbors"]
    used["n_neighbors"] = projection.umap_neighbors(n, wanted)
    coords = projection.umap(embeddings.vectors, **used)
    if used["n_neighbors"] < wanted:
        used["note"] = f"n_neighbors is {used['n_neighbors']} instead of {wanted}: there are {n} proteins."
    return Projection(embeddings.ids, read_only(coords), method, used)


def cluster_steps(
    embeddings: EmbeddingSet, method: str, params: Mapping[str, Any]
) -> Generator[None, None, IntArray]:
    """Cluster of each protein, -1 for noise; yields while another process works on a large set.

    Parameters
    ----------
    method : {'hdbscan', 'kmeans'}
    params : Mapping
        Arguments of the function of that name in ``analysis/clustering.py``.
    """
    from esmviz.analysis import clustering

    functions: dict[str, Callable[..., Any]] = {"hdbscan": clustering.hdbscan, "kmeans": clustering.kmeans}
    if method not in functions:
        raise ValueError(f"no clustering {method!r}, only {', '.join(functions)}")
    if len(embeddings.ids) > apart.SMALL:
        found = yield from apart.group_steps(method, embeddings.vectors, params)
    else:
        found = functions[method](embeddings.vectors, **params)
    clusters: IntArray = np.array(found, dtype=np.int64)
    clusters.setflags(write=False)
    return clusters


def warm_up() -> None:
    """Import UMAP and have its functions compiled: the first map then takes no longer than the next."""
    vectors = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32)
    names = tuple(map(str, range(len(vectors))))
    project(EmbeddingSet(names, vectors, "", "", 0, "mean", "float32"), "umap", {})


def _all_params(function: Callable[..., Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments given and the function's own defaults for the rest."""
    known = inspect.signature(function).parameters.values()
    defaults = {p.name: p.default for p in known if p.default is not p.empty}
    return {**defaults, **params}
