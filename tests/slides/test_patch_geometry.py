"""The polygon of a patch is the rectangle whose pixels were encoded, in the coordinates that QuPath displays."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import shapely

from oceanpath.artifacts.features.metadata import FeatureMeta
from oceanpath.artifacts.patch_scores import PatchScores, write_geojson
from oceanpath.slides.demo.aperio import write_aperio
from oceanpath.slides.grid import plan_grid
from oceanpath.slides.patch_geometry import patch_geometry
from oceanpath.slides.reader import SlideReader, open_slide

from .scn import write_scn

PATCH, TARGET = 64, 0.5


def meta_of(reader: SlideReader, side: float) -> FeatureMeta:
    mpp = reader.mpp
    size = reader.width, reader.height
    return FeatureMeta("e", 4, PATCH, TARGET, mpp.x, mpp.y, mpp.source, side, *size, "0", "0")


@pytest.mark.parametrize(
    ("mpp", "corner", "sides"),
    [
        ((0.5, 0.5), None, (64, 64)),
        ((0.25, 0.25), None, (128, 128)),
        ((0.31, 0.31), None, (103, 103)),
        ((0.25, 0.5), (0, 0), (128, 64)),
        ((0.31, 0.37), (0, 0), (103, 86)),  # the ratio of resolutions alone gives a height of 86.3
        ((0.5, 0.5), (1024, 640), (64, 64)),
        ((0.25, 0.5), (1024, 640), (128, 64)),
    ],
)
def test_polygons_enclose_the_pixels_that_were_read(
    tmp_path: Path, mpp: tuple[float, float], corner: tuple[int, int] | None, sides: tuple[int, int]
) -> None:
    path = tmp_path / ("s.svs" if corner is None else "s.scn")
    pixels = np.full((640, 640, 3), (200, 90, 170), np.uint8)
    start = corner or (0, 0)
    left, top = (-(-at // side) * side - at + side for at, side in zip(start, sides, strict=True))  # second grid cell
    pixels[top : top + sides[1], left : left + sides[0]] = (20, 40, 200)
    if corner is None:
        write_aperio(path, pixels, mpp[0])
    else:
        write_scn(path, pixels, corner, mpp)
    with open_slide(path) as reader:
        assert (reader.mpp.x, reader.mpp.y) == pytest.approx(mpp, rel=1e-3)
        grid = plan_grid(reader, PATCH, TARGET)
        cells = [(x, y) for y in range(1, 30) for x in range(1, 30)]
        coords = np.array([(x * sides[0], y * sides[1]) for x, y in cells], np.int64)
        coords = coords[(coords + sides <= np.add(start, 640)).all(axis=1) & (coords >= start).all(axis=1)]
        regions = reader.regions(coords, grid.level, grid.read_width, grid.read_height)
        blue = np.array([float(region[..., 0].mean() < 60) for region in regions])
        meta = meta_of(reader, grid.footprint_x)
    geometry = patch_geometry(path, meta)
    assert blue.sum() == 1 and geometry.origin == start
    write_geojson(
        tmp_path / "s.geojson",
        PatchScores("s", coords, geometry.footprint, {"blue": blue}, geometry.origin).strongest("blue", at_least=1),
    )
    (feature,) = json.loads((tmp_path / "s.geojson").read_text())["features"]
    assert shapely.Polygon(feature["geometry"]["coordinates"][0]).bounds == (
        left, top, left + sides[0], top + sides[1],
    )  # fmt: skip


def test_patches_of_another_grid_have_the_height_of_their_resolution(tmp_path: Path) -> None:
    write_aperio(tmp_path / "s.svs", np.full((512, 512, 3), 200, np.uint8), 0.26)
    with open_slide(tmp_path / "s.svs") as reader:
        meta = meta_of(reader, 128.0)  # TRIDENT: a ratio of magnifications, not 123 px
    assert patch_geometry(tmp_path / "s.svs", meta) == ((128.0, 128.0), (0, 0)) and meta.footprint == (128.0, 128.0)
