"""Escaping, palettes and the two themes."""

import plotly.graph_objects as go
import pytest

from esmviz.views import theme


@pytest.mark.parametrize(
    "text",
    ['<a href="javascript:alert(1)">P1</a>', "<img src=http://evil/x.png onerror=x>", "a\nb<br>c", "\x00<b>"],
)
def test_no_markup_survives(text):
    safe = theme.escaped(text)
    assert "<" not in safe
    assert ">" not in safe
    assert "\n" not in safe
    assert "\x00" not in safe


def test_an_entity_is_shown_as_it_was_typed():
    assert theme.escaped("R&D &lt;") == "R&amp;D &amp;lt;"


def test_long_text_is_cut_before_it_is_escaped():
    assert theme.escaped("<" * 10, most=4) == "&lt;&lt;&lt;…"


def test_colours_are_distinct():
    assert len(set(theme.CATEGORIES)) == len(theme.CATEGORIES) == 15
    assert theme.MISSING not in theme.CATEGORIES


def luminance(colour):
    return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) / 765


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_the_paper(dark):
    layout = theme.template(dark).layout
    assert abs(luminance(layout.font.color) - luminance(layout.paper_bgcolor)) > 0.7
    assert (luminance(layout.paper_bgcolor) < 0.5) == dark
    figure = go.Figure().update_layout(template=theme.template(dark))
    assert figure.layout.template.layout.paper_bgcolor == layout.paper_bgcolor
