"""One strict way from a checkpoint to a network: every tensor is there, none is left over, every shape fits."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models.faults import brief
from esmviz.models.folders import UNFIT, architecture, describe
from esmviz.models.layouts import Shapes, layout, settled
from esmviz.models.network import Network
from esmviz.models.weights import read_config, tensor_shapes
from esmviz.types import ModelSpec

CONTACT_HEAD = "esm.contact_head.regression."
ROTARY = "esm.rotary_embeddings.inv_freq"
TIED = "lm_head.decoder.weight"  # of ESM-2 and its elders: the input embedding again
# Tensors of older files that carry no weights, or that a rotary model does not use.
LEFT_OVER = ("position_ids", "position_embeddings.weight", "inv_freq")


def load(folder: Path, spec: ModelSpec, device: str) -> Network:
    """Load a checkpoint of any format as float32.

    Names and shapes are compared before any tensor is read: a config of another layout would take 25 GB.

    Raises
    ------
    CorruptCheckpointError
        For a file that is truncated or not a checkpoint, another architecture, a tensor missing, unexpected or of
        another shape. Nothing half loaded is ever returned.
    """
    found = describe(folder, spec.name)
    for what in ("family", "n_layers", "n_heads", "d_model", "max_residues"):
        if getattr(found, what) != getattr(spec, what):
            raise CorruptCheckpointError(
                f"{folder.name} is not {spec.name}: its {what} is {getattr(found, what)}, "
                f"not {getattr(spec, what)}.",
            )
    if spec.family == "esm3":
        from esmviz.models import esm3_checkpoint

        return esm3_checkpoint.load(folder, spec, device)
    name = architecture(found.family, found.predictor)
    if name != architecture(spec.family, spec.predictor):
        raise CorruptCheckpointError(f"{folder.name} is not {spec.name}: it is {name}.")
    config = _settled(folder)
    planned = layout(name, config, len(found.predictor.classes) if found.predictor else 0)
    _refuse_another(folder, spec, planned)
    there = tensor_shapes(folder)
    _check(folder, planned, there, is_tied=config["tie_word_embeddings"])
    regression = {name for name in planned if name.startswith(CONTACT_HEAD)}
    has_contacts = "contacts" in found.provides & spec.provides and regression <= there.keys()
    from esmviz.models import tensors

    wanted = planned.keys() if has_contacts else planned.keys() - regression
    network = _network(spec.family, config, tensors.read(folder, set(wanted)), has_contacts)
    return network if device == "cpu" else network.to(device)


def _settled(folder: Path) -> dict[str, Any]:
    try:
        return settled(read_config(folder))
    except UNFIT as error:
        raise CorruptCheckpointError(f"{folder.name}/config.json cannot be used: {brief(error)}.") from None


def _check(folder: Path, planned: Shapes, there: Shapes, is_tied: bool) -> None:
    """A contact head may be missing, rotary frequencies, and a decoder that is the input embedding."""
    missing = {name for name in planned.keys() - there.keys() if not name.startswith(CONTACT_HEAD)}
    refuse(
        folder, "has in another shape", {n for n in planned.keys() & there.keys() if planned[n] != there[n]}
    )
    refuse(folder, "lacks", missing - {ROTARY, TIED} if is_tied else missing - {ROTARY})
    refuse(
        folder,
        "has beyond the model's",
        {n for n in there.keys() - planned.keys() if not n.endswith(LEFT_OVER)},
    )


def _refuse_another(folder: Path, spec: ModelSpec, planned: Shapes) -> None:
    """ESM-1b and ESM-1v agree in all their sizes and differ by one norm, which the number of parameters shows."""
    n_parameters = sum(prod(shape) for name, shape in planned.items() if name not in (TIED, ROTARY))
    if spec.repo_id and spec.max_residues is not None and n_parameters != spec.n_parameters:
        raise CorruptCheckpointError(
            f"{folder.name} is not {spec.name}: it has {n_parameters:,} parameters, not {spec.n_parameters:,}."
        )


def refuse(folder: Path, how: str, names: set[str]) -> None:
    """Raise CorruptCheckpointError where there are names of tensors that should not be."""
    if names:
        some = ", ".join(map(brief, sorted(names)[:3])) + (
            f" and {len(names) - 3} more" if len(names) > 3 else ""
        )
        raise CorruptCheckpointError(f"{folder.name} {how}: {some}.", "Half-loaded weights are not run.")


def _network(family: str, config: dict[str, Any], tensors: dict[str, Any], has_contacts: bool) -> Network:
    if family == "esmc":
        from esmviz.models.esmc import EsmcNetwork

        return EsmcNetwork.of(config, tensors)
    from esmviz.models.esm import EsmNetwork

    return EsmNetwork.of(config, tensors, has_contacts)
