"""A real .czi through the real package: the stored pixels, levels of the pyramid, and only brightfield."""

from __future__ import annotations

import importlib
import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError, StageError
from oceanpath.slides.grid import plan_grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide

pytestmark = pytest.mark.skipif(importlib.util.find_spec("pylibCZIrw") is None, reason="pylibCZIrw is not installed")
LEFT, TOP, WIDE, HIGH, TILE = -100, 50, 768, 512, 256


def picture() -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (HIGH // 16, WIDE // 16, 3), np.uint8).repeat(16, 0).repeat(16, 1)


def halves() -> NDArray[np.uint8]:
    """Pixels of the pyramid: other colours than level 0, so that the level that was read is visible."""
    means: NDArray[np.floating] = picture().reshape(HIGH // 2, 2, WIDE // 2, 2, 3).mean((1, 3))
    return 255 - means.astype(np.uint8)


def write(path: Path, *, mpp: float = 0.25, pyramid: float = 1.0, pixels: NDArray[np.uint8] | None = None) -> Path:
    """A slide at an odd place in tiles, with a layer of half the size over a share `pyramid` of its height.

    The package writes no pyramids, so the layer is written as a tile and said to cover twice as much in the directory.
    """
    shown = picture() if pixels is None else pixels
    small = halves()[: int(HIGH // 2 * pyramid)]
    with importlib.import_module("pylibCZIrw.czi").create_czi(str(path)) as file:
        for y in range(0, HIGH, TILE):
            for x in range(0, WIDE, TILE):
                tile = shown[y : y + TILE, x : x + TILE, ::-1]
                file.write(np.ascontiguousarray(tile), location=(LEFT + x, TOP + y))
        if len(small):
            file.write(np.ascontiguousarray(small[..., ::-1]), location=(LEFT, TOP))
        file.write_metadata(scale_x=mpp * 1e-6, scale_y=mpp * 1e-6)
    data, entry, at = bytearray(path.read_bytes()), b"X" + bytes(3) + struct.pack("<ii", LEFT, WIDE // 2), 0
    while (at := data.find(entry, at)) >= 0:
        for place, size in ((at, WIDE), (at + 20, 2 * len(small))):  # X, then Y: name, start, size, …, stored size
            data[place + 8 : place + 12] = struct.pack("<i", size)
        at += 1
    path.write_bytes(data)
    return path


def test_levels_have_their_own_pixels(tmp_path: Path) -> None:
    with open_slide(write(tmp_path / "a b é.czi")) as slide:
        assert slide.level_sizes == ((WIDE, HIGH), (WIDE // 2, HIGH // 2)) and slide.level_downsamples == (1.0, 2.0)
        assert slide.mpp.x == pytest.approx(0.25) and slide.mpp.source == "czi.Scaling"
        assert slide.reader.startswith("pylibCZIrw ")
        assert np.array_equal(slide.read(0, 0, 0, WIDE, HIGH), picture())
        assert np.array_equal(slide.read(0, 0, 1, WIDE // 2, HIGH // 2), halves())
        assert np.array_equal(slide.read(14, 22, 1, 65, 33), halves()[11:44, 7:72])
        out = slide.read(-10, -20, 0, 100, 100)
        assert np.array_equal(out[20:, 10:], picture()[:80, :90]) and (out[:20] == 255).all()
        grid = plan_grid(slide, 64, 0.5)
        assert grid.level == 1
        assert np.array_equal(read_patches(slide, grid, np.array([[128, 0]]))[0], halves()[:64, 64:128])


@pytest.mark.parametrize("pyramid", [0.0, 0.5])
def test_an_incomplete_layer_is_not_a_level(tmp_path: Path, pyramid: float) -> None:
    with open_slide(write(tmp_path / "a.czi", pyramid=pyramid)) as slide:
        assert slide.level_downsamples == (1.0,)
        assert np.array_equal(slide.read(0, 0, 0, WIDE, HIGH), picture())


def test_other_pixel_types_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "grey.czi", pyramid=0, pixels=picture()[..., :1])
    with pytest.raises(ArtifactError, match=r"grey\.czi: pylibCZIrw .* cannot open.*not one plane of Bgr24: Gray8"):
        open_slide(tmp_path / "grey.czi")
    with pytest.raises(StageError, match=r"no plausible resolution; .*got no mpp"):
        open_slide(write(tmp_path / "b.czi", mpp=0))


@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_truncated_file_is_reported(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "a.czi")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"a\.czi: pylibCZIrw .* cannot open this file"):
        open_slide(path)
