"""Regions of rendered slides, and polygons that a user annotated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from shapely import Polygon, box

from oceanpath.errors import ArtifactError, ExperimentError
from oceanpath.slides.patch_geometry import PatchGeometry
from oceanpath.stages.analyze.regions import Discs, Polygons, read_regions

GRID = PatchGeometry((100, 100), (0, 0))
ROW = np.array([(0, 0), (100, 0), (200, 0), (300, 0)], np.int32)
SQUARE = [(0.0, 0.0), (120.0, 0.0), (120.0, 100.0), (0.0, 100.0), (0.0, 0.0)]


def geojson(*rings: list[tuple[float, float]]) -> str:
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": rings}, "properties": {}}
    return json.dumps({"type": "FeatureCollection", "features": [feature]})


def test_a_patch_is_inside_by_its_centre_and_outside_if_it_does_not_touch_a_region() -> None:
    assert Discs([{"x": 50, "y": 50, "radius": 60}]).contain(ROW, GRID).tolist() == [1, -1, 0, 0]
    assert Discs([]).contain(ROW, GRID).tolist() == [0, 0, 0, 0]
    assert Polygons([[SQUARE]]).contain(ROW, GRID).tolist() == [1, -1, 0, 0]
    assert Polygons([]).contain(ROW, GRID).tolist() == [0, 0, 0, 0]


def test_holes_small_polygons_and_the_scanned_area() -> None:
    hole = [(30.0, 30.0), (70.0, 30.0), (70.0, 70.0), (30.0, 70.0)]
    assert Polygons([[SQUARE, hole]]).contain(ROW, GRID).tolist()[0] == -1
    tiny = [(311.0, 11.0), (313.0, 11.0), (312.0, 13.0)]
    assert Polygons([[tiny]]).contain(ROW, GRID).tolist() == [0, 0, 0, -1]
    moved = PatchGeometry((100, 100), (200, 0))  # QuPath's coordinates start at the scanned area
    assert Polygons([[SQUARE]]).contain(ROW, moved).tolist() == [0, 0, 1, -1]


def test_random_polygons_agree_with_shapely() -> None:
    rng = np.random.default_rng(0)
    coords = np.stack(np.meshgrid(np.arange(12) * 40, np.arange(12) * 40), axis=-1).reshape(-1, 2).astype(np.int32)
    for _ in range(8):
        angles, radii = np.sort(rng.random(9)) * 2 * np.pi, rng.uniform(60, 220, 9)
        ring = [(240 + r * np.cos(a), 240 + r * np.sin(a)) for a, r in zip(angles, radii, strict=True)]
        found, shape = Polygons([[ring]]).contain(coords, PatchGeometry((40, 40), (0, 0))), Polygon(ring).buffer(0)
        patches = [box(x, y, x + 40, y + 40) for x, y in coords.tolist()]
        inside = np.array([shape.contains(patch.centroid) for patch in patches])
        shared = np.array([shape.intersection(patch).area for patch in patches])
        assert (found[inside] == 1).all() and (found[~inside & (shared > 200)] == -1).all()
        assert (found[shared == 0] == 0).all()


def test_files_are_matched_to_test_slides_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "regions"
    folder.mkdir()
    (folder / "s1.geojson").write_text(geojson(SQUARE))
    (folder / "other.geojson").write_text("{")  # of another cohort: not read
    found = read_regions(None, folder, {"s0": "a", "s1": "b"})
    assert list(found) == ["s1"] and found["s1"].contain(ROW, GRID).tolist() == [1, -1, 0, 0]
    with pytest.raises(ExperimentError, match=r"no file .* test slide; expected files such as s0.geojson"):
        read_regions(None, folder, {"s0": "a"})
    (folder / "s1.geojson").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_regions(None, folder, {"s1": "b"})


def test_discs_of_rendered_slides_are_those_of_the_label(tmp_path: Path) -> None:
    spots = [{"kind": "b", "x": 50, "y": 50, "radius": 40}, {"kind": "a", "x": 350, "y": 50, "radius": 40}]
    (tmp_path / "truth.json").write_text(json.dumps({"s1": {"spots": spots}, "s2": {"spots": spots}}))
    found = read_regions(tmp_path, None, {"s1": "b"})
    assert list(found) == ["s1"] and found["s1"].contain(ROW, GRID).tolist() == [1, 0, 0, 0]
    assert read_regions(None, None, {"s1": "b"}) == {}
    (tmp_path / "truth.json").write_text("[]")
    with pytest.raises(ArtifactError, match=r"truth\.json"):
        read_regions(tmp_path, None, {"s1": "b"})
