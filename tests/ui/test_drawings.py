"""A figure is drawn once for the same numbers, words and theme; what is kept is bounded and never changed."""

from types import SimpleNamespace

import numpy as np
import pytest

from esmviz import panels, views
from esmviz.panels.logits import LogitsLook
from esmviz.results import Results
from esmviz.types import ProteinRecord, Provenance
from esmviz.ui import drawings, figures
from esmviz.views import theme

RECORD = ProteinRecord("p", "MKVLA")
MADE = Provenance("mini", "", "float32")


@pytest.fixture
def drawn(monkeypatch):
    """What is kept, and the theme of whoever looks."""
    kept, looker = Results(1 << 20), SimpleNamespace(is_dark=False)
    monkeypatch.setattr(drawings, "_drawn", lambda: kept)
    for module in (drawings, figures):
        monkeypatch.setattr(module, "is_dark", lambda: looker.is_dark)
    return SimpleNamespace(kept=kept, looker=looker)


def profile(values):
    return drawings.once(views.entropy_profile, values, RECORD, MADE)


def test_the_same_numbers_are_drawn_once_and_others_anew(drawn):
    values = np.linspace(0, 4, 5, dtype=np.float32)
    first = profile(values)
    assert profile(values.copy()) is first
    assert profile(values + 0.1) is not first
    assert len(drawn.kept) == 2


def test_a_figure_is_that_of_the_function(drawn):
    values = np.linspace(0, 4, 5, dtype=np.float32)
    assert profile(values).to_json() == views.entropy_profile(values, RECORD, MADE).to_json()


def test_each_theme_has_its_own_and_neither_changes_again(drawn):
    values = np.linspace(0, 4, 5, dtype=np.float32)
    light = profile(values)
    drawn.looker.is_dark = True
    dark = profile(values)
    assert not theme.is_dark(light)
    assert theme.is_dark(dark)
    before = dark.to_json()
    figures.themed(dark)
    assert dark.to_json() == before
    assert profile(values) is dark


def test_a_spread_is_kept_with_its_tables_and_weighs_what_it_holds(drawn):
    logits = np.random.default_rng(0).standard_normal((5, 20)).astype(np.float32)
    spread = drawings.once(panels.logits, logits, LogitsLook(slice(0, 5)), RECORD, MADE)
    assert drawings.once(panels.logits, logits.copy(), LogitsLook(slice(0, 5)), RECORD, MADE) is spread
    assert drawn.kept.n_bytes > drawings.BYTES_OF_A_FIGURE + logits.nbytes


def test_what_was_not_seen_for_long_goes(drawn):
    for shift in range(40):
        profile(np.linspace(0, 4, 5, dtype=np.float32) + np.float32(shift) / 100)
    assert drawn.kept.n_bytes <= 1 << 20
    assert len(drawn.kept) < 20


def fails():
    raise ValueError("no figure")


def test_a_function_that_fails_leaves_nothing(drawn):
    with pytest.raises(ValueError, match="no figure"):
        drawings.once(fails)
    assert len(drawn.kept) == 0
