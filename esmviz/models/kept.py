"""What a request keeps of the states while the network runs: pooled, whole, or both."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esmviz.models.attention import Pack
from esmviz.models.base import read_only, resolve_layers
from esmviz.types import FloatArray, ModelSpec, Pooling, Request


class Kept:
    """Hidden states that a request keeps of each protein of a row, gathered layer by layer."""

    def __init__(self, request: Request, spec: ModelSpec, pack: Pack) -> None:
        self.layers = resolve_layers(request.layers, spec)
        self._pooling = request.pooling
        self._keeps_residues = request.keep_residues or request.pooling is None
        self._bounds = pack.bounds
        self._pooled: dict[int, NDArray[np.float32]] = {}
        self._hidden: dict[int, NDArray[np.float32]] = {}

    def take(self, layer: int, x: Tensor) -> None:
        """Keep what is wanted of the states (tokens, D) after a layer."""
        if layer not in self.layers:
            return
        if self._pooling is not None:
            rows = [_pool(x[start:stop], self._pooling) for start, stop in self._bounds]
            self._pooled[layer] = torch.stack(rows).cpu().numpy()
        if self._keeps_residues:
            self._hidden[layer] = x.float().cpu().numpy()

    def pooled(self, index: int) -> FloatArray | None:
        """Vectors (n, D) of one protein."""
        if not self._pooled:
            return None
        return read_only(np.stack([self._pooled[layer][index] for layer in self.layers]))

    def hidden(self, index: int) -> FloatArray | None:
        """States (n, L, D) of one protein's residues."""
        if not self._hidden:
            return None
        start, stop = self._bounds[index]
        return read_only(np.stack([self._hidden[layer][start + 1 : stop - 1] for layer in self.layers]))


def _pool(x: Tensor, how: Pooling) -> Tensor:
    """Vector (D,) of one protein from the states (L + 2, D) of its tokens."""
    if how == "bos":
        return x[0].float()
    residues = x[1:-1].float()
    return residues.mean(0) if how == "mean" else residues.amax(0)
