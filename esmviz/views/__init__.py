"""Values in, plotly figures out. No state, no streamlit; the page chooses the theme."""

from esmviz.views.grid import attention_grid, grid_choice, head_heatmap
from esmviz.views.heatmaps import attention_map, contact_map, similarity_heatmap
from esmviz.views.mutations import ROW_ORDERS, mutation_heatmap, probability_heatmap
from esmviz.views.predictions import MOST_CLASSES, prediction_bars, prediction_profile
from esmviz.views.profiles import entropy_profile, wild_type_profile
from esmviz.views.scatter import cluster_names, projection_scatter, selected_indices
from esmviz.views.stored import from_json
from esmviz.views.structure import (
    Painting,
    aligned_error_map,
    paint_chains,
    paint_confidence,
    paint_numbers,
    plddt_profile,
)

__all__ = [
    "MOST_CLASSES",
    "ROW_ORDERS",
    "Painting",
    "aligned_error_map",
    "attention_grid",
    "attention_map",
    "cluster_names",
    "contact_map",
    "entropy_profile",
    "from_json",
    "grid_choice",
    "head_heatmap",
    "mutation_heatmap",
    "paint_chains",
    "paint_confidence",
    "paint_numbers",
    "plddt_profile",
    "prediction_bars",
    "prediction_profile",
    "probability_heatmap",
    "projection_scatter",
    "selected_indices",
    "similarity_heatmap",
    "wild_type_profile",
]
