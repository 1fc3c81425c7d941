"""Tissue from files: the mask is the outlined area, for all forms of GeoJSON."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from PIL import Image

from oceanpath.errors import ArtifactError, ExperimentError, StageError
from oceanpath.slides.bounds import Bounds, scanned_bounds
from oceanpath.slides.contours import find_contours, read_tissue
from oceanpath.slides.reader import SlideReader
from oceanpath.slides.resolution import Resolution


def reader_of(bounds: Bounds) -> SlideReader:
    """What `read_tissue` needs of a reader."""
    mpp = Resolution(0.5, 0.5, "test")
    return cast(SlideReader, SimpleNamespace(path=Path("s.svs"), width=8000, height=4000, mpp=mpp, bounds=bounds))


READER = reader_of(Bounds(0, 0, 8000, 4000))
AREA = Bounds(4000, 1000, 3500, 2600)
OFFSET = reader_of(AREA)
BOX = [[1600, 800], [3200, 800], [3200, 2400], [1600, 2400], [1600, 800]]
HOLE = [[2000, 1200], [2400, 1200], [2400, 1600], [2000, 1600], [2000, 1200]]


def read(path: Path) -> np.ndarray:
    return read_tissue(path, READER, 128.0).mask


def save(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


@pytest.mark.parametrize("kind", ["polygon", "multi", "feature", "collection", "list", "geometries"])
def test_all_forms_of_polygons_are_read(tmp_path: Path, kind: str) -> None:
    polygon = {"type": "Polygon", "coordinates": [BOX, HOLE]}
    feature = {"type": "Feature", "geometry": polygon, "properties": {"features": 1}}
    point = {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 1]}, "properties": None}
    message = {
        "polygon": polygon,
        "multi": {"type": "MultiPolygon", "coordinates": [[BOX, HOLE]]},
        "feature": feature,
        "collection": {
            "type": "FeatureCollection",
            "features": [point, feature, {"type": "Feature", "geometry": None}],
        },
        "list": [feature],
        "geometries": {"type": "GeometryCollection", "geometries": [polygon]},
    }
    mask = read(save(tmp_path / "s.geojson", message[kind]))
    assert mask.shape == (250, 500)
    expected = np.zeros(mask.shape, bool)
    expected[50:150, 100:200] = True
    expected[75:100, 125:150] = False
    assert (mask ^ expected).sum() <= 4 * 101 + 4 * 26  # one pixel along the edges


def test_holes_belong_to_their_polygon(tmp_path: Path) -> None:
    whole = {"type": "MultiPolygon", "coordinates": [[HOLE], [BOX, HOLE]]}
    assert read(save(tmp_path / "s.geojson", whole))[76:99, 126:149].all()


def test_a_mask_image_covers_the_slide(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80), np.uint8)
    pixels[10:20, 30:50] = 1
    Image.fromarray(pixels).save(tmp_path / "s.png")
    tissue = read_tissue(tmp_path / "s.png", READER, 128.0)
    assert np.array_equal(tissue.mask, pixels > 0) and (tissue.scale_x, tissue.scale_y, tissue.source) == (
        100,
        100,
        "png",
    )


def test_files_are_found_by_slide_id(tmp_path: Path) -> None:
    for name in ("a b[1].geojson", "c.svs.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    assert {name: path.name for name, path in find_contours(tmp_path).items()} == {
        "a b[1]": "a b[1].geojson",
        "c": "c.svs.png",
    }
    (tmp_path / "c.geojson").touch()
    with pytest.raises(ExperimentError, match=r"two tissue masks for one slide; got c\.geojson and c\.svs\.png"):
        find_contours(tmp_path)
    with pytest.raises(ExperimentError, match=r"does not exist.*extract\.tissue"):
        find_contours(tmp_path / "gone")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the contours cannot be read"),
        ("{}", "the contours cannot be read; expected GeoJSON polygons, got 'type'"),
        ("3", "the contours cannot be read"),
        ("null", "the contours cannot be read"),
        ('{"type": "Polygon", "coordinates": [[[1]]]}', "the contours cannot be read"),
        ('{"type": "Polygon", "coordinates": [[["x", "y"]]]}', "the contours cannot be read"),
        ('{"type": "FeatureCollection", "features": []}', "no polygons in this file"),
    ],
)
def test_files_that_are_not_geojson_are_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "s.geojson").write_text(text)
    with pytest.raises(ArtifactError, match=rf"s\.geojson: {says}"):
        read(tmp_path / "s.geojson")


def test_mask_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ArtifactError, match="the tissue mask cannot be read"):
        read(tmp_path / "a.png")
    Image.new("L", (80, 80)).save(tmp_path / "b.png")
    with pytest.raises(
        StageError, match="does not cover the whole slide; expected the shape of 8000 x 4000 px, got 80 x 80"
    ):
        read(tmp_path / "b.png")


def box(left: int, top: int, right: int, bottom: int) -> dict[str, object]:
    corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {"type": "Polygon", "coordinates": [corners]}


def lit(mask: np.ndarray) -> tuple[int, ...]:
    """Left, top, right and bottom of what is True, in level-0 pixels of a slide of 8000 x 4000."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    scale = 8000 / mask.shape[1]
    return tuple(round(v * scale) for v in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 32  # two pixels of the mask


def test_contours_relative_to_the_scanned_area_are_moved_by_it(tmp_path: Path) -> None:
    path = save(tmp_path / "s.geojson", box(100, 200, 3000, 2000))  # left of the scanned area as slide coordinates
    tissue = read_tissue(path, OFFSET, 128.0)
    assert tissue.origin == "bounds"
    assert near(lit(tissue.mask), (4100, 1200, 7000, 3000))


def test_contours_in_slide_coordinates_stay(tmp_path: Path) -> None:
    path = save(tmp_path / "s.geojson", box(4100, 1200, 7000, 3000))  # right of the scanned area's width
    tissue = read_tissue(path, OFFSET, 128.0)
    assert tissue.origin == "" and near(lit(tissue.mask), (4100, 1200, 7000, 3000))


@pytest.mark.parametrize(
    ("corners", "says"),
    [((2000, 1000, 3000, 2000), "both the slide and the scanned area"), ((0, 0, 8000, 4000), "neither the slide nor")],
)
def test_an_unclear_origin_names_the_key(tmp_path: Path, corners: tuple[int, ...], says: str) -> None:
    reader = reader_of(Bounds(300, 300, 7000, 3000))
    path = save(tmp_path / "s.geojson", box(*corners))
    with pytest.raises(StageError, match=rf"s\.geojson.*{says}.*extract\.tissue_origin"):
        read_tissue(path, reader, 128.0)
    moved = read_tissue(path, reader, 128.0, "bounds").mask
    assert near(lit(moved)[:2], (corners[0] + 300, corners[1] + 300))
    assert near(lit(read_tissue(path, reader, 128.0, "slide").mask)[:2], corners[:2])


def test_a_mask_image_of_the_scanned_area_is_moved_by_it(tmp_path: Path) -> None:
    mask = np.zeros((260, 350), np.uint8)
    mask[20:200, 10:300] = 255
    Image.fromarray(mask).save(tmp_path / "s.png")
    tissue = read_tissue(tmp_path / "s.png", OFFSET, 128.0)
    assert tissue.origin == "bounds" and near(lit(tissue.mask), (4100, 1200, 7000, 3000))
    with pytest.raises(StageError, match="does not cover the whole slide"):
        read_tissue(tmp_path / "s.png", OFFSET, 128.0, "slide")


def test_the_scanned_area_is_read_from_the_properties() -> None:
    reported = {f"openslide.bounds-{name}": str(value) for name, value in AREA._asdict().items()}
    assert scanned_bounds(reported, (8000, 4000)) == AREA
    assert scanned_bounds({}, (8000, 4000)) == Bounds(0, 0, 8000, 4000)
    assert scanned_bounds(reported | {"openslide.bounds-x": "?"}, (8000, 4000)) == Bounds(0, 0, 8000, 4000)
