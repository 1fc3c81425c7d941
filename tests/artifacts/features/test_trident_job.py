"""A job's folder is read as it lies there; what is no patch feature is passed over, several sets are never mixed."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features.files import find_features, read_features, scan_features
from oceanpath.artifacts.features.trident_job import FeatureSet, feature_set
from oceanpath.errors import ExperimentError

GRID, SET = "20x_256px_0px_overlap", "features_uni_v1"


def put(path: Path, rows: int = 3) -> Path:
    """As TRIDENT 0.3 writes: one chunk a row, attributes on both datasets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        if not path.name.endswith("_patches.h5"):
            features = np.ones((rows, 4), np.float32)
            file.create_dataset("features", data=features, chunks=(1, 4), maxshape=(None, 4))
            file["features"].attrs["encoder"] = "uni_v1"
        file.create_dataset("coords", data=np.arange(2 * rows).reshape(rows, 2) * 512, chunks=(1, 2))
        told = {"patch_size": 256, "patch_size_level0": 512, "level0_magnification": 40, "target_magnification": 20}
        file["coords"].attrs.update(told | {"overlap": 0, "name": path.stem, "savetodir": "elsewhere"})
    return path


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A whole job of two slides."""
    root = tmp_path / "job"
    for name in ("a", "b"):
        put(root / GRID / SET / f"{name}.h5")
        put(root / GRID / "patches" / f"{name}_patches.h5")
        put(root / GRID / "slide_features_titan" / f"{name}.h5")
    for name in ("contours/a.jpg", "contours_geojson/a.geojson", f"{GRID}/_config_feats_uni_v1.json"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("{}")
    return root


@pytest.mark.parametrize("below", [".", GRID, f"{GRID}/{SET}"])
def test_only_patch_features_are_found_from_the_job_its_grid_or_its_set(job: Path, below: str) -> None:
    found = find_features(job / below)
    assert {name: path.relative_to(job).as_posix() for name, path in found.items()} == {
        "a": f"{GRID}/{SET}/a.h5",
        "b": f"{GRID}/{SET}/b.h5",
    }
    assert feature_set(found.values(), job / below) == FeatureSet("uni_v1", 20, 256, 0)
    file = scan_features(found["a"])
    features, coords = read_features(file)
    assert features.shape == (3, 4)
    assert coords is not None and coords[1].tolist() == [1024, 1536]
    assert (file.encoder, file.patch_px_level0) == ("uni_v1", 512)


def test_what_was_seen_is_told_in_words(job: Path) -> None:
    seen = feature_set(find_features(job).values(), job)
    assert seen is not None
    assert seen.words() == "TRIDENT job: encoder uni_v1, patches of 256 px at 20x, overlap 0 px"


@pytest.mark.parametrize("other", [f"{GRID}/features_virchow2", f"10x_256px_0px_overlap/{SET}"])
def test_several_sets_are_an_error_that_names_them_and_the_way_out(job: Path, other: str) -> None:
    put(job / other / "a.h5")
    with pytest.raises(ExperimentError, match="several feature sets") as raised:
        find_features(job)
    for name in (other, f"{GRID}/{SET}"):
        assert name in str(raised.value)
    assert f"Set data.features to one of them, such as {job}" in str(raised.value)
    assert list(find_features(job / GRID / SET)) == ["a", "b"]


def test_several_jobs_of_one_set_are_one_cohort(job: Path, tmp_path: Path) -> None:
    put(tmp_path / "job2" / GRID / SET / "c.h5")
    assert list(find_features(tmp_path)) == ["a", "b", "c"]
    assert feature_set(find_features(tmp_path).values(), tmp_path) == FeatureSet("uni_v1", 20, 256, 0)


def test_a_job_without_features_says_that_only_places_are_there(job: Path) -> None:
    for name in ("a", "b"):
        (job / GRID / SET / f"{name}.h5").unlink()
    with pytest.raises(ExperimentError, match="TRIDENT's patch coordinates but no features"):
        find_features(job)


def test_other_folders_are_no_job(tmp_path: Path) -> None:
    put(tmp_path / "features" / "patches" / "a.h5")
    found = find_features(tmp_path)
    assert list(found) == ["a"]
    assert feature_set(found.values(), tmp_path) is None
