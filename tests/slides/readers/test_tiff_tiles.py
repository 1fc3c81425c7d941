"""The tile reader gives the pixels of OpenSlide, to the last bit, for any region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import ArtifactError
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.reader import open_slide
from oceanpath.slides.readers.tiff_tiles import TiffTiles

REAL = Path(__file__).resolve().parents[3] / "../shared/data/slides_real"


def noise(width: int, height: int) -> np.ndarray:
    rng = np.random.default_rng(width)
    return rng.integers(0, 255, (height // 4 + 1, width // 4 + 1, 3)).repeat(4, 0).repeat(4, 1)[:height, :width]


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pyramid") / "p.svs"
    write_aperio(path, noise(1301, 1091).astype(np.uint8), 0.25)  # levels 1301, 326 and 82 wide: no whole downsamples
    return path


@settings(max_examples=40)
@given(
    corners=st.lists(st.tuples(st.integers(-300, 1400), st.integers(-300, 1200)), min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    factor=st.sampled_from([1, 2, 3, 16]),
    level=st.sampled_from([0, 0, 1, 2]),
    snap=st.sampled_from([1, 2, 256]),
)
def test_any_region_is_that_of_openslide(
    pyramid: Path, corners: list[tuple[int, int]], size: tuple[int, int], factor: int, level: int, snap: int
) -> None:
    places = np.array(corners) // snap * snap
    with open_slide(pyramid) as fast, open_slide(pyramid, tiles=False) as slow:
        assert (fast.reader, slow.reader) == ("tiff_tiles", "openslide")
        request = (places, level, size[0] * factor, size[1] * factor, factor)
        for result, expected in zip(fast.regions(*request), slow.regions(*request), strict=True):
            assert result.shape == (size[1], size[0], 3) and np.array_equal(result, expected)


def test_deeper_levels_are_those_of_openslide(tmp_path: Path) -> None:
    write_aperio(tmp_path / "p.svs", noise(2048, 1024).astype(np.uint8), 0.25)
    with open_slide(tmp_path / "p.svs") as fast, open_slide(tmp_path / "p.svs", tiles=False) as slow:
        assert fast.reader == "tiff_tiles"
        for level in (1, 2):
            places = np.array([[0, 0], [33, 47], [1000, 999], [2000, 1000]])
            for result, expected in zip(
                fast.regions(places, level, 50, 60), slow.regions(places, level, 50, 60), strict=True
            ):
                assert np.array_equal(result, expected)


def test_a_tile_is_decoded_once_per_call(pyramid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[tuple[int, int]] = []
    once = TiffTiles.decode

    def count(self: TiffTiles, tile: np.ndarray, level: int, cell: tuple[int, int]) -> None:
        decoded.append(cell)
        once(self, tile, level, cell)

    with open_slide(pyramid) as slide:
        monkeypatch.setattr(TiffTiles, "decode", count)
        places = np.stack(np.meshgrid(np.arange(0, 1000, 100), np.arange(0, 800, 100)), -1).reshape(-1, 2)
        assert sum(1 for _ in slide.regions(places, 0, 100, 100)) == len(places)
    assert len(decoded) == len(set(decoded)) == 4 * 4


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 1), (2, 2)])
def test_generic_tiffs_of_any_chroma(tmp_path: Path, subsampling: tuple[int, int]) -> None:
    pixels = noise(700, 600).astype(np.uint8)
    args = {"level": 70, "subsampling": subsampling}
    tifffile.imwrite(
        tmp_path / "g.tiff", pixels, tile=(128, 192), compression="jpeg", compressionargs=args, photometric="rgb"
    )
    with open_slide(tmp_path / "g.tiff", default_mpp=0.5) as fast:
        assert (fast.reader, fast.reader_reason) == ("tiff_tiles", "")
        with open_slide(tmp_path / "g.tiff", default_mpp=0.5, tiles=False) as slow:
            assert np.array_equal(fast.read(-5, 3, 0, 710, 650), slow.read(-5, 3, 0, 710, 650))


def test_a_damaged_tile_has_the_result_of_openslide(tmp_path: Path) -> None:
    """The tile is outside the windows that are compared when the reader is chosen."""
    write_aperio(tmp_path / "d.svs", noise(2048, 2048).astype(np.uint8), 0.5)
    data = bytearray((tmp_path / "d.svs").read_bytes())
    with tifffile.TiffFile(tmp_path / "d.svs") as tiff:
        offset = tiff.pages[0].dataoffsets[8 * 1 + 3]
    data[offset : offset + 3] = bytes(3)
    (tmp_path / "d.svs").write_bytes(data)
    with open_slide(tmp_path / "d.svs") as slide:
        assert slide.reader == "tiff_tiles" and slide.read(0, 0, 0, 256, 256).any()
        with pytest.raises(ArtifactError, match=r"d\.svs: pixels cannot be decoded.*x 768, y 256, level 0"):
            slide.read(700, 200, 0, 300, 300)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "CMU-1-Small-Region.jpeg.tiff", "CropBreastSlide.tiff"])
def test_real_slides_are_the_same_through_both_readers(name: str) -> None:
    """The first keeps its tables apart and stores RGB, not YCbCr: without a marker it decodes in wrong colours."""
    with (
        open_slide(REAL / name, override_mpp=0.5) as fast,
        open_slide(REAL / name, override_mpp=0.5, tiles=False) as slow,
    ):
        assert fast.reader == "tiff_tiles"
        for level, downsample in enumerate(fast.level_downsamples):
            for part in (0, 0.31, 0.87):
                x, y = int(fast.width * part), int(fast.height * part)
                wide = int(300 / max(1, downsample / 2))
                assert np.array_equal(fast.read(x, y, level, wide, wide), slow.read(x, y, level, wide, wide))
