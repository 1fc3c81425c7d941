"""Losses equal those of lightly 1.5.22, whose values are kept here; ``nox -s lightly`` computes them again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from oceanpath.ssl.losses import byol, dino, nt_xent, vicreg

from .lightly_values import SHARP, TEMPERATURE, inputs, values

VALUES = {
    "vicreg invariance": 0.7895785059123034,
    "vicreg variance": 0.2984265467378226,
    "vicreg covariance": 0.04910655934447446,
    "nt_xent": 3.5156582228629154,
    "byol": 1.7372119452951802,
    "dino": 9.674542226137218,
}
FOLDER = os.environ.get("OCEANPATH_LIGHTLY", "")


@pytest.mark.parametrize("name", VALUES)
def test_it_equals_lightly(name: str) -> None:
    x = inputs()
    centre = torch.zeros(x["student"].shape[-1], dtype=torch.float64)
    own = {
        "vicreg invariance": lambda: vicreg.invariance(x["a"], x["b"]),
        "vicreg variance": lambda: vicreg.variance(x["a"]),
        "vicreg covariance": lambda: vicreg.covariance(x["a"]),
        "nt_xent": lambda: nt_xent.nt_xent(x["a"], x["b"], TEMPERATURE),
        "byol": lambda: byol.normalised_distance(x["a"], x["b"]),
        "dino": lambda: dino.cross_view_entropy(x["student"], x["teacher"], centre, 0.1, SHARP),
    }
    assert float(own[name]()) == pytest.approx(VALUES[name], abs=1e-6)


@pytest.mark.skipif(not FOLDER, reason="needs lightly, which nox -s lightly installs")
def test_the_values_are_those_of_lightly() -> None:
    assert values(Path(FOLDER)) == pytest.approx(VALUES, abs=1e-9)
