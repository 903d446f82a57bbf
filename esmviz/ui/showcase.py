"""An exhibit on a page, as it was: figures from their stored JSON, tables, files. Nothing is computed."""

from __future__ import annotations

import streamlit as st

from esmviz.exhibit import Exhibit, Facts, Molecule, Picture, Piece, Table, caution_of
from esmviz.ui import cautions, figures, molecule
from esmviz.views import Painting, from_json


def draw(exhibit: Exhibit) -> None:
    """Cautions first, then pictures with their files on the left and the tables beside them on the right."""
    for caution in filter(caution_of, exhibit.pieces):
        cautions.show(caution)
    beside = [piece for piece in exhibit.pieces if _is_beside(piece)]
    left, right = st.columns([3, 1.4], gap="medium") if beside else (st.container(), None)
    with left:
        for number, piece in enumerate(filter(_is_large, exhibit.pieces)):
            _draw_large(piece, exhibit, number)
    if right is not None:
        with right:
            for piece in beside:
                _draw_small(piece)


def _is_large(piece: Piece) -> bool:
    return not caution_of(piece) and not _is_beside(piece)


def _is_beside(piece: Piece) -> bool:
    if isinstance(piece, Facts):
        return not caution_of(piece)
    return isinstance(piece, Table) and not piece.file_name


def _draw_large(piece: Piece, exhibit: Exhibit, number: int) -> None:
    if isinstance(piece, Picture):
        figures.picture(piece, from_json(piece.figure), exhibit.title, number)
    elif isinstance(piece, Molecule):
        painting = piece.painting
        lists = {name: tuple(painting[name]) for name in ("colours", "words")}
        legend = tuple((words, colour) for words, colour in painting["legend"])
        molecule.viewer(
            piece.text, Painting(painting["title"], legend=legend, **lists), piece.name, alt=piece.alt
        )
    elif isinstance(piece, Table):
        figures.table(piece, number)


def _draw_small(piece: Piece) -> None:
    if isinstance(piece, Facts):
        figures.facts(piece.values)
    elif isinstance(piece, Table):
        figures.ranking(piece.title, piece.columns, note=piece.note)
