"""`oceanpath coverage` over a small cohort: every slide in the table, the worst in the montage."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.cli.app import run_app
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.mmap.settings import MmapSettings
from oceanpath.stages.mmap.work import run


@pytest.fixture
def built(tmp_path: Path) -> tuple[Path, Path]:
    features, store = tmp_path / "features", tmp_path / "store"
    features.mkdir()
    store.mkdir()
    for name, n in (("small", 40), ("large", 900), ("larger", 1600)):
        places = np.stack([np.arange(n) % 40, np.arange(n) // 40], 1).astype(np.int32) * 256
        with h5py.File(features / f"{name}.h5", "w") as file:
            file["features"], file["coords"] = np.ones((n, 3), np.float16), places
    run(MmapSettings(features=features, max_instances=100), Inputs(), store, Quiet())
    return features, store


def test_what_is_no_feature_file_is_counted(built: tuple[Path, Path], tmp_path: Path, capsys) -> None:
    (built[0] / "notes.txt").touch()
    assert run_app(["coverage", *map(str, built), "--out", str(tmp_path / "out"), "--no-maps", "--montage", "0"]) == 0
    assert "not read in" in (said := capsys.readouterr().err) and ": 1 .txt" in said


def test_table_maps_and_montage(built: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run_app(["coverage", *map(str, built), "--out", str(out), "--montage", "1"]) == 0
    with (out / "coverage.csv").open() as file:
        rows = {row["slide_id"]: row for row in csv.DictReader(file)}
    assert [(name, row["n_kept"], row["was_capped"]) for name, row in rows.items()] == [
        ("large", "100", "1"),
        ("larger", "100", "1"),
        ("small", "40", "0"),
    ]
    assert sorted(path.stem for path in (out / "maps").iterdir()) == ["large", "larger", "small"]
    assert (out / "coverage_worst.png").is_file() and (out / "coverage_summary.png").is_file()
    assert "3 slides, 2 capped" in capsys.readouterr().out


def test_only_capped_leaves_the_rest_out(built: tuple[Path, Path], tmp_path: Path) -> None:
    run_app(["coverage", *map(str, built), "--out", str(tmp_path / "o"), "--only-capped", "--no-maps"])
    assert len((tmp_path / "o" / "coverage.csv").read_text().splitlines()) == 3
    assert not list((tmp_path / "o" / "maps").iterdir())


def test_files_that_the_store_was_not_built_from_are_refused(
    built: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features, store = built
    with h5py.File(features / "small.h5", "a") as file:
        file["coords"][...] = 9
    assert Store(store).has_coords
    assert run_app(["coverage", str(features), str(store), "--out", str(tmp_path / "o")]) == 4
    assert "small.h5" in capsys.readouterr().err
