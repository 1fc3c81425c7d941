"""`.zarr` folders: arrays of either format are read; without the package the extra is named."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oceanpath.artifacts.features.files import layout_of, read_features, scan_features
from oceanpath.errors import ArtifactError, MissingExtraError

BAG = np.arange(1, 481, dtype="f4").reshape(60, 8)
PLACES = np.arange(120, dtype="i4").reshape(60, 2)


def write(path: Path, version: int = 3, bag: np.ndarray = BAG, **how: Any) -> Path:
    zarr = pytest.importorskip("zarr", reason="zarr (extra formats) is not installed")
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    group.create_array("features", data=bag, **{"chunks": (7, 8), **how}).attrs["encoder"] = "uni"
    group.create_array("coords", data=PLACES).attrs["patch_size_level0"] = 512
    group.attrs["mpp"] = 0.5
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("how", [{}, {"chunks": (60, 3)}, {"chunks": (1, 8)}, {"compressors": None}])
def test_arrays_are_read(tmp_path: Path, version: int, how: dict[str, Any]) -> None:
    file = scan_features(write(tmp_path / "S1.zarr", version, **how))
    assert (file.slide_id, file.n, file.dim, file.encoder, file.patch_px_level0) == ("S1", 60, 8, "uni", 512.0)
    features, coords = read_features(file)
    assert np.array_equal(features, BAG) and coords is not None and np.array_equal(coords, PLACES)
    assert layout_of(tmp_path / "S1.zarr").n == 60


def test_shards_types_and_a_leading_axis(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr", chunks=(5, 8), shards=(20, 8))
    write(tmp_path / "b.zarr", bag=BAG.astype(">f8"))
    write(tmp_path / "c.zarr", bag=BAG[None], chunks=(1, 7, 8))
    for name in "abc":
        assert np.array_equal(read_features(scan_features(tmp_path / f"{name}.zarr"))[0], BAG)


def test_a_single_array_is_the_features(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr", reason="zarr (extra formats) is not installed")
    zarr.save_array(str(tmp_path / "a.zarr"), BAG)
    assert np.array_equal(read_features(scan_features(tmp_path / "a.zarr"))[0], BAG)


@pytest.mark.parametrize("part", ["whole", "part"])
def test_rows_that_were_never_written_are_no_features(tmp_path: Path, part: str) -> None:
    write(tmp_path / "a.zarr")
    chunks = sorted((tmp_path / "a.zarr" / "features" / "c").rglob("0"))
    for chunk in chunks[:: 1 if part == "whole" else 3]:
        if chunk.is_file():
            chunk.unlink()
    says = "allocated but never written" if part == "whole" else r"written in part: \d of 9 chunks"
    with pytest.raises(ArtifactError, match=rf"a\.zarr: features was {says}"):
        scan_features(tmp_path / "a.zarr")


def test_damage_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.zarr")
    write(tmp_path / "b.zarr")
    (tmp_path / "a.zarr" / "zarr.json").write_text("{")
    chunk = tmp_path / "b.zarr" / "features" / "c" / "1" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    (tmp_path / "c.zarr").mkdir()
    (tmp_path / "d.zarr").write_text("a file")
    for name in "abcd":
        with pytest.raises(ArtifactError, match=rf"{name}\.zarr: cannot be read"):
            read_features(scan_features(tmp_path / f"{name}.zarr"))


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zarr").mkdir()
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtraError, match=r'a\.zarr: .*zarr.*python -m pip install "oceanpath\[formats\]"'):
        scan_features(tmp_path / "a.zarr")
