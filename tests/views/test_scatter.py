"""The map of a set."""

import numpy as np
import pytest

from esmviz import views
from esmviz.types import Projection, ProteinRecord, Provenance
from esmviz.views import theme

PROVENANCE = Provenance("mini", "1234567890abcdef", "float32", layer=6)


def records(n):
    return [ProteinRecord(f"P{number}", "MKV" + "A" * number) for number in range(n)]


def projection(n, method="umap"):
    coords = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    params = {"n_neighbors": 15, "min_dist": 0.1, "seed": 0}
    return Projection(tuple(f"P{number}" for number in range(n)), coords, method, params)


def scatter(n, groups, **more):
    return views.projection_scatter(
        projection(n), records(n), PROVENANCE, color_by="family", groups=groups, **more
    )


def noted(figure, name):
    return next(note.text for note in figure.layout.annotations if note.name == name)


def test_groups_have_colours_and_noise_is_grey():
    figure = scatter(5, ["b", "a", "", "noise", "a"])
    by_name = {trace.name: trace for trace in figure.data}
    assert set(by_name) == {"noise, unlabelled", "a", "b"}
    assert by_name["noise, unlabelled"].marker.color == theme.MISSING
    assert by_name["a"].marker.color == theme.CATEGORIES[0]
    assert [row[0] for row in by_name["a"].customdata] == [1, 4]
    assert figure.layout.showlegend
    assert figure.layout.legend.title.text == "family"
    assert figure.layout.legend.x < 1  # inside
    left, right = figure.layout.xaxis.range
    x = np.concatenate([trace.x for trace in figure.data])
    assert right > x.max()
    assert x.min() - left > 0.25 * (right - left)  # the legend's room


def test_long_names_take_more_room_than_short_ones():
    def share(name):
        figure = scatter(4, ["a", name, name, name])
        left, right = figure.layout.xaxis.range
        return (min(trace.x.min() for trace in figure.data) - left) / (right - left)

    assert share("b" * 36) > share("b" * 12) + 0.15
    assert share("b" * 36) < 0.62


def test_caption_has_method_parameters_and_seed():
    figure = scatter(3, ["a", "b", "c"], note="mean pooling")
    caption = noted(figure, "caption").replace("<br>", " · ")
    assert "UMAP: 15 neighbours, least distance 0.1, seed 0" in caption
    assert "mean pooling" in caption
    assert noted(figure, "x title") == "UMAP 1"
    assert figure.layout.yaxis.scaleanchor == "x"
    assert figure.layout.xaxis.showticklabels is False


def test_numbers_get_a_bar_and_nan_is_grey():
    figure = scatter(3, [1.0, np.nan, 5.0])
    grey, coloured = figure.data
    assert [row[0] for row in grey.customdata] == [1]
    assert list(coloured.marker.color) == [1, 5]
    assert coloured.marker.colorbar.title.text == "family"
    assert not figure.layout.showlegend
    assert "colours 1 to 5" in noted(figure, "caption")
    assert "1 without a number in grey" in noted(figure, "caption").replace("<br>", " ")


def test_many_groups_get_symbols_and_the_smallest_share_a_grey():
    groups = [f"g{number % 40}" for number in range(100)]
    figure = scatter(100, groups)
    assert figure.data[0].name == "10 smaller groups"
    looks = {(trace.marker.color, trace.marker.symbol) for trace in figure.data[1:]}
    assert len(looks) == len(figure.data) - 1 == 30


def test_thousands_of_points_are_drawn_by_webgl():
    assert {trace.type for trace in scatter(2001, ["a"] * 2001).data} == {"scattergl"}
    assert {trace.type for trace in scatter(2000, ["a"] * 2000).data} == {"scatter"}


def test_selection_gives_rows():
    figure = scatter(4, ["b", "a", "b", "a"])
    points = [{"customdata": row} for trace in figure.data for row in trace.customdata]
    assert views.selected_indices(points) == [0, 1, 2, 3]
    assert views.selected_indices([{"customdata": {"0": 2}}, {}]) == [2]
    assert views.selected_indices([]) == []


def test_user_text_is_escaped():
    record = ProteinRecord('<img src="http://evil/x">', "MKV", labels={"<b>k": "<a href='javascript:x'>"})
    figure = views.projection_scatter(
        projection(1), [record], PROVENANCE, color_by="<b>c", groups=["<a href='javascript:x'>"]
    )
    text = str(figure.to_dict())
    assert "<img" not in text
    assert "<a" not in text
    assert "<b>c" not in text
    assert "<b>k" not in text


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="3 proteins"):
        scatter(3, ["a"])


def test_cluster_names_count_from_one():
    assert views.cluster_names(np.array([1, -1, 0])) == ["cluster 2", "noise", "cluster 1"]


def test_a_label_of_thousands_of_digits_is_sorted_too():
    figure = scatter(3, ["9" * 6000, "10", "2"])
    assert [trace.name for trace in figure.data][:2] == ["2", "10"]
