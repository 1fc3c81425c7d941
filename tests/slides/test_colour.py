"""Colour conversions against published values."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.slides.colour import rgb_to_lab, stain_matrix


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((10, 10, 10), (2.74, 0, 0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, ...], lab: tuple[float, ...]) -> None:
    assert rgb_to_lab(np.array([[rgb]], np.uint8))[0, 0] == pytest.approx(lab, abs=0.03)


def test_stains_are_unit_vectors_and_the_residual_is_normal_to_both() -> None:
    matrix = stain_matrix()
    assert np.linalg.norm(matrix, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert matrix[:2] @ matrix[2] == pytest.approx([0, 0], abs=1e-6)
