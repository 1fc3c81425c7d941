"""GeoJSON that QuPath and shapely read, and CSV with the columns of WSInfer."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
import shapely
from pydantic import BaseModel, ConfigDict, Field

from oceanpath.artifacts.patch_scores import MOST_FEATURES, PatchScores, write_geojson, write_patch_csv
from oceanpath.errors import ArtifactError

Position = tuple[float, float]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)


class Polygon(Strict):
    type: Literal["Polygon"]
    coordinates: list[list[Position]] = Field(min_length=1, max_length=1)


class Properties(Strict):
    """QuPath: a tile with measurements, which the user does not move by accident."""

    objectType: Literal["tile"]  # noqa: N815  # the name in the format
    isLocked: Literal[True]  # noqa: N815  # the name in the format
    measurements: dict[str, float]


class Feature(Strict):
    type: Literal["Feature"]
    id: UUID
    geometry: Polygon
    properties: Properties


class Collection(Strict):
    """RFC 7946, sections 3.1.6, 3.2 and 3.3, restricted to tiles."""

    type: Literal["FeatureCollection"]
    features: list[Feature]


def patches(n: int = 3, **changes: Any) -> PatchScores:
    coords = np.array([(i * 100, i * 50) for i in range(n)], np.int32)
    scores = {"attention": np.linspace(0.1, 0.9, n, dtype=np.float32), "prob_tumour": np.linspace(-1, 1, n)}
    return PatchScores(**{"slide_id": "s", "coords": coords, "footprint": (102.5, 51.25), "scores": scores} | changes)


def written(path: Path, what: PatchScores) -> Collection:
    write_geojson(path, what)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return Collection.model_validate_json(data)


@pytest.mark.parametrize("name", ["s.geojson", "s.geojson.gz"])
def test_every_patch_is_a_valid_tile_of_its_exact_size(tmp_path: Path, name: str) -> None:
    found = written(tmp_path / name, patches(origin=(7, 20)))
    rings = [feature.geometry.coordinates[0] for feature in found.features]
    assert rings[1] == [(195.5, 30), (195.5, 81.25), (93, 81.25), (93, 30), (195.5, 30)]
    assert all(shapely.LinearRing(ring).is_ccw for ring in rings)
    assert [feature.properties.measurements for feature in found.features] == [
        {"attention": 0.1, "prob_tumour": -1.0}, {"attention": 0.5, "prob_tumour": 0.0},
        {"attention": 0.9, "prob_tumour": 1.0},
    ]  # fmt: skip
    assert len({feature.id for feature in found.features}) == 3


def test_shapely_reads_the_file_and_finds_the_area_of_the_patches(tmp_path: Path) -> None:
    write_geojson(tmp_path / "s.geojson", patches())
    shapes = shapely.from_geojson((tmp_path / "s.geojson").read_text())
    assert [shape.bounds for shape in shapes.geoms] == [
        (0, 0, 102.5, 51.25), (100, 50, 202.5, 101.25), (200, 100, 302.5, 151.25)
    ]  # fmt: skip
    assert all(shape.is_valid and shape.area == 102.5 * 51.25 for shape in shapes.geoms)


def test_equal_scores_give_equal_bytes_under_any_name(tmp_path: Path) -> None:
    for name in ("a.geojson.gz", "b.geojson.gz"):
        write_geojson(tmp_path / name, patches())
    assert (tmp_path / "a.geojson.gz").read_bytes() == (tmp_path / "b.geojson.gz").read_bytes()


def test_the_table_has_the_columns_of_wsinfer_in_pixels_of_the_whole_slide(tmp_path: Path) -> None:
    write_patch_csv(tmp_path / "s.csv", patches(origin=(7, 20)))
    table = pd.read_csv(tmp_path / "s.csv")
    assert list(table.columns) == ["minx", "miny", "width", "height", "attention", "prob_tumour"]
    assert table.iloc[2, :4].tolist() == [200, 100, 102.5, 51.25]
    assert np.allclose(table["attention"], [0.1, 0.5, 0.9])


def test_the_strongest_patches_are_kept_in_their_order() -> None:
    scores = {"c": np.array([0.1, -3.0, 2.0, 0.0, 2.0]), "d": np.arange(5.0)}
    some = patches(5, scores=scores)
    assert some.strongest("c", at_most=2).scores["d"].tolist() == [1, 2]
    assert some.strongest("c", at_least=0.1).coords[:, 0].tolist() == [0, 100, 200, 400]
    assert some.strongest("c", at_least=1, at_most=9).scores["c"].tolist() == [-3, 2, 2]
    assert len(some.strongest("c").coords) == 5


def test_a_file_that_viewers_cannot_show_is_refused(tmp_path: Path) -> None:
    n = MOST_FEATURES + 1
    many = patches(coords=np.zeros((n, 2), np.int32), scores={"a": np.ones(n)})
    with pytest.raises(ArtifactError, match="at most 200000, got 200001"):
        write_geojson(tmp_path / "s.geojson", many)
    assert len(many.strongest("a").coords) == MOST_FEATURES and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": {"a": np.array([1.0, np.nan, 0.0])}},
        {"scores": {"a": np.ones(2)}},
        {"footprint": (0.0, 1.0)},
        {"coords": np.zeros((3, 3), np.int32)},
    ],
)
def test_scores_that_do_not_fit_the_patches_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    for write in (write_geojson, write_patch_csv):
        with pytest.raises(ArtifactError, match=r"^s: "):
            write(tmp_path / "file", patches(**changes))
    assert not list(tmp_path.iterdir())


def test_a_slide_without_patches_is_an_empty_collection(tmp_path: Path) -> None:
    none = patches(coords=np.zeros((0, 2), np.int32), scores={"a": np.zeros(0)})
    assert written(tmp_path / "s.geojson", none).features == []
    assert json.loads((tmp_path / "s.geojson").read_text())["type"] == "FeatureCollection"
