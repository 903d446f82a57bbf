"""Streamlit glue: what the pages say, in the words they say it with."""

from esmviz.ui import intake, model_catalogue, tables, texts
from esmviz.ui.attention_choice import open_head, pick_look
from esmviz.ui.computing import check_map, embedding, groups, inspect, masked_logits, projection, provenance
from esmviz.ui.errors import plain
from esmviz.ui.figures import cluster_facts, facts, figure, how_to_read, panel, ranking
from esmviz.ui.frame import PAGES, Choice, link, opened
from esmviz.ui.pickers import (
    pick_colour,
    pick_logits,
    pick_map,
    pick_other,
    pick_parts,
    pick_stretch,
    say_if_no_effects,
    wants_embedding,
)

__all__ = [
    "PAGES",
    "Choice",
    "check_map",
    "cluster_facts",
    "embedding",
    "facts",
    "figure",
    "groups",
    "how_to_read",
    "inspect",
    "intake",
    "link",
    "masked_logits",
    "model_catalogue",
    "open_head",
    "opened",
    "panel",
    "pick_colour",
    "pick_logits",
    "pick_look",
    "pick_map",
    "pick_other",
    "pick_parts",
    "pick_stretch",
    "plain",
    "projection",
    "provenance",
    "ranking",
    "say_if_no_effects",
    "tables",
    "texts",
    "wants_embedding",
]
