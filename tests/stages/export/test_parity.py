"""The comparison of exported files with eager torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from oceanpath.errors import StageError
from oceanpath.stages.export import parity
from oceanpath.stages.export.parity import _coords, _difference, measure
from oceanpath.stages.export.runners import Runner
from oceanpath.stages.export.settings import ExportSettings


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


class Zeros(nn.Module):
    """Outputs of zeros, one per bag, and the coordinates that it was given."""

    def forward(self, features: torch.Tensor, coords: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(features), 1), torch.zeros(1) if coords is None else coords


def off_by(difference: float, at: tuple[int, int] = (0, 0)) -> Runner:
    """A file that differs from `Zeros` by this much, or only at this number of bags and patches."""

    def run(features: NDArray[np.float32], coords: NDArray[np.float32] | None) -> list[NDArray[np.float32]]:
        moved = difference if at in ((0, 0), features.shape[:2]) else 0.0
        return [np.full((len(features), 1), moved, np.float32), np.zeros(1, np.float32) if coords is None else coords]

    return run


SIZES = ExportSettings(parity_patches=(2, 5), parity_batches=(1, 3), tolerance=2.0**-17)


@pytest.mark.parametrize("coords", [False, True])
def test_every_file_is_compared_at_every_size(coords: bool) -> None:
    cases = measure(Zeros(), {"onnx": off_by(0.0), "torchscript": off_by(2.0**-20)}, 3, SIZES, coords=coords)
    expected = [
        (form, b, n, d) for b in (1, 3) for n in (2, 5) for form, d in (("onnx", 0.0), ("torchscript", 2.0**-20))
    ]
    assert [(case.format, case.batch, case.patches, case.difference) for case in cases] == expected


def test_a_difference_of_exactly_the_tolerance_is_accepted_and_a_larger_one_is_named() -> None:
    assert max(case.difference for case in measure(Zeros(), {"onnx": off_by(2.0**-17)}, 3, SIZES, coords=False))
    files = {"onnx": off_by(0.0), "torchscript": off_by(2.0**-16, at=(3, 5))}
    with pytest.raises(StageError) as caught:
        measure(Zeros(), files, 3, SIZES, coords=False)  # type: ignore[arg-type]  # the two formats
    assert "torchscript differs from the model at 3 bags of 5 patches" in caught.value.what
    assert (caught.value.expected, caught.value.got) == ("at most 7.62939e-06", "1.53e-05")


def test_coordinates_are_pixels_within_their_ranges() -> None:
    coords = _coords(4, 50, np.random.default_rng(1))
    assert coords.dtype == np.float32 and coords.shape == (4, 50, 2)
    assert (coords == np.round(coords)).all() and coords.min() >= 0 and coords.max() < parity.LARGEST
    side = 2 * int(np.ceil(np.sqrt(50)))
    for bag in coords[::2]:
        cells = bag / parity.PITCH
        assert cells.max() < side and (cells[:, 0] != cells[:, 1]).any()
    assert coords[1::2].max() > side * parity.PITCH, "irregular bags are larger than the grid"
