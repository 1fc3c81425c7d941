"""The comparison of exported files with eager torch."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.errors import StageError
from oceanpath.stages.export import parity
from oceanpath.stages.export.parity import _coords, _difference


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_difference_counts_whatever_its_sign(sign: float):
    expected = [np.zeros((2, 3), np.float32), np.zeros(2, np.float32)]
    actual = [np.zeros((2, 3), np.float32), np.array([0.0, sign * 0.25], np.float32)]
    assert _difference(actual, expected, "onnx") == 0.25


def test_regular_and_irregular_bags_alternate_beginning_with_a_regular_one():
    coords = _coords(3, 9, np.random.default_rng(0))
    on_the_grid = (coords % parity.PITCH == 0).all(axis=(1, 2))
    assert on_the_grid.tolist() == [True, False, True]
    assert {len(np.unique(bag, axis=0)) for bag in coords} == {9}, "no two patches have the same coordinates"


def test_outputs_of_another_shape_are_an_error():
    with pytest.raises(StageError, match="shapes"):
        _difference([np.zeros((2, 3), np.float32)], [np.zeros((2, 4), np.float32)], "onnx")


def test_outputs_that_are_not_finite_are_an_error():
    with pytest.raises(StageError, match="not finite"):
        _difference([np.full(2, np.nan, np.float32)], [np.zeros(2, np.float32)], "onnx")
