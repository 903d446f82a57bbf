"""A finished model made larger without changing what it computes, so that a next run has room to learn more."""

from dataclasses import replace

import torch
from torch import Tensor

from training.network import Shape


def widen(
    tensors: dict[str, Tensor], shape: Shape, d_hidden: int, generator: torch.Generator | None = None
) -> tuple[dict[str, Tensor], Shape]:
    """The same function with more hidden units in every feed-forward layer.

    What a new unit takes in is random, as at the start of a training; what it gives out is zero, so nothing changes
    until it is trained (Net2Net, Chen et al. 2016, by zeros in place of copies). ValueError where `d_hidden` is less
    than there is.
    """
    n_new = d_hidden - shape.d_hidden
    if n_new < 0:
        raise ValueError(f"the model has {shape.d_hidden} hidden units already, {d_hidden} is less")
    grown = dict(tensors)
    for block in (f"blocks.{i}." for i in range(shape.n_layers)):
        taken_in = torch.randn(n_new, shape.d_model, generator=generator) * shape.d_model**-0.5
        grown[f"{block}up.weight"] = torch.cat((tensors[f"{block}up.weight"], taken_in))
        grown[f"{block}up.bias"] = torch.cat((tensors[f"{block}up.bias"], torch.zeros(n_new)))
        given_out = torch.zeros(shape.d_model, n_new)
        grown[f"{block}down.weight"] = torch.cat((tensors[f"{block}down.weight"], given_out), dim=1)
    return grown, replace(shape, d_hidden=d_hidden)
