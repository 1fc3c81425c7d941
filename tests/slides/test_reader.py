"""Pixels are those at the requested coordinates, on white."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ImageCms

from oceanpath.errors import ArtifactError, StageError
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.reader import open_slide
from oceanpath.slides.readers.pixels import UndecodableError

REAL = Path(__file__).resolve().parents[2] / "../shared/data/slides_real"


def gradient(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], axis=2).astype(np.uint8)


def test_regions_of_every_level_are_at_their_coordinates(tmp_path: Path) -> None:
    pixels = gradient(1500, 1100)
    write_aperio(tmp_path / "g.svs", pixels, 0.25)
    with open_slide(tmp_path / "g.svs") as slide:
        assert (slide.width, slide.height, slide.mpp.x, slide.mpp.source) == (1500, 1100, 0.25, "openslide.mpp")
        assert [round(ds) for ds in slide.level_downsamples] == [1, 4, 16]
        for level, factor in ((0, 1), (1, 4)):
            region = slide.read(320, 160, level, 100, 60)
            assert region.shape == (60, 100, 3) and region.dtype == np.uint8
            expected = pixels[160 : 160 + 60 * factor : factor, 320 : 320 + 100 * factor : factor]
            assert np.abs(region.astype(int) - expected).mean() < 2.5


def test_outside_the_slide_is_white(square_slide: Callable[..., Path]) -> None:
    with open_slide(square_slide(512, (0, 0, 512, 512))) as slide:
        region = slide.read(412, 0, 0, 200, 50)
    assert (region[:, 100:] == 255).all() and (region[:, :90] < 255).any(axis=2).all()


@pytest.mark.parametrize("size", [(375, 275), (300, 220), (97, 71), (1500, 1100), (7, 5)])
def test_an_overview_covers_the_whole_slide_without_a_shift(tmp_path: Path, size: tuple[int, int]) -> None:
    write_aperio(tmp_path / "g.svs", gradient(1500, 1100), 0.25)
    with open_slide(tmp_path / "g.svs") as slide:
        seen = slide.overview(*size).astype(float)
    assert seen.shape == (size[1], size[0], 3)
    centre_x, centre_y = (np.arange(size[0]) + 0.5) / size[0] * 255, (np.arange(size[1]) + 0.5) / size[1] * 255
    assert np.abs(seen[:, :, 0].mean(axis=0) - centre_x).max() < 3
    assert np.abs(seen[:, :, 1].mean(axis=1) - centre_y).max() < 3


def test_an_overview_in_blocks_is_the_overview(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (700, 900, 3)).astype(np.uint8)
    write_aperio(tmp_path / "n.svs", pixels, 0.5)
    with open_slide(tmp_path / "n.svs") as slide:
        whole = slide.overview(450, 350)
        monkeypatch.setattr("oceanpath.slides.reader.BLOCK", 128)
        assert np.array_equal(slide.overview(450, 350), whole)


def test_a_thumbnail_is_never_enlarged(square_slide: Callable[..., Path]) -> None:
    with open_slide(square_slide(512, (0, 0, 512, 512))) as slide:
        assert slide.thumbnail(128).shape == (128, 128, 3)
        assert slide.thumbnail(5000).shape == (512, 512, 3)


def test_a_file_that_is_no_slide(tmp_path: Path) -> None:
    (tmp_path / "a.svs").write_bytes(b"not a slide")
    with pytest.raises(ArtifactError, match=r"a\.svs: OpenSlide cannot open"):
        open_slide(tmp_path / "a.svs")
    with pytest.raises(ArtifactError, match="OpenSlide cannot open"):
        open_slide(tmp_path / "gone.svs")


def test_pixels_that_cannot_be_decoded(tmp_path: Path) -> None:
    write_aperio(tmp_path / "a.svs", np.random.default_rng(0).integers(0, 255, (512, 512, 3)).astype(np.uint8), 0.5)
    data = (tmp_path / "a.svs").read_bytes()
    (tmp_path / "a.svs").write_bytes(data.replace(b"\xff\xd8\xff", bytes(3)))  # where each tile begins
    with open_slide(tmp_path / "a.svs") as slide, pytest.raises(ArtifactError, match="cannot be decoded"):
        slide.read(0, 0, 0, 256, 256)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("broken_truncated.svs", ArtifactError, "cannot open"),
        ("broken_unopenable.tiff", ArtifactError, "Unsupported TIFF compression: 52479"),
        ("not_openslide_kidney-48-5.tif", ArtifactError, "cannot open"),
        ("CMU-1-Small-Region.jp2.tiff", ArtifactError, "Unsupported TIFF compression: 34712"),
        ("CMU-1-Small-Region.jpeg.tiff", StageError, r"openslide\.mpp = 0\.00499"),
        ("CropBreastSlide.tiff", StageError, r"openslide\.mpp = 264\.583"),
        ("TCGA-CR-7395-01A-01-TS1.svs", StageError, "no mpp and no objective power"),
    ],
)
def test_real_slides_that_must_be_refused(name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=rf"{name}.*{says}"):
        open_slide(REAL / name)


def bad_tile(path: Path, number: int, side: int = 1024) -> np.ndarray:
    """A tiled slide of one level with noise, one tile of which is overwritten with zeros; returns its pixels."""
    pixels = np.random.default_rng(0).integers(40, 200, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1)
    pixels = pixels.astype(np.uint8)
    cm = (1e4 / 0.5, 1e4 / 0.5)
    tifffile.imwrite(
        path, pixels, tile=(256, 256), compression="jpeg", photometric="rgb", resolution=cm, resolutionunit="CENTIMETER"
    )
    with tifffile.TiffFile(path) as tiff:
        start, size = tiff.pages.first.dataoffsets[number], tiff.pages.first.databytecounts[number]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(size))
    return pixels


@pytest.mark.parametrize("tiles", [True, False])
@pytest.mark.parametrize("number", range(16))  # wherever it lies, also where the choice of the reader looks
def test_a_damaged_tile_affects_no_other_region(tmp_path: Path, number: int, tiles: bool) -> None:
    pixels = bad_tile(tmp_path / "a.tif", number)
    with open_slide(tmp_path / "a.tif", tiles=tiles) as slide:
        for cell in range(16):
            x, y = cell % 4 * 256, cell // 4 * 256
            if cell == number:
                with pytest.raises(UndecodableError, match=r"a\.tif: pixels cannot be decoded.*on_bad_tile"):
                    slide.read(x, y, 0, 256, 256)
            else:
                expected = pixels[y : y + 256, x : x + 256]
                assert np.abs(slide.read(x, y, 0, 256, 256).astype(int) - expected).mean() < 20


def test_undecodable_parts_of_an_overview_are_white_and_counted(tmp_path: Path) -> None:
    bad_tile(tmp_path / "a.tif", 5)
    with open_slide(tmp_path / "a.tif") as slide, pytest.raises(UndecodableError):
        slide.overview(64, 64)
    with open_slide(tmp_path / "a.tif", skip_undecodable=True) as slide:
        seen = slide.overview(64, 64)
        assert slide.undecodable_share == pytest.approx(1 / 16, abs=0.03)
    assert (seen[18:30, 18:30] == 255).all()
    assert (seen[:14] < 250).any(axis=2).all()


def test_sixteen_bits_of_which_twelve_are_used_are_refused(tmp_path: Path) -> None:
    cm: dict[str, Any] = {
        "resolution": (2e4, 2e4),
        "resolutionunit": "CENTIMETER",
        "photometric": "rgb",
        "tile": (256, 256),
    }
    bright = np.full((512, 512, 3), 240, np.uint16)
    tifffile.imwrite(tmp_path / "full.tif", bright * 257, **cm)
    tifffile.imwrite(tmp_path / "twelve.tif", bright * 16, **cm)
    with open_slide(tmp_path / "full.tif") as slide:
        assert slide.read(0, 0, 0, 8, 8).min() == 240
    with pytest.raises(StageError, match=r"twelve\.tif: the 16-bit samples use only the lower 12 bits.*8 bits"):
        open_slide(tmp_path / "twelve.tif")


def test_colours_are_converted_by_the_slides_profile_on_request(tmp_path: Path) -> None:
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = swapped.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")  # red is blue
    pixels = np.full((512, 512, 3), (200, 100, 40), np.uint8)
    cm: dict[str, Any] = {
        "resolution": (2e4, 2e4),
        "resolutionunit": "CENTIMETER",
        "photometric": "rgb",
        "tile": (256, 256),
    }
    tifffile.imwrite(tmp_path / "icc.tif", pixels, iccprofile=swapped, **cm)
    with open_slide(tmp_path / "icc.tif") as slide:
        assert slide.colour_profile and (slide.read(0, 0, 0, 8, 8) == (200, 100, 40)).all()
    with open_slide(tmp_path / "icc.tif", to_srgb=True) as slide:
        assert np.abs(slide.read(0, 0, 0, 8, 8).astype(int) - (40, 100, 200)).max() <= 3
        assert np.abs(slide.thumbnail(64).astype(int) - (40, 100, 200)).max() <= 3
