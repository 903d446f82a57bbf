"""The file of ESM3, ``.pth``: what it holds, and the strict way from it to a network. No torch until one is read.

``esm.pretrained`` is not used: it downloads from another repository, also where the files are here, and unpickles.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esmviz.errors import CorruptCheckpointError
from esmviz.models import esm_package
from esmviz.models.faults import loading_fault
from esmviz.models.outline import outline
from esmviz.models.weights import ESM3_EMBEDDING, read_json, weight_files
from esmviz.types import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor

    from esmviz.models.esm3 import Esm3Network

WIDTH_OF_A_HEAD = 64  # in every model of EvolutionaryScale; the tensors do not tell
GEOMETRIC = "transformer.blocks.0.geom_attn.distance_scale_per_head"


def describe(folder: Path, name: str) -> ModelSpec:
    """The spec of a folder with an ESM3 file. Heads are 64 wide unless its ``config.json`` says ``n_heads``.

    Raises
    ------
    CorruptCheckpointError
        When it is truncated, holds more than tensors, or another model.
    """
    [path] = weight_files(folder)
    arrays = outline(path)
    _check_layout(path, arrays)
    d_model = arrays[ESM3_EMBEDDING].shape[1]
    return ModelSpec(
        name=name,
        family="esm3",
        repo_id="",
        revision=None,
        n_layers=len({key.split(".")[2] for key in arrays if key.startswith("transformer.blocks.")}),
        n_heads=_n_heads(folder, d_model),
        d_model=d_model,
        n_parameters=sum(prod(array.shape) for array in arrays.values()),
        max_residues=None,
        licence="",
        provides=frozenset({"logits", "hidden_states", "attentions"}),
        title=name,
        note="A checkpoint of your own.",
    )


def read(folder: Path) -> dict[str, Tensor]:
    """Tensors by name, mapped from the file rather than copied; nothing else is unpickled."""
    import torch

    [path] = weight_files(folder)
    try:
        tensors: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever a broken file makes torch raise
        raise loading_fault(path.name, error) from error
    _check_layout(path, tensors)
    if not all(tensor.is_floating_point() for tensor in tensors.values()):
        raise CorruptCheckpointError(f"{path.name} holds another layout than ESM3's: whole numbers.")
    return dict(tensors)


def _check_layout(path: Path, tensors: Any) -> None:
    """Refuse all but tensors by name, those of ESM3 among them."""
    is_plain = isinstance(tensors, dict) and all(
        isinstance(key, str) and hasattr(tensor, "shape") for key, tensor in tensors.items()
    )
    if not is_plain or not {ESM3_EMBEDDING, GEOMETRIC} <= tensors.keys() or tensors[ESM3_EMBEDDING].ndim != 2:
        raise CorruptCheckpointError(f"{path.name} holds another layout than ESM3's.")


def load(folder: Path, spec: ModelSpec, device: str) -> Esm3Network:
    """Load a folder with an ESM3 file as float32.

    Raises
    ------
    CorruptCheckpointError
        For a tensor missing, unexpected, of another shape or not finite.
    ModelUnavailableError
        Where the esm package is missing or cannot be imported.
    """
    import torch

    from esmviz.models.checkpoints import refuse
    from esmviz.models.esm3 import Esm3Network
    from esmviz.models.tensors import check_finite

    found = read(folder)
    model = _planned(spec, n_geometric=found[GEOMETRIC].numel())
    planned = model.state_dict()
    refuse(folder, "lacks", planned.keys() - found.keys())
    refuse(folder, "has beyond the model's", found.keys() - planned.keys())
    differing = {name for name in planned if planned[name].shape != found[name].shape}
    refuse(folder, "has in another shape", differing)
    tensors = {name: tensor.to(device, torch.float32, copy=True) for name, tensor in found.items()}
    check_finite(tensors.items())
    model.load_state_dict(tensors, assign=True)
    for block in model.transformer.blocks:  # rotary frequencies are in no file
        block.attn.rotary.reset_parameters()
    return Esm3Network(model.to(device).eval().requires_grad_(False))


def _planned(spec: ModelSpec, n_geometric: int) -> Any:
    """The model without memory. Its tokenizers and decoders would be downloaded, and are not needed."""
    import torch

    if not esm_package.is_installed():
        raise esm_package.unavailable(spec.name)
    try:
        from esm.models.esm3 import ESM3
    except ImportError as error:
        raise esm_package.unavailable(spec.name, f"which cannot be imported ({error})") from error
    sizes = {"d_model": spec.d_model, "n_heads": spec.n_heads, "n_layers": spec.n_layers}
    parts = dict.fromkeys(
        ("structure_encoder_fn", "structure_decoder_fn", "function_decoder_fn", "tokenizers")
    )
    try:
        with torch.device("meta"):
            return ESM3(**sizes, v_heads=n_geometric, **parts)  # none of the parts is used
    except Exception as error:  # whatever sizes of no model make of it
        raise loading_fault(spec.name, error) from error


def _n_heads(folder: Path, d_model: int) -> int:
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    n_heads = int(config.get("n_heads", d_model // WIDTH_OF_A_HEAD))
    if n_heads < 1 or d_model % n_heads:
        raise CorruptCheckpointError(f"{folder.name}: {n_heads} heads do not share a width of {d_model}.")
    return n_heads
