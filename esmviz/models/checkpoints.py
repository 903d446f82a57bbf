"""One strict way from a checkpoint to a network: every tensor is there, none is left over, every shape fits."""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path
from typing import Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models import h5
from esmviz.models.folders import architecture, describe
from esmviz.models.native import translated
from esmviz.models.network import Network, settle
from esmviz.models.weights import Shapes, native_file, read_config, tensor_shapes, weight_files
from esmviz.types import ModelSpec

CONTACT_HEAD = "esm.contact_head.regression."
# Tensors of older files that carry no weights, and that transformers derives from the config.
LEFT_OVER = ("position_ids", "position_embeddings.weight", "inv_freq")
_ALLOWING = threading.Lock()  # torch's list of allowed classes is one for all threads


def load(folder: Path, spec: ModelSpec, device: str) -> Network:
    """Load a checkpoint of any format as float32.

    Formats of other packages are renamed first; then all go the same way through transformers.

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
    model, info = _from_pretrained(folder, name)
    missing = {name for name in info["missing_keys"] if not name.startswith(CONTACT_HEAD)}
    refuse(folder, "lacks", missing)
    refuse(folder, "has in another shape", {str(key[0]) for key in info["mismatched_keys"]})
    unexpected = {name for name in info["unexpected_keys"] if not name.endswith(LEFT_OVER)}
    refuse(folder, "has beyond the model's", unexpected)
    _refuse_another(folder, spec, sum(weight.numel() for weight in model.parameters()))
    has_contacts = "contacts" in found.provides & spec.provides and missing == info["missing_keys"]
    return _network(spec.family, settle(model).to(device), has_contacts)


def _refuse_another(folder: Path, spec: ModelSpec, n_parameters: int) -> None:
    """ESM-1b and ESM-1v agree in all their sizes and differ by one norm, which the number of parameters shows."""
    if spec.repo_id and spec.max_residues is not None and n_parameters != spec.n_parameters:
        raise CorruptCheckpointError(
            f"{folder.name} is not {spec.name}: it has {n_parameters:,} parameters, not {spec.n_parameters:,}."
        )


def _from_pretrained(folder: Path, name: str) -> tuple[Any, dict[str, Any]]:
    os.environ.setdefault(
        "DISABLE_SAFETENSORS_CONVERSION", "1"
    )  # else a thread asks the hub to convert .bin files
    import torch
    import transformers

    from esmviz.models import attention

    attention.register()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    loader = getattr(transformers, name)
    try:
        config = loader.config_class.from_dict(read_config(folder))
        with torch.device("meta"):
            planned = loader(config).state_dict()
        _refuse_shapes(folder, {name: tuple(tensor.shape) for name, tensor in planned.items()})
        model, info = loader.from_pretrained(
            **_source(folder),
            config=config,
            dtype=torch.float32,
            attn_implementation=attention.NAME,
            output_loading_info=True,
        )
    except (MemoryError, CorruptCheckpointError):
        raise
    except Exception as error:  # whatever a broken file makes transformers raise
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise CorruptCheckpointError(f"{folder.name} cannot be loaded: {first}") from error
    return model, info


def _source(folder: Path) -> dict[str, Any]:
    """Where transformers takes the tensors from: files that it reads itself, or tensors read and renamed here."""
    import torch

    files = weight_files(folder)
    if (native := native_file(folder)) is not None:
        tensors = translated(native, _tensors)[1]
    elif files[0].suffix == ".h5":
        found = {name: array for path in files for name, array in h5.arrays(path).items()}
        tensors = {name: torch.from_numpy(array) for name, array in found.items()}
    else:
        return {
            "pretrained_model_name_or_path": folder,
            "local_files_only": True,
            "use_safetensors": files[0].suffix == ".safetensors",
            "weights_only": True,
        }
    state = {name: tensor.contiguous() for name, tensor in tensors.items()}
    return {"pretrained_model_name_or_path": None, "state_dict": state}


def _tensors(path: Path) -> Any:
    """What a file of fair-esm or ESM C holds. Beside tensors it may hold settings, and nothing else."""
    import torch

    with _ALLOWING, torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


def _refuse_shapes(folder: Path, planned: Shapes) -> None:
    """Compare before anything is allocated: a config of another layout takes the shape of ESM C 6B, 25 GB."""
    found = tensor_shapes(folder)
    differing = {name for name, shape in found.items() if planned.get(name, shape) != shape}
    refuse(folder, "has in another shape", differing)


def refuse(folder: Path, how: str, names: set[str]) -> None:
    """Raise CorruptCheckpointError where there are names of tensors that should not be."""
    if names:
        some = ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise CorruptCheckpointError(f"{folder.name} {how}: {some}.", "Half-loaded weights are not run.")


def _network(family: str, model: Any, has_contacts: bool) -> Network:
    if family == "esmc":
        from esmviz.models.esmc import EsmcNetwork

        return EsmcNetwork(model)
    from esmviz.models.esm import EsmNetwork, fuse_gelu

    fuse_gelu(model)
    return EsmNetwork(model, has_contacts=has_contacts)
