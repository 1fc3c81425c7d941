"""`oceanpath features inspect` and `convert`: layouts of several tools, with the same rows and values."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from oceanpath.artifacts.features.files import find_features, read_features, scan_features
from oceanpath.cli.app import run_app

RANDOM = np.random.default_rng(3)
BAGS = {
    "S1": RANDOM.standard_normal((4, 8)).astype(np.float16),
    "S2": RANDOM.standard_normal((7, 8)).astype(np.float16),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files with the attributes of TRIDENT's coordinates."""
    (tmp_path / "in").mkdir()
    for name, bag in BAGS.items():
        with h5py.File(tmp_path / "in" / f"{name}.h5", "w") as file:
            file["features"] = bag
            file["features"].attrs["encoder"] = "uni_v1"
            file["coords"] = 512 * np.arange(2 * len(bag), dtype=np.int64).reshape(-1, 2)
            file["coords"].attrs.update({"patch_size": 256, "patch_size_level0": 512, "target_magnification": 20})
    return tmp_path / "in"


@pytest.mark.parametrize(
    ("layout", "inside"),
    [
        ("oceanpath", "."),
        ("trident", "20x_256px_0px_overlap/features_uni_v1"),
        ("clam", "h5_files"),
        ("clam", "pt_files"),
    ],
)
def test_converted_files_have_the_same_rows_and_facts(folder: Path, layout: str, inside: str) -> None:
    out = folder.parent / "out"
    assert run_app(["features", "convert", str(folder), "--to", layout, "--out", str(out)]) == 0
    files = find_features(out / inside)
    assert files.keys() == BAGS.keys()
    for name, path in files.items():
        first, file = scan_features(folder / f"{name}.h5"), scan_features(path)
        features, coords = read_features(file)
        np.testing.assert_array_equal(features, BAGS[name])
        if inside == "pt_files":
            assert torch.load(path, weights_only=True).dtype is torch.float32
            continue
        np.testing.assert_array_equal(coords, read_features(first)[1])
        assert file.patch_px_level0 == 512
        if layout != "clam":
            assert (file.encoder, file.provenance.patch_px, file.provenance.target_mpp) == ("uni_v1", 256, 0.5)
            assert file.dtype == "float16"


def test_nothing_is_overwritten_and_unknown_facts_are_requested(folder: Path, capsys) -> None:
    out = str(folder.parent / "out")
    assert run_app(["features", "convert", str(folder), "--out", out]) == 0
    assert run_app(["features", "convert", str(folder), "--out", out]) == 4
    assert "the file exists" in capsys.readouterr().err
    np.save(folder.parent / "bare.npy", BAGS["S1"])
    assert run_app(["features", "convert", str(folder.parent / "bare.npy"), "--to", "trident", "--out", out]) == 2
    assert "State them with --encoder, --magnification, --patch-px" in capsys.readouterr().err
    assert run_app(["features", "convert", str(folder), "--out", str(folder / "x")]) == 2
    assert "inside the folder that is read" in capsys.readouterr().err


def test_inspect_prints_what_is_recognised(folder: Path, capsys) -> None:
    assert run_app(["features", "inspect", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "2 files: HDF5 features [N, 8] float16, coords [N, 2] int64" in printed
    assert "patches per slide: 4 to 7, median 7, 11 in total" in printed
    assert run_app(["features", "inspect", str(folder / "S1.h5"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["provenance"]["target_mpp"] == 0.5 and record["dims"] == [8]


def test_damaged_files_are_exit_code_4(folder: Path, capsys) -> None:
    (folder / "S3.h5").write_bytes(b"nothing")
    with h5py.File(folder / "S1.h5", "r+") as file:
        file["features"][2, 0] = np.nan
    assert run_app(["features", "inspect", str(folder)]) == 4
    assert "it is not an HDF5 file" in capsys.readouterr().err
    (folder / "S3.h5").unlink()
    assert run_app(["features", "inspect", str(folder)]) == 0
    capsys.readouterr()
    assert run_app(["features", "inspect", str(folder), "--deep", "--json"]) == 4
    assert "first at row 2" in json.loads(capsys.readouterr().out)["damaged"]["S1"]
