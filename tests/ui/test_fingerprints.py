"""What differs has different fingerprints, and what has none is refused."""

from functools import partial

import numpy as np
import pytest

from esmviz import panels, views
from esmviz.types import ProteinRecord, Provenance
from esmviz.ui.fingerprints import fingerprint

ARRAY = np.arange(6, dtype=np.float32)


def test_the_same_content_has_the_same_fingerprint():
    one, same = (
        fingerprint(panels.logits, (ARRAY.copy(), {"a": [1, slice(1, 2)]}), ProteinRecord("p", "MKV"))
        for _ in range(2)
    )
    assert one == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ARRAY, ARRAY.reshape(2, 3)),
        (ARRAY, ARRAY.astype(np.float64)),
        (ARRAY.reshape(2, 3), ARRAY.reshape(2, 3)[:, ::-1]),
        (ARRAY, np.append(ARRAY[:5], np.float32(5.000001))),
        (np.float32(1), 1.0),
        (ProteinRecord("p", "MKV"), ProteinRecord("p", "MKL")),
        (ProteinRecord("p", "MKV"), ProteinRecord("p", "MKV", labels={"family": "a"})),
        (Provenance("m", "1", "float32", 1, 2), Provenance("m", "1", "float32", 2, 1)),
        (("ab", "c"), ("a", "bc")),
        (("a", ("b",)), ("a", "b")),
        (None, False),
        (0, False),
        ({"a": 1}, {"a": 2}),
        (slice(0, 2), slice(0, 3)),
        ({1, 2}, {1, 3}),
        (panels.logits, panels.attention),
        (partial(views.head_heatmap, measure="a"), partial(views.head_heatmap, measure="b")),
        (b"1", "1"),
    ],
)
def test_what_differs_has_different_fingerprints(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_the_order_of_a_set_is_of_no_consequence():
    assert fingerprint({"a", "b", "c"}) == fingerprint({"c", "b", "a"})


def test_an_empty_array_has_one():
    assert fingerprint(np.empty((0, 3))) != fingerprint(np.empty((0, 4)))


@pytest.mark.parametrize("value", [object(), lambda: None, np.array([object()]), ProteinRecord])
def test_what_could_look_the_same_without_being_it_is_refused(value):
    with pytest.raises(TypeError, match="no fingerprint"):
        fingerprint(value)
