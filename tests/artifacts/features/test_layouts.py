"""Which array is which: the only one is taken, several are listed with the key that chooses, pairs stay together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features.files import layout_of, read_coords_file, read_features, scan_features
from oceanpath.errors import ArtifactError

OLD_AND_NEW = pytest.mark.parametrize("libver", [None, "latest"], ids=["ordinary", "by the library"])


def write(path: Path, libver: str | None, content: dict[str, Any], attrs: dict[str, Any] | None = None) -> Path:
    """A file of arrays and links by their names."""
    with h5py.File(path, "w", libver=libver) as file:
        for name, value in content.items():
            file[name] = value
        file.attrs.update(attrs or {})
    return path


def bag(n: int, dim: int = 4, value: float = 1.0) -> np.ndarray:
    return np.full((n, dim), value, np.float32)


def places(n: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + 2 * n, dtype=np.int32).reshape(n, 2)


@OLD_AND_NEW
def test_groups_of_two_magnifications_are_listed_and_the_key_chooses(tmp_path: Path, libver: str | None) -> None:
    content = {
        "20x/features": bag(8),
        "20x/coords": places(8),
        "10x/features": bag(3, 4, 2.0),
        "10x/coords": places(3, 50),
    }
    path = write(tmp_path / "a.h5", libver, content)
    for look in (scan_features, layout_of):
        listed = r"got 10x/features \[3, 4\], 20x/features \[8, 4\]\. .*data\.features_key"
        with pytest.raises(ArtifactError, match=rf"a\.h5: several arrays could be the features; {listed}"):
            look(path)
    for group, n, start in (("20x", 8, 0), ("/10x", 3, 50)):
        file = scan_features(path, f"{group}/features")
        features, coords = read_features(file)
        assert len(features) == n == file.n and coords is not None and coords[0, 0] == start
    with pytest.raises(
        ArtifactError, match=r"no such array in this file; expected 5x/features, got 10x/features, 20x/features"
    ):
        scan_features(path, "5x/features")


@OLD_AND_NEW
@pytest.mark.parametrize(
    ("content", "listed"),
    [
        ({"features": bag(3), "feats": bag(3)}, "feats .*features"),
        ({"features": bag(3), "uni/features": bag(3)}, "features .*uni/features"),
        ({"a/embeddings": bag(3), "b/embeddings": bag(3)}, "a/embeddings .*b/embeddings"),
        ({"features": bag(3), "embeddings": bag(1)}, "embeddings .*features"),
        ({"features/uni": bag(3), "features/conch": bag(3, 5)}, "features/conch .*features/uni"),
        (
            {"20x/features": bag(3), "10x/features": h5py.ExternalLink("b.h5", "/f")},
            r"10x/features \(a link to b\.h5:/f\)",
        ),
        (
            {"20x/features": bag(3), "features": h5py.SoftLink("/gone")},
            r"20x/features \[3, 4\].*|features \(a link to /gone\)",
        ),
    ],
)
def test_several_candidates_are_listed(
    tmp_path: Path, libver: str | None, content: dict[str, Any], listed: str
) -> None:
    with pytest.raises(ArtifactError, match=f"several arrays could be the features; got .*{listed}"):
        scan_features(write(tmp_path / "a.h5", libver, content))


@OLD_AND_NEW
@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"features": bag(3), "feats": np.ones((3, 4), "i8")}, "features"),  # counts are no features
        ({"features": np.ones(3, "f4"), "feats": bag(3)}, "feats"),  # one vector is none either
        ({"slide_features/uni": np.ones(9, "f4"), "features/uni": bag(3)}, "features/uni"),
        ({"x/data": bag(3), "features": h5py.SoftLink("/x/data")}, "x/data"),
        ({"x/features": bag(3), "features": h5py.SoftLink("x/features")}, "x/features"),
    ],
)
def test_one_candidate_is_taken(tmp_path: Path, libver: str | None, content: dict[str, Any], key: str) -> None:
    file = scan_features(write(tmp_path / "a.h5", libver, content))
    assert file.features_key == key and read_features(file)[0].shape == (3, 4)


@OLD_AND_NEW
@pytest.mark.parametrize(
    ("content", "start"),
    [
        ({"uni/features": bag(3), "uni/coords": places(3, 7), "grid/coords": places(3)}, 7),
        ({"uni/features": bag(3), "uni/coords": places(3, 7), "coords": places(3)}, 7),
        ({"a/uni/features": bag(3), "a/coords": places(3, 7), "coords": places(3)}, 7),
        ({"a/uni/features": bag(3), "coords": places(3, 7)}, 7),
        ({"uni/features": bag(3), "grid/coords": places(3)}, None),
        ({"features": bag(3), "grid/coords": places(3)}, None),
        ({"uni/features": bag(3), "uni/coords": h5py.SoftLink("/grid/coords"), "grid/coords": places(3, 7)}, 7),
    ],
)
def test_coordinates_are_those_of_the_group_of_the_features(
    tmp_path: Path, libver: str | None, content: dict[str, Any], start: int | None
) -> None:
    file = scan_features(write(tmp_path / "a.h5", libver, content))
    coords = read_features(file)[1]
    assert (None if coords is None else coords[0, 0]) == start
    if start is None:
        assert "grid/coords left out: not in the group of" in file.layout


@OLD_AND_NEW
def test_atlaspatch_is_read_with_its_encoder(tmp_path: Path, libver: str | None) -> None:
    five = np.array([[512 * i, 256 * i, 256, 256, 1] for i in range(6)], np.int32)
    content = {
        "features/uni_v2": bag(6, 16),
        "coords": five,
        "passports": np.array([b"S1__x0_y0"] * 6),
        "slide_features/titan": np.ones(768, "f4"),
    }
    path = write(
        tmp_path / "a.h5", libver, content, {"patch_size": 256, "patch_size_level0": 512, "wsi_path": "/x/S1.svs"}
    )
    file = scan_features(path)
    assert (file.features_key, file.encoder, file.patch_px_level0) == ("features/uni_v2", "uni_v2", 512.0)
    coords = read_features(file)[1]
    assert coords is not None and np.array_equal(coords, five[:, :2])
    assert np.array_equal(read_coords_file(path)[0], five[:, :2])


def test_five_columns_of_another_tool_are_no_coordinates(tmp_path: Path) -> None:
    file = scan_features(write(tmp_path / "a.h5", None, {"features": bag(6), "coords": np.ones((6, 5), "i4")}))
    assert not file.has_coords and "not x and y alone" in file.layout


@OLD_AND_NEW
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"features": h5py.ExternalLink("b.h5", "/f")}, r"features is a link .*not in this file; got b\.h5:/f"),
        ({"features": h5py.SoftLink("/gone")}, "features is a link .*not in this file; got /gone"),
        ({"features": bag(3), "coords": h5py.ExternalLink("b.h5", "/c")}, r"coords is a link .*got b\.h5:/c"),
        ({"u/features": bag(3), "u/coords": h5py.SoftLink("gone")}, "u/coords is a link .*got gone"),
        ({"20x": h5py.ExternalLink("b.h5", "/20x")}, r"no features in this file; .*got 20x \(a link to b\.h5:/20x\)"),
    ],
)
def test_links_to_elsewhere_are_refused_by_name(
    tmp_path: Path, libver: str | None, content: dict[str, Any], says: str
) -> None:
    write(tmp_path / "b.h5", None, {"f": bag(3), "c": places(3), "20x/features": bag(3)})
    with pytest.raises(ArtifactError, match=rf"a\.h5: {says}"):
        scan_features(write(tmp_path / "a.h5", libver, content))


def test_several_lists_of_coordinates_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", None, {"20x/coords": places(3), "10x/coords": places(2)})
    with pytest.raises(ArtifactError, match="several lists of coordinates in this file; got 10x/coords, 20x/coords"):
        read_coords_file(path)


def test_every_container_is_told_apart_in_the_same_way(tmp_path: Path) -> None:
    import torch

    levels: dict[str, Any] = {"20x/features": bag(8), "10x/features": bag(3)}
    np.savez(tmp_path / "a.npz", **levels)
    torch.save({"features": torch.ones(3, 4), "feats": torch.ones(3, 4)}, tmp_path / "b.pt")
    for name, wanted in (("a.npz", "20x/features"), ("b.pt", "feats")):
        with pytest.raises(ArtifactError, match=rf"{name}: several arrays could be the features"):
            scan_features(tmp_path / name)
        assert scan_features(tmp_path / name, wanted).features_key == wanted


@pytest.fixture
def spoiled(cohort: Any) -> Callable[[str], Any]:
    """The cohort with every file's features in two groups."""

    def make(features_key: str) -> Any:
        for name in cohort.names():
            content = {
                "20x/features": bag(8),
                "10x/features": bag(3, 4, 2.0),
                "20x/coords": places(8),
                "10x/coords": places(3),
            }
            write(cohort.file(name), None, content)
        if features_key:
            cohort.toml = cohort.toml.replace("[data]\n", f'[data]\nfeatures_key = "{features_key}"\n')
        return cohort

    return make


def test_a_run_lists_the_choices_and_obeys_the_key(
    spoiled: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert spoiled("").run("--to", "mmap") == 4
    said = capsys.readouterr().err
    assert "Set data.features_key" in said and 'such as "10x/features"' in said
    assert spoiled("20x/features").run("--to", "mmap") == 0
    captured = capsys.readouterr()
    assert "128 patches" in captured.out + captured.err  # 16 slides of 8
