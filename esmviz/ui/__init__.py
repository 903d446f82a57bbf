"""Streamlit glue: what the pages say, in the words they say it with."""

from esmviz.labels import caption
from esmviz.panels import tables, texts
from esmviz.ui import (
    intake,
    measurements,
    model_catalogue,
    report,
    session_menu,
    snapshots,
    structures,
)
from esmviz.ui.attention_choice import open_head, pick_look
from esmviz.ui.computing import (
    check_map,
    embedding,
    groups,
    inspect,
    masked_logits,
    predictions,
    projection,
    provenance,
)
from esmviz.ui.drawings import once
from esmviz.ui.errors import plain
from esmviz.ui.figures import beside, download_listed, facts, figure, how_to_read, panel, ranking, spread
from esmviz.ui.frame import PAGES, Choice, framed, link, opened
from esmviz.ui.molecule import viewer
from esmviz.ui.pickers import (
    pick_colour,
    pick_logits,
    pick_map,
    pick_other,
    pick_parts,
    pick_stretch,
    say_if_no_effects,
    wants_all,
)
from esmviz.ui.predictors import list_of_proteins, pick_class, require_predictor

__all__ = [
    "PAGES",
    "Choice",
    "beside",
    "caption",
    "check_map",
    "download_listed",
    "embedding",
    "facts",
    "figure",
    "framed",
    "groups",
    "how_to_read",
    "inspect",
    "intake",
    "link",
    "list_of_proteins",
    "masked_logits",
    "measurements",
    "model_catalogue",
    "once",
    "open_head",
    "opened",
    "panel",
    "pick_class",
    "pick_colour",
    "pick_logits",
    "pick_look",
    "pick_map",
    "pick_other",
    "pick_parts",
    "pick_stretch",
    "plain",
    "predictions",
    "projection",
    "provenance",
    "ranking",
    "report",
    "require_predictor",
    "say_if_no_effects",
    "session_menu",
    "snapshots",
    "spread",
    "structures",
    "tables",
    "texts",
    "viewer",
    "wants_all",
]
