"""How often who waits looks at a job."""

from types import SimpleNamespace

import pytest

from esmviz.ui import computing


@pytest.mark.parametrize(("n_waiting", "bar", "figure"), [(0, 0.5, 2.0), (10, 1.0, 2.5), (100, 3.0, 3.0)])
def test_in_a_crowd_everybody_asks_less_often(monkeypatch, n_waiting, bar, figure):
    queue = SimpleNamespace(n_waiting=lambda: n_waiting)
    monkeypatch.setattr(computing, "workbench", lambda: SimpleNamespace(queue=queue))
    assert computing._interval(None) == pytest.approx(bar)
    assert computing._interval(print) == pytest.approx(figure)
