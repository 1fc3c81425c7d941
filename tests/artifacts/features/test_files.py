"""The feature file: what is written is read, what others write is understood, what is damaged is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.artifacts.features.files import (
    FeatureMeta,
    check_features,
    find_features,
    read_features,
    read_meta,
    scan_features,
    write_features,
)
from oceanpath.artifacts.features.folder import describe_unused
from oceanpath.errors import ArtifactError, ExperimentError

REAL = Path(__file__).resolve().parents[2] / "../shared/data"


def meta(dim: int = 4) -> FeatureMeta:
    return FeatureMeta("hed_stats", dim, 256, 0.5, 0.25, 0.25, "openslide.mpp", 512.0, 9000, 8000, "ab12", "0.1.0")


def write(path: Path, n: int = 6, dim: int = 4, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    write_features(path, rng.normal(size=(n, dim)), rng.integers(0, 9000, (n, 2)), meta(dim))
    return path


def foreign(
    path: Path,
    arrays: Mapping[str, object],
    file_attrs: Mapping[str, object] | None = None,
    coord_attrs: Mapping[str, object] | None = None,
) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        file.attrs.update(file_attrs or {})
        if coord_attrs:
            file["coords"].attrs.update(coord_attrs)
    return path


# laws


@settings(deadline=None, max_examples=25)
@given(n=st.integers(1, 40), dim=st.integers(1, 17), seed=st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, n: int, dim: int, seed: int) -> None:
    path = tmp_path_factory.mktemp("f") / "slide 1.h5"
    rng = np.random.default_rng(seed)
    features, coords = rng.normal(size=(n, dim)).astype(np.float16), rng.integers(-5, 2**31 - 1, (n, 2))
    write_features(path, features, coords, meta(dim))
    file = scan_features(path)
    assert (file.slide_id, file.n, file.dim, file.dtype) == ("slide 1", n, dim, "float16")
    read, places = read_features(file)
    assert read.dtype == np.float16 and np.array_equal(read, features)
    assert places is not None and places.dtype == np.int32 and np.array_equal(places, coords)
    assert read_meta(path) == meta(dim)


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 0.999))
def test_a_file_cut_off_anywhere_is_an_artifact_error(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    path = write(tmp_path_factory.mktemp("cut") / "a.h5", n=300)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ArtifactError, match=r"a\.h5"):
        read_features(scan_features(path))


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a.h5"), write(tmp_path / "b.h5")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != write(tmp_path / "c.h5", seed=1).read_bytes()


# layouts


def test_ours_tells_its_footprint_and_encoder(tmp_path: Path) -> None:
    file = scan_features(write(tmp_path / "a.h5"))
    assert (file.patch_px_level0, file.encoder, file.has_coords) == (512.0, "hed_stats", True)
    with h5py.File(file.path) as stored:
        assert stored["features"].chunks is None and stored["features"].dtype == np.float16


@pytest.mark.parametrize(("stored", "read"), [("f2", "float16"), ("f4", "float32"), ("f8", "float32")])
def test_a_leading_axis_of_one_is_dropped(tmp_path: Path, stored: str, read: str) -> None:
    values = np.arange(12, dtype=stored).reshape(1, 3, 4)
    path = foreign(tmp_path / "x.h5", {"features": values, "coords": np.ones((1, 3, 2))})
    features, coords = read_features(scan_features(path))
    assert features.dtype == np.dtype(read) and np.array_equal(features, values[0])
    assert coords is not None and coords.shape == (3, 2)


def test_trident(tmp_path: Path) -> None:
    arrays = {"features": np.ones((2, 3), "f4"), "coords": np.array([[0, 0], [512, 0]])}
    attrs = {"patch_size": 256, "patch_size_level0": 512, "target_magnification": 20}
    path = foreign(tmp_path / "t.h5", arrays, coord_attrs=attrs)
    with h5py.File(path, "a") as file:
        file["features"].attrs["encoder"] = "uni_v1"
    found = scan_features(path)
    assert (found.patch_px_level0, found.encoder) == (512.0, "uni_v1")


def test_clam_footprint_is_patch_size_times_downsample(tmp_path: Path) -> None:
    arrays = {"features": np.ones((2, 3), "f4"), "coords": np.zeros((2, 2), "i8")}
    attrs = {"patch_size": 256, "patch_level": 1, "downsample": np.array([4.0, 4.0])}
    assert scan_features(foreign(tmp_path / "c.h5", arrays, coord_attrs=attrs)).patch_px_level0 == 1024.0


def test_stamp_micrometres_become_pixels(tmp_path: Path) -> None:
    arrays = {"feats": np.ones((2, 3), "f4"), "coords": np.array([[0.0, 0.0], [256.0, 128.0]])}
    attrs = {"unit": "um", "mpp": 0.25, "tile_size_um": 256.0, "extractor": "ctranspath"}
    file = scan_features(foreign(tmp_path / "s.h5", arrays, attrs))
    assert (file.features_key, file.patch_px_level0, file.encoder) == ("feats", 1024.0, "ctranspath")
    assert "micrometres" in file.layout
    coords = read_features(file)[1]
    assert coords is not None and coords.tolist() == [[0, 0], [1024, 512]]


def test_stamp_without_mpp_keeps_features_and_says_why_coords_are_gone(tmp_path: Path) -> None:
    arrays = {"feats": np.ones((2, 3), "f4"), "coords": np.zeros((2, 2))}
    file = scan_features(foreign(tmp_path / "s.h5", arrays, {"unit": "um"}))
    assert not file.has_coords and "does not state the mpp" in file.layout
    assert read_features(file)[1] is None


@pytest.mark.filterwarnings("ignore:.*torch.*:UserWarning")
def test_torch_files(tmp_path: Path) -> None:
    import torch

    values = torch.arange(6.0).reshape(3, 2)
    torch.save(values, tmp_path / "a.pt")
    torch.save({"features": values.bfloat16(), "coords": torch.ones(3, 2, dtype=torch.int64)}, tmp_path / "b.pt")
    torch.save(values, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    for name in ("a", "b", "old"):
        features, coords = read_features(scan_features(tmp_path / f"{name}.pt"))
        assert features.dtype == np.float32 and np.array_equal(features, values.numpy())
        assert (coords is not None) == (name == "b")


def test_a_torch_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    import torch

    torch.save({"features": Path("x")}, tmp_path / "a.pt")
    with pytest.raises(ArtifactError, match=r"a\.pt"):
        scan_features(tmp_path / "a.pt")


def test_numpy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((3, 2), np.float32))
    assert read_features(scan_features(tmp_path / "a.npy"))[0].shape == (3, 2)


# errors


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"features": np.zeros((0, 4), "f4")}, "no patches"),
        ({"features": np.zeros((3, 4), "f4"), "coords": np.zeros((2, 2), "i8")}, "does not match"),
        ({"features": np.zeros((2, 3, 4), "f4")}, "wrong shape"),
        ({"features": np.zeros(4, "f4")}, r"wrong shape.*data.level = .slide."),
        ({"features": np.zeros((3, 4), "i8")}, "unknown type"),
        ({"coords": np.zeros((3, 2), "i8")}, "contains coordinates only"),
        ({"weights": np.zeros((3, 2), "f4")}, "no features in this file; expected features .*got weights"),
    ],
)
def test_what_cannot_be_features_is_named(tmp_path: Path, arrays: dict[str, np.ndarray], says: str) -> None:
    path = foreign(tmp_path / "bad.h5", arrays)
    with pytest.raises(ArtifactError, match=rf"bad\.h5.*{says}"):
        scan_features(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_found_when_rows_are_read(tmp_path: Path, bad: float) -> None:
    values = np.ones((5, 3), "f4")
    values[3, 1] = bad
    file = scan_features(foreign(tmp_path / "n.h5", {"features": values}))
    with pytest.raises(ArtifactError, match="1 of 5 patches, first at row 3"):
        read_features(file)


def test_a_missing_or_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        scan_features(tmp_path / "gone.h5")
    with pytest.raises(ArtifactError, match="not a known feature file"):
        scan_features(tmp_path / "a.csv")
    with pytest.raises(ArtifactError, match="not a feature file of OceanPath"):
        read_meta(foreign(tmp_path / "f.h5", {"features": np.ones((1, 1))}))


def test_a_file_that_changed_after_the_scan(tmp_path: Path) -> None:
    file = scan_features(write(tmp_path / "a.h5", n=6))
    write(tmp_path / "a.h5", n=7)
    with pytest.raises(ArtifactError, match="changed since"):
        read_features(file)


@pytest.mark.parametrize(
    ("features", "coords", "says"),
    [
        (np.ones((3, 5)), np.zeros((3, 2), int), "shapes do not agree"),
        (np.ones((3, 4)), np.zeros((2, 2), int), "shapes do not agree"),
        (np.ones((0, 4)), np.zeros((0, 2), int), "no patches"),
        (np.full((2, 4), 1e6), np.zeros((2, 2), int), "NaN or infinite"),
    ],
)
def test_nothing_wrong_is_written(tmp_path: Path, features: np.ndarray, coords: np.ndarray, says: str) -> None:
    with pytest.raises(ArtifactError, match=says):
        write_features(tmp_path / "a.h5", features, coords, meta())
    assert not (tmp_path / "a.h5").exists()


# folders


def test_find_is_recursive_sorted_and_skips_what_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for name in ("b.h5", "site/a.svs.h5", ".hidden.h5"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    assert list(find_features(tmp_path).items()) == [("a", tmp_path / "site/a.svs.h5"), ("b", tmp_path / "b.h5")]


def test_folders_that_are_links_are_searched_and_broken_links_are_named(tmp_path: Path) -> None:
    write_in = tmp_path / "far"
    write_in.mkdir()
    write(write_in / "a.h5")
    folder = tmp_path / "features"
    folder.mkdir()
    (folder / "link").symlink_to("../far")
    (folder / "loop").symlink_to(".")
    (folder / "gone.h5").symlink_to(tmp_path / "nowhere.h5")
    (folder / "README").touch()
    found = find_features(folder)
    assert found == {"a": folder / "link/a.h5", "gone": folder / "gone.h5"}
    with pytest.raises(ArtifactError, match=r"gone\.h5: the target of this link does not exist; got .*nowhere\.h5"):
        scan_features(found["gone"])
    assert describe_unused(folder, found.values()) == "1 without a suffix; circular links: loop"
    assert describe_unused(folder, [found["a"]]).startswith(
        "1 .h5; 1 without a suffix; links without a target: gone.h5"
    )
    (folder / "a.h5").symlink_to("../far/a.h5")
    assert find_features(folder)["a"] == folder / "a.h5", "one file under two paths is one"


def test_two_files_of_one_slide_are_both_named(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    write(tmp_path / "s1.h5")
    np.save(tmp_path / "x/s1.npy", np.ones((1, 1)))
    with pytest.raises(ExperimentError, match=r"s1: s1\.h5 and x/s1\.npy"):
        find_features(tmp_path)


def test_a_folder_without_features(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="has no features"):
        find_features(tmp_path)
    with pytest.raises(ExperimentError, match="no such folder"):
        find_features(tmp_path / "gone")
    with pytest.raises(ArtifactError, match="has no features"):
        check_features(tmp_path)


def test_check_reads_every_file(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    path = write(tmp_path / "b.h5")
    check_features(tmp_path)
    write(tmp_path / "c.h5", dim=5)
    with pytest.raises(ArtifactError, match=r"4 in a\.h5, 5 in c\.h5"):
        check_features(tmp_path)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ArtifactError, match=r"b\.h5"):
        check_features(tmp_path)


# real files


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
@pytest.mark.parametrize(
    ("name", "n", "dim", "coords"),
    [
        ("patch_features_h5/TCGA-3X-AAVA-01Z-00-DX1.h5", 180, 512, False),
        ("patch_features_h5/TCGA-AD-6964-01Z-00-DX1.h5", 777, 512, True),
    ],
)
def test_real_foreign_features(name: str, n: int, dim: int, coords: bool) -> None:
    file = scan_features(REAL / name)
    assert (file.n, file.dim, file.has_coords, file.dtype) == (n, dim, coords, "float32")
    features, places = read_features(file)
    assert features.shape == (n, dim) and (places is not None) == coords


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the shared data folder is not here")
def test_real_torch_tensors_and_clam_coordinates() -> None:
    tensors = find_features(REAL / "hipt_tcga_lung/original_pt_samples")
    assert len(tensors) == 6 and {scan_features(path).dim for path in tensors.values()} == {192}
    for path in find_features(REAL / "clam_coords_h5").values():
        with pytest.raises(ArtifactError, match="contains coordinates only"):
            scan_features(path)


def test_a_blank_slide_has_a_file_and_no_patches(tmp_path: Path) -> None:
    blank = dataclasses.replace(meta(), blank=True)
    write_features(tmp_path / "b.h5", np.zeros((0, 4)), np.zeros((0, 2), int), blank, np.zeros(0))
    file = scan_features(tmp_path / "b.h5")
    assert (file.blank, file.n, file.dim) == (True, 0, 4) and read_meta(tmp_path / "b.h5") == blank
    features, coords = read_features(file)
    assert features.shape == (0, 4) and coords is not None and coords.shape == (0, 2)
    check_features(tmp_path)
    with pytest.raises(ArtifactError, match="a blank slide has patches"):
        write_features(tmp_path / "c.h5", np.zeros((1, 4)), np.zeros((1, 2), int), blank)
    assert not (tmp_path / "c.h5").exists()


def test_tissue_fractions_lie_beside_the_patches(tmp_path: Path) -> None:
    write_features(tmp_path / "a.h5", np.ones((3, 4)), np.ones((3, 2), int), meta(), np.array([0.25, 0.5, 1.0]))
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["tissue_fraction"][:].tolist() == [0.25, 0.5, 1.0]
    with pytest.raises(ArtifactError, match="shapes do not agree"):
        write_features(tmp_path / "b.h5", np.ones((3, 4)), np.ones((3, 2), int), meta(), np.ones(2))


def test_files_of_older_versions_say_less(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["reader"], file.attrs["blank"]
    assert (read_meta(path).reader, read_meta(path).blank, scan_features(path).blank) == ("", False, False)
