"""Pixels come from where they were asked for, on white."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oceanpath.errors import ArtifactError, StageError
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.reader import open_slide

REAL = Path(__file__).resolve().parents[2] / "../shared/data/slides_real"


def gradient(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, np.full_like(x, 128)], axis=2).astype(np.uint8)


def test_regions_of_every_level_show_the_right_place(tmp_path: Path) -> None:
    pixels = gradient(1500, 1100)
    write_aperio(tmp_path / "g.svs", pixels, 0.25)
    with open_slide(tmp_path / "g.svs") as slide:
        assert (slide.width, slide.height, slide.mpp.x, slide.mpp.source) == (1500, 1100, 0.25, "openslide.mpp")
        assert [round(ds) for ds in slide.level_downsamples] == [1, 4, 16]
        for level, factor in ((0, 1), (1, 4)):
            region = slide.read(320, 160, level, 100, 60)
            assert region.shape == (60, 100, 3) and region.dtype == np.uint8
            wanted = pixels[160 : 160 + 60 * factor : factor, 320 : 320 + 100 * factor : factor]
            assert np.abs(region.astype(int) - wanted).mean() < 2.5


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
