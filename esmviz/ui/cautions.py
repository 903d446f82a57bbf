"""What a reader must know before a picture: on the page, and in whatever is kept of it."""

from __future__ import annotations

import streamlit as st

from esmviz.exhibit import Facts, Piece, caution_of
from esmviz.panels.caution import beyond_training
from esmviz.types import ModelSpec, ProteinRecord
from esmviz.ui import exhibits
from esmviz.ui.errors import plain
from esmviz.ui.resources import workbench


def show(caution: Piece) -> None:
    """The words alone, as where a kept picture is shown again."""
    st.warning(plain(caution_of(caution)))


def tell(caution: Facts | None) -> None:
    """The words, which a snapshot or a report of this page then says too; nothing where there is no caution."""
    if caution is not None:
        show(caution)
        exhibits.note_caution(caution)


def tell_if_long(spec: ModelSpec, record: ProteinRecord) -> None:
    """A protein that is longer than any that the model saw."""
    tell(beyond_training(spec, record, workbench().settings.window_above))
