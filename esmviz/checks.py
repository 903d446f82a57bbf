"""What is refused before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from esmviz.errors import SequenceTooLongError
from esmviz.models.base import check_request
from esmviz.models.windowed import check_windows
from esmviz.models.windows import windowing
from esmviz.settings import Settings
from esmviz.types import ModelSpec, ProteinRecord, Request


def checker(
    spec: ModelSpec,
    specs: Mapping[str, ModelSpec],
    request: Request,
    settings: Settings,
) -> Callable[[ProteinRecord], None]:
    """What refuses the records of a set, one by one.

    Parameters
    ----------
    specs : mapping
        The models that an error may suggest.
    settings : Settings
        Of which ``max_map_residues`` and ``window_above`` count.

    Raises
    ------
    OutputNotProvidedError
        At once; lists the models that give it.
    SequenceTooLongError
        From the function returned: longer than maps are computed for, or too long for one piece where what is asked
        for cannot be put together from windows (names the models that take it).
    """
    check_request(request, spec, specs)
    plan, longest_map = windowing(spec, settings.window_above), settings.max_map_residues

    def check(record: ProteinRecord) -> None:
        if request.probes and len(record) > longest_map:
            raise SequenceTooLongError(
                f"{record.id} has {len(record)} residues; maps are computed up to {longest_map}.",
                "Take a part of it, or set ESMVIZ_MAX_MAP_RESIDUES: "
                f"one map of it takes {len(record) ** 2 * 4 / (1 << 20):,.0f} MiB.",
            )
        check_windows(record, plan.windows(len(record)), request, spec, specs)

    return check


def check_map(settings: Settings, *records: ProteinRecord) -> None:
    """Refuse a residue x residue map that would not fit, before anything is computed."""
    longest = settings.max_map_residues
    for record in records:
        if len(record) > longest:
            raise SequenceTooLongError(
                f"{record.id} has {len(record):,} residues; maps are drawn up to {longest:,}.",
                "Choose a shorter protein, the Logits page, or raise ESMVIZ_MAX_MAP_RESIDUES.",
            )
