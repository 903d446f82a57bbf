"""A set of vectors as a map or as groups: what analysis is asked for, and what a small set gets instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from esmviz.models.base import read_only
from esmviz.types import EmbeddingSet, IntArray, Projection

UMAP_NEEDS = 4  # proteins; its neighbour graph and its start layout are defined from there on


def project(embeddings: EmbeddingSet, method: str, params: Mapping[str, Any]) -> Projection:
    """Points of a set on a map; its ``params`` hold every parameter used, and a note where it differs.

    Parameters
    ----------
    method : {'umap', 'pca'}
    params : Mapping
        Arguments of the function of that name in ``analysis/projection.py``.
    """
    from esmviz.analysis import projection

    n = len(embeddings.ids)
    if method == "umap" and n < UMAP_NEEDS:
        used = {name: params[name] for name in params.keys() & {"n_components"}}
        note = f"UMAP needs at least {UMAP_NEEDS} proteins; this is PCA."
        done = project(embeddings, "pca", used)
        return Projection(done.ids, done.coords, "pca", {**done.params, "note": note})
    functions: dict[str, Callable[..., Any]] = {"umap": projection.umap, "pca": projection.pca}
    if method not in functions:
        raise ValueError(f"no projection {method!r}, only {', '.join(functions)}")
    used = _all_params(functions[method], params)
    note = ""
    if method == "umap" and used["n_neighbors"] >= n:
        note = f"n_neighbors is {n - 1} instead of {used['n_neighbors']}: there are {n} proteins."
        used["n_neighbors"] = n - 1
    result = functions[method](embeddings.vectors, **used)
    if isinstance(result, tuple):
        result, used["explained_ratio"] = result[0], [float(share) for share in result[1]]
    return Projection(embeddings.ids, read_only(result), method, {**used, **({"note": note} if note else {})})


def cluster(embeddings: EmbeddingSet, method: str, params: Mapping[str, Any]) -> IntArray:
    """Cluster of each protein, -1 for noise.

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
    clusters: IntArray = np.array(functions[method](embeddings.vectors, **params), dtype=np.int64)
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
