"""One strict way from the folder of a model that folds to its network; transformers reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from esmviz.errors import CorruptCheckpointError
from esmviz.models.checkpoints import CONTACT_HEAD, LEFT_OVER, refuse
from esmviz.models.faults import brief, loading_fault
from esmviz.models.folders import FOLDING, describe
from esmviz.models.folding import FoldingBackend, Network
from esmviz.models.precision import DTYPES
from esmviz.models.tensors import check_finite
from esmviz.models.weights import read_config, tensor_shapes, weight_files
from esmviz.types import ModelSpec, Precision

MOST_NUMBER = 10**7  # of any setting
DERIVED = (*LEFT_OVER, "af2_to_esm")  # buffers that transformers makes from the config


def folding_backend(
    folder: Path, spec: ModelSpec, revision: str, device: str, override: Precision
) -> FoldingBackend:
    """The loaded model; its language model runs in the precision that is set for everything, else in float32."""
    precision = "float32" if override == "auto" else override
    network = load(folder, spec, device, precision)
    return FoldingBackend(spec, revision, network, device=device, precision=precision)


def load(folder: Path, spec: ModelSpec, device: str, precision: str = "float32") -> Network:
    """Load a Hugging Face folder of ``EsmForProteinFolding`` or ``EsmFold2Model``.

    Parameters
    ----------
    precision : str
        Of the language model inside. The rest is float32.

    Raises
    ------
    CorruptCheckpointError
        For a file that is truncated, another model, a tensor missing, unexpected, of another shape or not finite.
    """
    found = describe(folder, spec.name)
    for what in ("family", "n_layers", "n_heads", "d_model", "d_pair"):
        if getattr(found, what) != getattr(spec, what):
            raise CorruptCheckpointError(
                f"{folder.name} is not {spec.name}: its {what} is {getattr(found, what)}, "
                f"not {getattr(spec, what)}."
            )
    model, info = _from_pretrained(folder, FOLDING[spec.family][0])
    _check(folder, set(info["missing_keys"]), set(info["unexpected_keys"]))
    check_finite(pair for pair in model.named_parameters() if pair[0] not in info["missing_keys"])
    model.eval().requires_grad_(False)
    language = model.esm if spec.family == "esmfold" else model.esmc
    language.to(DTYPES[precision])  # float32 too: the config of ESMFold makes it float16
    model.to(device)
    if spec.family == "esmfold":
        from esmviz.models.esmfold import EsmFoldNetwork

        return EsmFoldNetwork(model)
    from esmviz.models.esmfold2 import EsmFold2Network

    return EsmFold2Network(model)


def _from_pretrained(folder: Path, name: str) -> tuple[Any, dict[str, Any]]:
    os.environ.setdefault(
        "DISABLE_SAFETENSORS_CONVERSION", "1"
    )  # else a thread asks the hub to convert .bin files
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    loader = getattr(transformers, name)
    try:
        _check_numbers(folder, read_config(folder), len(tensor_shapes(folder)))
        config = loader.config_class.from_dict(read_config(folder))
        _check_shapes(folder, loader, config)
        model, info = loader.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            local_files_only=True,
            use_safetensors=weight_files(folder)[0].suffix == ".safetensors",
            weights_only=True,
            output_loading_info=True,
        )
    except (MemoryError, CorruptCheckpointError):
        raise
    except Exception as error:  # whatever a broken file makes transformers raise
        raise loading_fault(folder.name, error) from error
    return model, info


def _check_numbers(folder: Path, settings: Any, n_tensors: int) -> None:
    """Refuse more blocks than there are tensors, and numbers of no model: all would be made before shapes are compared."""
    pairs = settings.items() if isinstance(settings, dict) else ()
    for key, value in pairs:
        _check_numbers(folder, value, n_tensors)
        most = n_tensors if key.endswith(("layers", "blocks")) else MOST_NUMBER
        if isinstance(value, int | float) and not abs(value) <= most:
            raise CorruptCheckpointError(
                f"{folder.name}/config.json has {brief(key)} {brief(value)}; no model has."
            )


def _check_shapes(folder: Path, loader: Any, config: Any) -> None:
    """Compare before anything is allocated: 14 and 26 GB."""
    with torch.device("meta"):
        planned = {name: tuple(tensor.shape) for name, tensor in loader(config).state_dict().items()}
    there = tensor_shapes(folder)
    refuse(
        folder, "has in another shape", {n for n in planned.keys() & there.keys() if planned[n] != there[n]}
    )
    _check(folder, planned.keys() - there.keys(), there.keys() - planned.keys())


def _check(folder: Path, missing: set[str], unexpected: set[str]) -> None:
    """The contact head of the language model is not used."""
    needed = {name for name in missing if not name.startswith(CONTACT_HEAD)}
    refuse(folder, "lacks", {name for name in needed if not name.endswith(DERIVED)})
    refuse(folder, "has beyond the model's", {name for name in unexpected if not name.endswith(LEFT_OVER)})
