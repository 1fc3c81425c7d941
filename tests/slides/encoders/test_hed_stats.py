"""64 numbers against their definitions, written down plainly in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from oceanpath.slides.colour import EOSIN, HAEMATOXYLIN, stain_matrix
from oceanpath.slides.encoders.hed_stats import BINS, BLOCKS, PERCENTILES, RANGE, STEPS, TICK, HedStats


def stains_of(patch: NDArray[np.uint8]) -> NDArray[np.float64]:
    """[3, P, P / 2]: every second column."""
    density = -np.log10(np.maximum(patch[:, ::2], 1) / 255.0)
    return np.moveaxis(density @ np.linalg.inv(stain_matrix().astype(float)), 2, 0)


def plainly(patch: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    stains = stains_of(patch)
    flat = stains[:, ::2].reshape(3, -1)
    mean, spread = flat.mean(axis=1), flat.std(axis=1) + 1e-6
    z = (flat - mean[:, None]) / spread[:, None]
    result = {"mean": mean, "deviation": spread}
    result["percentiles"] = np.percentile(flat, PERCENTILES, axis=1, method="nearest").ravel()
    result["skewness"] = (z**3).mean(axis=1)
    result["steps"] = np.concatenate([np.abs(stains[:, s:] - stains[:, :-s]).mean(axis=(1, 2)) for s in STEPS])
    side = stains.shape[1]
    cells = [[stains[:, y : y + b, x : x + b // 2].mean(axis=(1, 2)) for y, x in _corners(side, b)] for b in BLOCKS]
    result["blocks"] = np.concatenate([np.std(cell, axis=0) for cell in cells])
    cuts = [-np.inf, *np.linspace(*RANGE, BINS + 1)[1:-1], np.inf]
    result["histograms"] = np.concatenate([np.histogram(row, cuts)[0] / row.size for row in flat[:2]])
    result["correlations"] = np.array([(z[i] * z[j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))])
    return result


def _corners(side: int, block: int) -> list[tuple[int, int]]:
    return [(y, x // 2) for y in range(0, side - block + 1, block) for x in range(0, side - block + 1, block)]


def tissue(side: int, seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(40, 250, (side // 4, side // 4, 3)).repeat(4, 0).repeat(4, 1)
    return (blocks + rng.integers(-30, 31, blocks.shape)).clip(0, 255).astype(np.uint8)


@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 99), side=st.sampled_from([32, 64, 96, 256]))
def test_every_value_follows_its_definition(seed: int, side: int) -> None:
    patch = tissue(side, seed)
    (row,) = HedStats().encode(patch[None]).astype(float)
    expected, at = plainly(patch), 0
    for name, values in expected.items():
        got = row[at : at + len(values)]
        at += len(values)
        rounding = np.abs(values) * 2**-10 + 2e-4
        near = {"percentiles": TICK / 2, "histograms": 8e-3}.get(name, 0.0)  # a bin's edge is a whole number of ticks
        assert (np.abs(got - values) <= rounding + near).all(), name
    assert at == len(row) == 64


@pytest.mark.parametrize("side", [16, 17, 24, 33, 250])
def test_any_side_gives_finite_numbers(side: int) -> None:
    features = HedStats().encode(np.stack([tissue(256, 1)[:side, :side], np.full((side, side, 3), 0, np.uint8)]))
    assert np.isfinite(features).all()


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)])
def test_no_colour_leaves_the_range_of_the_fine_histogram(colour: tuple[int, int, int]) -> None:
    row = HedStats().encode(np.full((1, 32, 32, 3), colour, np.uint8))[0].astype(float)
    assert np.abs(row[6:21].reshape(5, 3) - row[:3]).max() <= TICK / 2 + 3e-3, "every percentile is the one value"
    assert (np.abs(row[3:6]) < 1e-5).all() and np.allclose(row[45:61].reshape(2, 8).sum(axis=1), 1)


@pytest.mark.parametrize(("stain", "index"), [(HAEMATOXYLIN, 0), (EOSIN, 1)])
def test_a_pure_stain_is_recovered(stain: tuple[float, float, float], index: int) -> None:
    vector = np.array(stain) / np.linalg.norm(stain)
    pure = np.rint(255 * 10 ** (-0.8 * vector)).astype(np.uint8)
    means = HedStats().encode(np.broadcast_to(pure, (1, 64, 64, 3)).copy())[0, :3].astype(float)
    assert abs(means[index] - 0.8) < 0.01 and np.abs(np.delete(means, index)).max() < 0.01
