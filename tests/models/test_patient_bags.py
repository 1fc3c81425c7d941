"""Architectures that read coordinates see the slides of a patient apart, wherever each is in its own image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.artifacts.patient_bags import slide_shifts
from oceanpath.bags.batch import Batch
from oceanpath.models.ppeg import PPEG, real_grid
from oceanpath.models.registry import aggregator_names, build_aggregator, parse_model

READERS = [
    {"name": "transmil", "hidden": 16, "heads": 2},
    {"name": "transformer", "hidden": 16, "heads": 2, "layers": 2},
    {"name": "perceiver", "hidden": 16, "heads": 2, "latents": 4, "layers": 1, "positions": "fourier"},
]


def slides() -> list[np.ndarray]:
    """Coordinates of three slides with holes, on grids of the same spacing."""
    random = np.random.default_rng(2)
    cells = [np.argwhere(random.random((6, 7)) < 0.8), np.argwhere(random.random((9, 4)) < 0.7), np.array([[2, 2]])]
    return [(own * 512 + corner).astype(np.int32) for own, corner in zip(cells, (300, 9000, 77), strict=True)]


def placed(coords: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([own + shift for own, shift in zip(coords, slide_shifts(coords), strict=True)])


def test_position_encoding_by_convolution_does_not_mix_slides() -> None:
    torch.manual_seed(0)
    own, ppeg = slides(), PPEG(8)
    x = torch.randn(1, sum(map(len, own)), 8)
    assert real_grid(torch.from_numpy(placed(own))) is not None
    whole = ppeg(x, torch.from_numpy(placed(own))[None])
    parts = torch.split(x, [len(coords) for coords in own], dim=1)
    for got, part, coords in zip(torch.split(whole, [len(c) for c in own], dim=1), parts, own, strict=True):
        assert torch.allclose(got, ppeg(part, torch.from_numpy(coords)[None]), atol=1e-6)
    overlapping = ppeg(x, torch.from_numpy(np.concatenate(own))[None])
    assert not torch.allclose(whole, overlapping, atol=1e-3)


def test_every_architecture_that_reads_coordinates_is_tested_here() -> None:
    reading = {name for name in aggregator_names() if build_aggregator(parse_model({"name": name}), 5).reads_coords}
    assert reading <= {keys["name"] for keys in READERS}


@pytest.mark.parametrize("keys", READERS, ids=lambda keys: keys["name"])
def test_the_place_of_a_slide_in_its_image_does_not_matter(keys: dict[str, Any]) -> None:
    torch.manual_seed(0)
    aggregator = build_aggregator(parse_model(keys), 5).eval()
    assert aggregator.reads_coords
    own = slides()
    moved = [own[0], *(coords + np.array([512 * 9, -512 * 3], np.int32) for coords in own[1:])]
    features = torch.randn(sum(map(len, own)), 5)
    offsets = torch.tensor([0, len(features)])

    def embed(coords: np.ndarray) -> torch.Tensor:
        return aggregator.forward_packed(Batch(features, offsets, torch.from_numpy(coords)))[0]

    with torch.inference_mode():
        assert torch.equal(embed(placed(own)), embed(placed(moved)))
        assert not torch.allclose(embed(placed(own)), embed(np.concatenate(own)), atol=1e-6)
