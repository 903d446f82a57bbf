"""The questions that pages answer, and an answer as an exhibit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from esmviz import __version__
from esmviz.exhibit import Exhibit, Piece
from esmviz.types import ModelSpec, ProteinRecord

QUESTIONS: Mapping[str, str] = MappingProxyType(
    {
        "home": "What does a protein language model make of your proteins?",
        "similarity": "Which residues does the model see alike?",
        "attention": "Where does the model look?",
        "logits": "What does the model expect at each position, and which mutations does it dislike?",
        "clusters": "How does the set of proteins fall into groups?",
        "predictions": "What does a classifier of your own predict?",
        "structure": "What does the fold look like, and where does the model trust it?",
        "models": "Which models can run here?",
        "report": "How do you take the analysis with you?",
        "snapshots": "What have you shared from this browser?",
    }
)
COMPUTES = ("torch", "transformers", "numpy", "scikit-learn", "umap-learn", "plotly")


def answer(
    page: str,
    pieces: Iterable[Piece],
    *,
    source: str,
    records: Iterable[ProteinRecord],
    spec: ModelSpec,
    settings: Mapping[str, Any],
    created: datetime,
) -> Exhibit:
    """What a page shows, with all that made it.

    Parameters
    ----------
    records : iterable of ProteinRecord
        The proteins that were read for it; ``source`` names their set.
    created : datetime
        In UTC.
    """
    return Exhibit(
        page=page,
        title=QUESTIONS[page],
        created=created.isoformat(timespec="seconds"),
        source=source,
        records=tuple(records),
        model=asdict(spec),
        settings=settings,
        versions={"esmviz": __version__} | {name: version(name) for name in COMPUTES},
        pieces=tuple(pieces),
    )
