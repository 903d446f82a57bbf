"""What was drawn lately: the same numbers, words and choices make the same figure, whoever looks at it.

Most of the time of a page whose results are known goes into plotly, which checks every value of a figure. What is kept is
bounded in bytes, shared by all visitors and read, never changed: two visitors with one protein get one figure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st

from esmviz.panels import Spread
from esmviz.results import Results
from esmviz.ui.figures import cells, is_dark, themed
from esmviz.ui.fingerprints import fingerprint
from esmviz.ui.held import held_bytes
from esmviz.ui.resources import workbench

BYTES_OF_A_FIGURE = 60_000  # plotly's objects around the arrays, measured
BYTES_OF_A_WORD = 200  # in a cell of a map, measured at 1,000 residues


@st.cache_resource(show_spinner=False)
def _drawn() -> Results:
    drawn = Results(workbench().settings.cache_mb << 18)  # another quarter of the bound of results
    workbench().spare.caches.append(drawn)
    return drawn


def once(draw: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """``draw(*given, **named)``, a figure or a spread, in the visitor's theme; remembered by what it is made from."""
    key = fingerprint(draw, given, named, is_dark())
    found = _drawn().get(key)
    if found is None:
        found = draw(*given, **named)
        figure = found.panel.figure if isinstance(found, Spread) else found
        themed(figure)
        _drawn().put(key, found, _bytes(found, figure))
    return found


def _bytes(drawn: Any, figure: Any) -> int:
    files = [drawn.panel.arrays, drawn.panel.columns] if isinstance(drawn, Spread) else []
    words = sum(each.size for each in cells(figure) if isinstance(each, np.ndarray) and each.dtype == object)
    return held_bytes([*cells(figure), *files]) + BYTES_OF_A_WORD * words + BYTES_OF_A_FIGURE
