"""Shared by the tests of pages."""

import pytest

from esmviz.ui import resources
from esmviz.ui.shelf import Shelf


@pytest.fixture(autouse=True)
def empty_shelf(monkeypatch):
    """No test finds what a visitor of another one left."""
    shelf = Shelf(n_bytes=1 << 20, n_browsers=9, seconds=60)
    monkeypatch.setattr(resources, "_shelf", lambda: shelf)
