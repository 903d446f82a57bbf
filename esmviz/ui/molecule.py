"""The picture of a structure: 3Dmol of our own assets in a component, fetched from this server once."""

from __future__ import annotations

from dataclasses import asdict
from importlib import resources
from typing import Any

import streamlit as st
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from esmviz import export
from esmviz.exhibit import Molecule
from esmviz.ui import exhibits
from esmviz.ui.figures import is_dark
from esmviz.ui.place import base
from esmviz.views import Painting, theme

ASSETS = resources.files("esmviz") / "assets"
PATH, LIBRARY = "/3dmol", "3Dmol-min.js"


def _asset(name: str) -> str:
    return (ASSETS / "viewer" / name).read_text(encoding="utf-8")


_component = st.components.v2.component(
    "esmviz_viewer",
    html=_asset("viewer.html"),
    css=_asset("viewer.css"),
    js=_asset("drawing.js") + _asset("viewer.js"),
)


def viewer(text: str, painting: Painting, name: str, *, alt: str) -> None:
    """Draw a structure.

    Parameters
    ----------
    text : str
        mmCIF whose B-factors are indices into the colours and words of the painting.
    name : str
        Of the picture that is saved.
    alt : str
        The picture in words.
    """
    exhibits.note(lambda: Molecule(name, alt, text, asdict(painting)), text, is_picture=True)
    data: dict[str, Any] = {
        "library": f"{base()}{PATH}/{LIBRARY}",
        "text": text,
        "colours": list(painting.colours),
        "words": list(painting.words),
        "title": painting.title,
        "legend": [list(entry) for entry in painting.legend],
        "missing": theme.MISSING,
        "paper": theme.paper(is_dark()),
        "alt": alt,
        "file": export.download_name("esmviz", name, suffix="png"),
        "mark": painting.title,
    }
    _component(key="structure_picture", data=data)


def routes() -> list[Mount]:
    """Where the browser finds 3Dmol."""
    return [Mount(base() + PATH, StaticFiles(directory=str(ASSETS / "3dmol")))]
