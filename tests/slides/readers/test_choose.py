"""The tile reader is chosen if and only if its pixels are those of OpenSlide."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from oceanpath.slides.demo.aperio import write_aperio, write_pyramid
from oceanpath.slides.grid import plan_grid
from oceanpath.slides.patches import read_patches
from oceanpath.slides.reader import open_slide
from oceanpath.slides.readers import choose
from oceanpath.slides.readers.tiff_directory import TileLevel
from oceanpath.slides.readers.tiff_tiles import TiffTiles

PIXELS = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).repeat(16, 0).repeat(16, 1).astype(np.uint8)


def test_a_plain_slide_is_read_by_tiles(tmp_path: Path) -> None:
    write_aperio(tmp_path / "a.svs", PIXELS, 0.5)
    with open_slide(tmp_path / "a.svs") as slide:
        assert (slide.reader, slide.reader_reason) == ("tiff_tiles", "")


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"compression": "deflate", "photometric": "rgb"}, "compression 32946 is not JPEG"),
        ({"compression": "jpeg", "photometric": "minisblack"}, "its pixels are not 3 interleaved bytes"),
    ],
)
def test_openslide_reads_other_tiffs_with_a_reason(tmp_path: Path, keys: dict[str, Any], reason: str) -> None:
    pixels = PIXELS[..., 0] if keys["photometric"] == "minisblack" else PIXELS
    tifffile.imwrite(tmp_path / "a.tiff", pixels, tile=(128, 128), **keys)
    with open_slide(tmp_path / "a.tiff", default_mpp=0.5) as slide:
        assert (slide.reader, slide.reader_reason) == ("openslide", reason)


def test_two_directories_of_one_size_are_ambiguous(tmp_path: Path) -> None:
    for _ in range(2):
        tifffile.imwrite(tmp_path / "a.tiff", PIXELS, tile=(128, 128), compression="jpeg", append=True, metadata=None)
    with open_slide(tmp_path / "a.tiff", default_mpp=0.5) as slide:
        assert (slide.reader, slide.reader_reason) == ("openslide", "2 tiled directories of 640 x 640 px")


def test_a_wrongly_guessed_colour_space_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the wrong colour space every tile still decodes; only the comparison tells."""
    write_aperio(tmp_path / "a.svs", PIXELS, 0.5)
    once = TiffTiles.decode

    def swapped(self: TiffTiles, tile: np.ndarray, level: int, cell: tuple[int, int]) -> None:
        once(self, tile, level, cell)
        tile[:] = tile[..., ::-1].copy()

    monkeypatch.setattr(TiffTiles, "decode", swapped)
    with open_slide(tmp_path / "a.svs") as slide:
        assert slide.reader == "openslide" and "pixels differ from OpenSlide's by up to" in slide.reader_reason


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_differing_tile_is_detected_at_either_corner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    write_aperio(tmp_path / "a.svs", np.tile(PIXELS, (3, 3, 1)), 0.5)
    once = TiffTiles.decode

    def off_by_one(self: TiffTiles, tile: np.ndarray, level: int, cell: tuple[int, int]) -> None:
        once(self, tile, level, cell)
        if level == 0 and cell == ((0, 0) if place == "first" else (7, 7)):
            tile ^= 1

    monkeypatch.setattr(TiffTiles, "decode", off_by_one)
    with open_slide(tmp_path / "a.svs") as slide:
        assert slide.reader_reason.startswith("pixels differ from OpenSlide's by up to 1 at x")


def test_no_file_stays_open(tmp_path: Path) -> None:
    write_aperio(tmp_path / "a.svs", PIXELS, 0.5)
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc on this machine")
    before = len(list(folder.iterdir()))
    for _ in range(5):
        with open_slide(tmp_path / "a.svs") as slide:
            slide.read(0, 0, 0, 10, 10)
    assert len(list(folder.iterdir())) <= before


@pytest.mark.parametrize("downsample", [1.0, 4.0, 16.0])
def test_windows_reach_all_corners_on_whole_pixels(downsample: float) -> None:
    level = TileLevel(15000, 13000, 240, 240, np.zeros((55, 63), np.int64), np.zeros((55, 63), np.int64), b"")
    at = np.array(choose._window_coords(level, downsample)) / downsample
    assert np.abs(at - np.rint(at)).max() < 1 / 512
    far = at > (15000 - 240, 13000 - 240)
    assert {tuple(corner) for corner in far[(far | (at < 240)).all(axis=1)]} == {
        (False, False),
        (True, True),
        (False, True),
        (True, False),
    }


def tiles_of(level: np.ndarray) -> Iterator[np.ndarray]:
    full = np.pad(level, ((0, -level.shape[0] % 256), (0, -level.shape[1] % 256), (0, 0)), mode="edge")
    rows = full.reshape(len(full) // 256, 256, -1, 256, 3).swapaxes(1, 2)
    return (np.ascontiguousarray(tile) for row in rows for tile in row)


@pytest.mark.parametrize(("width", "fraction"), [(4096, False), (4099, True)])
def test_unaligned_levels_are_read_in_the_same_way(tmp_path: Path, width: int, fraction: bool) -> None:
    """A scanner cuts its levels to whole pixels: 4099 / 1024 is 4.003, and the level drifts by 3 pixels of level 0."""
    pixels = np.tile(PIXELS, (4, 7, 1))[:2048, :width]
    small = pixels[:, : width // 4 * 4].reshape(512, 4, width // 4, 4, 3).mean(axis=(1, 3)).astype(np.uint8)
    write_pyramid(tmp_path / "a.svs", ((level.shape[:2], tiles_of(level)) for level in (pixels, small)), 0.25)
    with open_slide(tmp_path / "a.svs") as fast, open_slide(tmp_path / "a.svs", tiles=False) as slow:
        assert fast.reader == "tiff_tiles" and (fast.level_downsamples[1] != 4) == fraction
        grid = plan_grid(fast, 100, 1.0)
        assert grid.level == 1
        coords = np.random.default_rng(1).integers((2000, 0), (3600, 1600), (40, 2))
        assert np.array_equal(read_patches(fast, grid, coords), read_patches(slow, grid, coords))
        assert np.array_equal(fast.overview(512, 256), slow.overview(512, 256))
