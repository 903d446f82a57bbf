"""What is refused before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from esmviz.errors import SequenceTooLongError
from esmviz.models.base import check_length, check_request
from esmviz.types import ModelSpec, ProteinRecord, Request


def checker(
    spec: ModelSpec, specs: Mapping[str, ModelSpec], request: Request, longest_map: int
) -> Callable[[ProteinRecord], None]:
    """What refuses the records of a set, one by one.

    Parameters
    ----------
    specs : mapping
        The models that an error may suggest.
    longest_map : int
        Residues of the longest protein of which maps are computed.

    Raises
    ------
    OutputNotProvidedError
        At once; lists the models that give it.
    SequenceTooLongError
        From the function returned: longer than the model takes (names those that take it) or than maps are
        computed for.
    """
    check_request(request, spec, specs)

    def check(record: ProteinRecord) -> None:
        check_length(record, spec, specs)
        if request.probes and len(record) > longest_map:
            raise SequenceTooLongError(
                f"{record.id} has {len(record)} residues; maps are computed up to {longest_map}.",
                "Take a part of it, or set ESMVIZ_MAX_MAP_RESIDUES: "
                f"one map of it takes {len(record) ** 2 * 4 / (1 << 20):,.0f} MiB.",
            )

    return check
