"""What a page shows of the numbers: figure, files, facts, tables and words. Pages draw it, files take it."""

from esmviz.exhibit import Facts, Table
from esmviz.panels.attention import attention
from esmviz.panels.clusters import Grouped, MapLook, clusters
from esmviz.panels.fold import confidence
from esmviz.panels.logits import LogitsLook, logits, mutation_figure
from esmviz.panels.look import Look
from esmviz.panels.panel import Panel, Spread, Subject
from esmviz.panels.similarity import similarity

__all__ = [
    "Facts",
    "Grouped",
    "LogitsLook",
    "Look",
    "MapLook",
    "Panel",
    "Spread",
    "Subject",
    "Table",
    "attention",
    "clusters",
    "confidence",
    "logits",
    "mutation_figure",
    "similarity",
]
