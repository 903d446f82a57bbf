"""What it means that reading a checkpoint failed."""

from __future__ import annotations

from esmviz.errors import CorruptCheckpointError, EsmvizError, ModelUnavailableError
from esmviz.models.batching import is_out_of_memory


def loading_fault(name: str, error: Exception) -> EsmvizError:
    """The error to raise for whatever torch, safetensors, h5py or transformers raised on the way.

    On a CPU torch reports a want of memory as it does a broken file, and only its words tell the two apart.
    """
    if is_out_of_memory(error):
        return ModelUnavailableError(
            f"{name} does not fit in memory while it loads.", "Free some memory, or take a smaller model."
        )
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return CorruptCheckpointError(f"{name} cannot be loaded: {first}", "Copy it again.")
