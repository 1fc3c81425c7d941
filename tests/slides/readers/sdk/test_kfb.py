"""A .kfb laid out as kfbslide 0.3.4 reads it, through the real package: the tiles' own pixels at every level."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError
from oceanpath.slides.reader import open_slide

pytestmark = pytest.mark.skipif(importlib.util.find_spec("kfbslide") is None, reason="kfbslide is not installed")
WIDE, HIGH, TILE, POWER = 700, 500, 256, 40


def levels() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 255, (HIGH // 20, WIDE // 20, 3), np.uint8).repeat(20, 0).repeat(20, 1)
    return [whole, np.ascontiguousarray(255 - whole[::2, ::2])]


def section(kind: int, payload: bytes) -> bytes:
    return bytes([0xF1, kind, 0xEE, 0xEE]) + payload + bytes([0xFF, kind, 0xEE, 0xEE])


def write(path: Path, drawn: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Write levels as JPEG tiles; returns what a decoder makes of them. Places are those of the package's parser."""
    index, tiles, seen = b"", b"", []
    for number, level in enumerate(drawn):
        decoded = np.empty_like(level)
        for y in range(0, level.shape[0], TILE):
            for x in range(0, level.shape[1], TILE):
                part = np.ascontiguousarray(level[y : y + TILE, x : x + TILE])
                jpeg = simplejpeg.encode_jpeg(part, quality=90, colorsubsampling="444")
                high, wide = part.shape[:2]
                index += struct.pack("<4xIIIIf8xI28x", x, y, wide, high, POWER / 2**number, len(jpeg))
                tiles += jpeg
                decoded[y : y + high, x : x + wide] = simplejpeg.decode_jpeg(jpeg)
        seen.append(decoded)
    macro = simplejpeg.encode_jpeg(np.full((8, 8, 3), 99, np.uint8))
    first, second = len(section(1, bytes(96))), len(section(2, bytes(44)))
    start = first + second + len(macro)
    high, wide = drawn[0].shape[:2]
    head = b"KFB\0" + bytes(4) + struct.pack("<fIIII", 1.6, len(index) // 64, high, wide, POWER) + b"JPEG" + bytes(4)
    head += struct.pack("<IqIIQQf8xI8x", 0, 0, first, 0, start + len(index), start, 0.25, TILE)
    image = bytes(4) + struct.pack("<IIIII", 8, 8, 0, len(macro), second) + bytes(20)
    path.write_bytes(section(1, head) + section(2, image) + macro + index + tiles)
    return seen


def test_levels_have_the_pixels_of_their_tiles(tmp_path: Path) -> None:
    seen = write(tmp_path / "a b é.kfb", levels())
    with open_slide(tmp_path / "a b é.kfb") as slide:
        assert slide.reader.startswith("kfbslide ") and slide.level_downsamples == (1.0, 2.0)
        assert slide.level_sizes == ((WIDE, HIGH), (WIDE // 2, HIGH // 2))
        assert (slide.mpp.x, slide.mpp.source) == (0.25, "kfb.mpp")
        for number, level in enumerate(seen):
            high, wide = level.shape[:2]
            assert np.array_equal(slide.read(0, 0, number, wide, high), level)
        assert np.array_equal(slide.read(22, 14, 1, 60, 40), seen[1][7:47, 11:71])


@pytest.mark.parametrize("content", [b"", bytes(5000), b"KFB" * 2000])
def test_a_file_that_is_no_slide(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.kfb").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"a\.kfb: kfbslide .* cannot open this file.*Cannot parse KFB"):
        open_slide(tmp_path / "a.kfb")
