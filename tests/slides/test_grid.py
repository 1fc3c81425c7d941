"""Patches have their physical size, are inside the slide, and contain tissue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import ExperimentError, StageError
from oceanpath.slides.grid import SNAP, plan_grid, select_patches, tissue_fractions
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import SlideReader, open_slide
from oceanpath.slides.resolution import Resolution
from oceanpath.slides.tissue import Tissue, find_tissue


def slide(width: int, height: int, mpp: tuple[float, float], downsamples: tuple[float, ...] = (1.0,)) -> SlideReader:
    """What the geometry needs of a reader."""
    reader = SimpleNamespace(
        path=Path("s.svs"), width=width, height=height, mpp=Resolution(*mpp, "test"), level_downsamples=downsamples
    )
    return cast(SlideReader, reader)


@settings(deadline=None, max_examples=150)
@given(
    mpp=st.tuples(st.floats(0.1, 0.5), st.floats(0.1, 0.5)),
    deeper=st.lists(st.floats(1.5, 40), max_size=4),
    patch=st.sampled_from([128, 224, 256, 512]),
    target=st.floats(0.5, 2.0),
    overlap=st.sampled_from([0, 16, 64]),
    size=st.tuples(st.integers(11000, 40000), st.integers(11000, 40000)),
)
def test_patches_have_their_physical_size_and_are_inside(
    mpp: tuple[float, float], deeper: list[float], patch: int, target: float, overlap: int, size: tuple[int, int]
) -> None:
    reader = slide(*size, mpp, (1.0, *sorted(deeper)))
    grid = plan_grid(reader, patch, target, overlap)
    downsample = reader.level_downsamples[grid.level]
    for footprint, axis_mpp, read in (
        (grid.footprint_x, mpp[0], grid.read_width),
        (grid.footprint_y, mpp[1], grid.read_height),
    ):
        assert footprint * axis_mpp == pytest.approx(patch * target, rel=SNAP + 1 / read)
        assert footprint == pytest.approx(read * downsample)
        assert read >= patch * (1 - 1e-9) or downsample * axis_mpp > target  # never enlarged beyond the snap
    full = Tissue(np.ones((50, 60), bool), size[0] / 60, size[1] / 50)
    coords, fractions = select_patches(reader, grid, full, 0.5)
    assert len(coords) and coords.min() == 0 and np.allclose(fractions, 1, atol=1e-5)
    assert (coords[:, 0] + grid.footprint_x <= size[0] + 1).all()
    assert (coords[:, 1] + grid.footprint_y <= size[1] + 1).all()
    assert len(np.unique(coords, axis=0)) == len(coords)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 1000), scale=st.floats(3, 40), side=st.floats(20, 300))
def test_tissue_fractions_are_exact_areas(seed: int, scale: float, side: float) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((30, 40)) < 0.4
    xs, ys = (rng.integers(0, max(1, int(n * scale - side)), 3) for n in (40, 30))
    result = tissue_fractions(Tissue(mask, scale, scale), xs, ys, side, side)
    for i, y in enumerate(ys):
        for j, x in enumerate(xs):
            right, bottom = min((x + side) / scale, 40), min((y + side) / scale, 30)
            wide = np.clip(np.minimum(np.arange(40) + 1, right) - np.maximum(np.arange(40), x / scale), 0, None)
            high = np.clip(np.minimum(np.arange(30) + 1, bottom) - np.maximum(np.arange(30), y / scale), 0, None)
            exact = (mask * high[:, None] * wide[None, :]).sum() / (high.sum() * wide.sum())
            assert result[i, j] == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(
    ("mpp", "downsamples", "level", "read", "footprint"),
    [
        (0.5, (1.0,), 0, 256, 256.0),
        (0.499, (1.0,), 0, 256, 256.0),  # within the snap: read as it is
        (0.25, (1.0, 4.0), 0, 512, 512.0),
        (0.25, (1.0, 2.0, 4.0), 1, 256, 512.0),
        (0.25, (1.0, 1.9993), 1, 256, 256 * 1.9993),  # the downsample stays a float
        (0.31, (1.0,), 0, 413, 413.0),
    ],
)
def test_level_read_size_and_footprint(
    mpp: float, downsamples: tuple[float, ...], level: int, read: int, footprint: float
) -> None:
    grid = plan_grid(slide(9000, 9000, (mpp, mpp), downsamples), 256, 0.5)
    assert (grid.level, grid.read_width) == (level, read)
    assert grid.footprint_x == pytest.approx(footprint)


@pytest.mark.parametrize("mpp", [0.5, 0.25])
def test_the_square_of_tissue_gives_its_four_patches(square_slide: Callable[..., Path], mpp: float) -> None:
    zoom = round(0.5 / mpp)
    with open_slide(square_slide(1024 * zoom, (256 * zoom, 256 * zoom, 768 * zoom, 768 * zoom), mpp)) as reader:
        grid = plan_grid(reader, 256, 0.5)
        coords, fractions = select_patches(reader, grid, find_tissue(reader, 128.0), 0.25)
        assert coords.tolist() == [
            [256 * zoom, 256 * zoom],
            [512 * zoom, 256 * zoom],
            [256 * zoom, 512 * zoom],
            [512 * zoom, 512 * zoom],
        ]
        assert (fractions > 0.95).all()
        patch = read_patches(reader, grid, coords[:1])[0]
        assert patch.shape == (256, 256, 3) and patch.dtype == np.uint8
        assert np.abs(patch.reshape(-1, 3).mean(axis=0) - (200, 90, 170)).max() < 4


def test_overlap_moves_the_step_only() -> None:
    grid = plan_grid(slide(9000, 9000, (0.25, 0.25)), 256, 0.5, overlap=64)
    assert (grid.step_x, grid.footprint_x) == (384.0, 512.0)
    with pytest.raises(ExperimentError, match="overlap"):
        plan_grid(slide(9000, 9000, (0.25, 0.25)), 256, 0.5, overlap=256)


def test_upsampling_and_small_slides_are_refused() -> None:
    with pytest.raises(StageError, match=r"s\.svs: .*too low for extract\.target_mpp; expected 0\.5, got 28\.97"):
        plan_grid(slide(9000, 9000, (28.97, 28.97)), 256, 0.5)
    with pytest.raises(StageError, match="smaller than one patch; expected at least 512 x 512 px, got 511 x 9000 px"):
        plan_grid(slide(511, 9000, (0.25, 0.25)), 256, 0.5)
