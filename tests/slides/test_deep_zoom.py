"""Tiles are those of the Deep Zoom format, compared with the generator of OpenSlide, and show the slide."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openslide
import pytest
from openslide.deepzoom import DeepZoomGenerator

from oceanpath.slides import deep_zoom
from oceanpath.slides.deep_zoom import OVERLAP_PX, TILE_PX, DeepZoom, coarsest_tiles
from oceanpath.slides.demo.aperio import write_pyramid
from oceanpath.slides.picture import read_picture
from oceanpath.slides.reader import open_slide

from .marked import edges_of, write_marked

SIZE, SQUARE = (2300, 1795), (801, 643, 1317, 1155)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marked(tmp_path_factory.mktemp("tiles") / "s.svs", SIZE, SQUARE)


def test_levels_and_tiles_have_the_sizes_of_openslides_generator(slide: Path) -> None:
    with openslide.OpenSlide(slide) as handle:
        expected = DeepZoomGenerator(handle, tile_size=TILE_PX, overlap=OVERLAP_PX, limit_bounds=False)
        image = DeepZoom(*SIZE)
        assert image.max_level + 1 == expected.level_count
        for level in range(expected.level_count):
            assert image.level_size(level) == expected.level_dimensions[level]
            columns, rows = expected.level_tiles[level]
            for column in range(columns):
                for row in range(rows):
                    tile = image.tile(level, column, row)
                    assert tile and (tile.width, tile.height) == expected.get_tile_dimensions(level, (column, row))
            assert image.tile(level, columns, 0) is None and image.tile(level, 0, rows) is None
        assert image.tile(expected.level_count, 0, 0) is None and image.tile(-1, 0, 0) is None
        fields = ElementTree.fromstring(image.descriptor())
        assert fields.attrib == ElementTree.fromstring(expected.get_dzi("jpeg")).attrib
        assert [part.attrib for part in fields] == [{"Width": str(SIZE[0]), "Height": str(SIZE[1])}]


@pytest.mark.parametrize("level", [12, 11, 10, 8, 6])
def test_tiles_of_a_level_together_show_the_mark_at_its_place(slide: Path, level: int) -> None:
    image = DeepZoom(*SIZE)
    wide, high = image.level_size(level)
    canvas = np.zeros((high, wide, 3), np.uint8)
    with open_slide(slide) as reader:
        for column in range(-(-wide // TILE_PX)):
            for row in range(-(-high // TILE_PX)):
                tile = image.tile(level, column, row)
                assert tile
                left, top = round(tile.box.left / image.scale(level)), round(tile.box.top / image.scale(level))
                pixels = read_picture(reader, tile.box, tile.width, tile.height)
                canvas[top : top + tile.height, left : left + tile.width] = pixels
    assert edges_of(canvas) == pytest.approx([at / image.scale(level) for at in SQUARE], abs=0.35)


def test_a_slide_with_few_levels_begins_with_tiles_that_can_be_read(
    slide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deep_zoom, "MOST_PIXELS", 1200 * 1200)
    flat = tmp_path / "flat.svs"
    tile = np.full((256, 256, 3), 200, np.uint8)
    write_pyramid(flat, [((4096, 4096), iter([tile] * 256))], 0.5)
    with open_slide(flat) as reader:
        assert coarsest_tiles(reader) == 11  # 512 of its pixels are 1024 of the only level
    with open_slide(slide) as reader:
        assert coarsest_tiles(reader) == 0
