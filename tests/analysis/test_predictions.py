"""Raw predictions to probabilities, classes and segments, against torch and plain loops."""

import numpy as np
import pytest
import torch

from esmviz.analysis import predictions as said
from esmviz.models.predictors import PROBLEMS

SINGLE, MULTI, REGRESSION = PROBLEMS
RAW = np.random.default_rng(3).normal(0, 4, (40, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("problem", "reference"), [(SINGLE, lambda x: torch.softmax(x, -1)), (MULTI, torch.sigmoid)]
)
@pytest.mark.parametrize("shape", [(5,), (40, 5)])
def test_probabilities_equal_torch(problem, reference, shape):
    raw = RAW.reshape(-1)[: np.prod(shape)].reshape(shape)
    found = said.probabilities(raw, problem)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(torch.from_numpy(raw.copy())).numpy(), atol=1e-6)


def test_a_regression_stays_as_it_came():
    np.testing.assert_array_equal(said.probabilities(RAW, REGRESSION), RAW)


@pytest.mark.parametrize("problem", [SINGLE, MULTI])
def test_extreme_numbers_do_not_overflow(problem):
    raw = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4]], np.float32)
    found = said.probabilities(raw, problem)
    assert np.isfinite(found).all()
    assert found[0, 0] == 1
    assert found[0, 1] == 0


@pytest.mark.parametrize("problem", [SINGLE, MULTI])
def test_segments_cover_just_what_is_assigned(problem):
    values = said.probabilities(RAW, problem)
    covered = {(i, k) for start, stop, k, _ in said.segments(values, problem) for i in range(start, stop)}
    assert covered == {(i, k) for i, classes in enumerate(said.assigned(values, problem)) for k in classes}


@pytest.mark.parametrize("problem", [SINGLE, MULTI])
def test_neighbouring_segments_of_a_class_are_one_and_the_sure_long_ones_come_first(problem):
    values = said.probabilities(RAW, problem)
    found = said.segments(values, problem)
    ends = {(stop, k) for _, stop, k, _ in found}
    assert not any((start, k) in ends for start, _, k, _ in found)
    sums = [values[start:stop, k].sum() for start, stop, k, _ in found]
    assert sums == sorted(sums, reverse=True)
    for start, stop, k, mean in found:
        assert mean == pytest.approx(values[start:stop, k].mean(), abs=1e-6)


def test_a_regression_assigns_nothing():
    assert said.assigned(RAW, REGRESSION) == [()] * len(RAW)
    assert said.segments(RAW, REGRESSION) == []


def test_one_class_of_one_residue():
    values = np.ones((1, 1), np.float32)
    assert said.segments(values, SINGLE) == [(0, 1, 0, 1.0)]
    assert said.prominent(values, 5).tolist() == [0]


def test_prominent_classes_are_those_with_the_highest_peaks():
    peaks = RAW.max(axis=0)
    assert said.prominent(RAW, 2).tolist() == sorted(np.argsort(-peaks)[:2].tolist())
    assert said.prominent(RAW, 99).tolist() == [0, 1, 2, 3, 4]
