"""The mosaic of all heads."""

import numpy as np
import pytest

from esmviz import views
from esmviz.types import ProteinRecord, Provenance
from esmviz.views.grid import GUTTER, MOST_CELLS

RECORD = ProteinRecord("P1", "MKVLAWE")
PROVENANCE = Provenance("mini", "1234567890abcdef", "float32")


def thumbnails(n_layers, n_heads, size):
    return np.random.default_rng(0).uniform(0.1, 1, (n_layers, n_heads, size, size)).astype(np.float32)


def test_tiles_stand_in_rows_of_layers_and_columns_of_heads():
    tiles = np.zeros((2, 3, 4, 4), np.float32)
    tiles[1, 2, 0, 3] = 0.2
    mosaic = views.attention_grid(tiles, RECORD, PROVENANCE).data[0].z
    pitch = 4 + GUTTER
    assert mosaic.shape == (2 * pitch - GUTTER, 3 * pitch - GUTTER)
    assert mosaic[:4, :4].tolist() == [[1] * 4] * 4  # nothing attended
    assert set(mosaic[4 : 4 + GUTTER].ravel()) == {0}  # the gutter
    assert mosaic.max() == mosaic[pitch, 2 * pitch + 3] == 255


def test_every_tile_is_scaled_to_itself():
    tiles = thumbnails(1, 2, 6)
    tiles[0, 1] = tiles[0, 0] / 1000
    mosaic = views.attention_grid(tiles, RECORD, PROVENANCE).data[0].z
    assert np.array_equal(mosaic[:, :6], mosaic[:, -6:])


def test_a_click_gives_layer_and_head():
    figure = views.attention_grid(thumbnails(3, 4, 7), RECORD, PROVENANCE)
    buttons = figure.data[1]
    assert len(buttons.x) == 12
    last = {"customdata": buttons.customdata[-1]}
    assert views.grid_choice([last]) == (3, 3)
    assert buttons.text[-1] == "layer 3 · head 4"
    assert (buttons.x[-1], buttons.y[-1]) == (3 + 3 * 9, 3 + 2 * 9)
    assert list(figure.layout.xaxis.ticktext) == ["1", "2", "3", "4"]
    assert list(figure.layout.yaxis.ticktext) == ["1", "2", "3"]
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1]


@pytest.mark.parametrize("points", [[], [{}], [{"customdata": None}], [{"customdata": [1]}]])
def test_no_click_gives_nothing(points):
    assert views.grid_choice(points) is None


def test_a_typed_array_that_became_an_object_is_read():
    assert views.grid_choice([{"customdata": {"0": 2, "1": 5}}]) == (2, 5)


def test_the_chosen_head_is_framed():
    figure = views.attention_grid(thumbnails(3, 4, 7), RECORD, PROVENANCE, selected=(2, 1))
    frame = figure.layout.shapes[0]
    assert frame.x0 < 9 < 15 < frame.x1
    assert frame.y0 < 9 < 15 < frame.y1
    assert not views.attention_grid(thumbnails(3, 4, 7), RECORD, PROVENANCE).layout.shapes


def test_a_large_model_is_coarsened_by_means():
    tiles = np.full((48, 40, 48, 48), 0.25, np.float32)
    mosaic = views.attention_grid(tiles, RECORD, PROVENANCE).data[0].z
    assert mosaic.size <= MOST_CELLS
    assert set(np.unique(mosaic)) == {0, 255}
    assert mosaic.dtype == np.uint8


NUMBERS = np.array([[1, 2, 3], [4, np.nan, 6]], dtype=np.float32)


def test_numbers_of_heads_stand_in_rows_of_layers_and_columns_of_heads():
    figure = views.head_heatmap(NUMBERS, RECORD, PROVENANCE, measure="mean entropy (bits)", selected=(2, 0))
    heatmap, buttons = figure.data
    np.testing.assert_array_equal(heatmap.z, NUMBERS)
    assert (heatmap.zmin, heatmap.zmax) == (1, 6)
    assert heatmap.colorbar.title.text == "mean entropy (bits)"
    assert list(buttons.x) == [0, 1, 2] * 2
    assert list(buttons.y) == [0] * 3 + [1] * 3
    assert buttons.text[5] == "layer 2 · head 3 · mean entropy (bits) 6"
    assert views.grid_choice([{"customdata": buttons.customdata[5]}]) == (2, 2)
    assert tuple(figure.layout.yaxis.range) == (1.5, -0.5)
    frame = figure.layout.shapes[0]
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (-0.5, 0.5, 0.5, 1.5)
    assert any("colours 1 to 6" in note.text for note in figure.layout.annotations)


def test_numbers_that_are_all_missing_have_a_range_still():
    figure = views.head_heatmap(np.full((2, 3), np.nan, np.float32), RECORD, PROVENANCE, measure="x")
    assert (figure.data[0].zmin, figure.data[0].zmax) == (0, 1)
