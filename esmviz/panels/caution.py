"""What has to be said before a picture is believed; it goes wherever the picture goes."""

from __future__ import annotations

from collections.abc import Iterable

from esmviz.exhibit import CAUTION, Facts
from esmviz.panels import texts
from esmviz.types import ModelSpec, ProteinRecord

GOOD_SPEARMAN = 0.4  # ProteinGym mean; models worth naming to somebody who chooses mutations


def no_effects(spec: ModelSpec, others: Iterable[ModelSpec]) -> Facts | None:
    """Of a model that is known not to predict effects; names those of this machine that do."""
    if spec.predicts_effects:
        return None
    good = [one for one in others if not one.host and (one.published_spearman or 0) >= GOOD_SPEARMAN]
    better = ", ".join(one.title or one.name for one in good)
    return Facts({CAUTION: texts.NO_EFFECTS.format(title=spec.title or spec.name, better=better)})


def beyond_training(spec: ModelSpec, record: ProteinRecord, window_above: int) -> Facts | None:
    """Of a protein in one piece that is longer than any that the model saw. Beyond ``window_above`` there are windows."""
    longest = spec.trained_residues
    if longest is None or not longest < len(record) <= window_above:
        return None
    told = {"title": spec.title or spec.name, "longest": longest, "id": record.id, "n": len(record)}
    return Facts({CAUTION: texts.BEYOND_TRAINING.format(**told)})
