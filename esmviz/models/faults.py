"""What it means that reading a checkpoint failed."""

from __future__ import annotations

from esmviz.errors import CorruptCheckpointError, EsmvizError, ModelUnavailableError
from esmviz.labels import plain
from esmviz.models.batching import is_out_of_memory

MOST_LETTERS = 120  # of what a file says, in an error about it


def loading_fault(name: str, error: Exception) -> EsmvizError:
    """The error to raise for whatever torch, safetensors, h5py or transformers raised on the way.

    On a CPU torch reports a want of memory as it does a broken file, and only its words tell the two apart.
    """
    if is_out_of_memory(error):
        return ModelUnavailableError(
            f"{name} does not fit in memory while it loads.", "Free some memory, or take a smaller model."
        )
    return CorruptCheckpointError(f"{name} cannot be loaded: {brief(error)}", "Copy it again.")


def brief(said: object) -> str:
    """What a file or a library says, as one line of an error: a tensor's name can be as long as the file.

    >>> brief("MKV" * 100)[-5:], brief(ValueError())
    ('VMKV…', 'ValueError')
    """
    text = str(said) if len(str(said)) or not isinstance(said, Exception) else type(said).__name__
    first = plain(next(iter(text.strip().splitlines()), ""))
    return first if len(first) <= MOST_LETTERS else f"{first[:MOST_LETTERS]}…"
