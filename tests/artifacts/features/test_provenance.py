"""What feature files of several tools say about how they were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.features.files import FeatureMeta, scan_features, write_features
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance

TRIDENT = {"patch_size": 256, "patch_size_level0": 512, "target_magnification": 20, "level0_magnification": 40}


def write(path: Path, names: tuple[str, str], file: Any = (), features: Any = (), coords: Any = ()) -> Provenance:
    with h5py.File(path, "w") as out:
        out.attrs.update(dict(file))
        for name, values, attrs in zip(
            names, (np.ones((3, 4), "f4"), np.ones((3, 2))), (features, coords), strict=True
        ):
            out[name] = values
            out[name].attrs.update(dict(attrs))
    return scan_features(path).provenance


def test_trident(tmp_path: Path) -> None:
    found = write(
        tmp_path / "x.h5", ("features", "coords"), (), {"encoder": "uni_v1"}, {**TRIDENT, "name": "TCGA-1.svs"}
    )
    assert found == Provenance("TCGA-1", "uni_v1", "", 256, 0.5, 512.0)


def test_clam(tmp_path: Path) -> None:
    attrs = {"patch_size": np.array([256, 256]), "downsample": np.array([2.0, 2.0]), "name": "a list of patches"}
    assert write(tmp_path / "x.h5", ("features", "coords"), (), (), attrs) == Provenance(
        patch_px=256, patch_px_level0=512
    )


def test_stamp(tmp_path: Path) -> None:
    attrs = {"extractor": "ctranspath", "unit": "um", "tile_size_um": 256.0, "tile_size_px": 224}
    found = write(tmp_path / "x.h5", ("feats", "coords"), attrs)
    assert (found.encoder, found.patch_px, found.target_mpp) == ("ctranspath", 224, 256 / 224)


def test_oceanpath(tmp_path: Path) -> None:
    meta = FeatureMeta("enc", 4, 224, 0.25, 0.25, 0.25, "override", 224.0, 99, 99, "d" * 32, "0", weights_sha256="ab")
    write_features(tmp_path / "x.h5", np.zeros((2, 4), np.float16), np.zeros((2, 2), np.int32), meta)
    assert scan_features(tmp_path / "x.h5").provenance == Provenance("", "enc", "ab", 224, 0.25, 224.0, "d" * 32)


def test_the_slide_id_of_the_file_goes_before_any_other(tmp_path: Path) -> None:
    attrs = {**TRIDENT, "name": "other"}
    assert write(tmp_path / "x.h5", ("features", "coords"), {"slide_id": " S1.svs "}, (), attrs).slide_id == "S1"


@pytest.mark.parametrize(
    "attrs", [{}, {"patch_size": "256", "target_mpp": -1.0, "slide_id": 7}, {"target_mpp": np.nan}]
)
def test_what_is_senseless_says_nothing(tmp_path: Path, attrs: dict[str, Any]) -> None:
    assert write(tmp_path / "x.h5", ("features", "coords"), attrs) == UNKNOWN
