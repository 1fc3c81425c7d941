"""`oceanpath bench batching` and `bench ssl`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from oceanpath.artifacts.store.reader import Store
from oceanpath.bench import batching
from oceanpath.cli.app import run_app
from tests.conftest import write_store

SIZES = [3, 40, 90, 25, 60, 7, 110]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of(tmp_path / "store", coords=True)


def store_of(path: Path, coords: bool) -> Store:
    random = np.random.default_rng(0)
    bags = {f"s{k}": random.standard_normal((n, 8)) for k, n in enumerate(SIZES)}
    cells = {name: np.stack([np.arange(len(bag)) % 9, np.arange(len(bag)) // 9], axis=1) for name, bag in bags.items()}
    places = {name: grid.astype(np.int32) * 256 for name, grid in cells.items()}
    return write_store(path, bags, places if coords else False)


@pytest.fixture(autouse=True)
def peak_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command forks before it computes; a fork of this process, in which tests have set threads of torch, fails."""

    def compute(method: Callable[[], object]) -> float:
        method()
        return 0.0

    monkeypatch.setattr(batching, "peak_mb", compute)


def test_all_strategies_are_measured_with_and_without_augmentation(store: Store, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    assert (
        run_app(["bench", "batching", str(store.path), "--batch-size", "3", "--augmentation", "--out", str(out)]) == 0
    )
    rows = json.loads((out / "batching.json").read_text())["rows"]
    assert [row["case"] for row in rows] == ["without augmentation"] * 9 + ["with augmentation"] * 9
    plain = {row["way"]: row for row in rows[:9]}
    for name, row in plain.items():
        assert row["slides"] == len(SIZES), name
        assert row["bags_per_batch"][0] >= 2
        assert row["epoch_seconds"] > 0
        assert 0 < row["token_utilization"] <= 1
        assert (row["padding_ratio"] > 0) == name.startswith("pad_")
    real = 2 * sum(SIZES)
    padded = plain["pad_to_global"]
    assert padded["padding_ratio"] == pytest.approx(1 - real / (2 * len(SIZES) * max(SIZES)))
    assert plain["sequence_packing"]["padding_ratio"] == 0
    printed = capsys.readouterr().out
    assert printed.count("\n|") == 19
    assert (out / "batching.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "batching.md").read_text().strip() == printed.strip()


def test_strategies_and_slides_can_be_chosen(store: Store, capsys) -> None:
    flags = ["--strategies", "jepa,bucket_batching", "--max-slides", "4", "--json"]
    assert run_app(["bench", "batching", str(store.path), *flags]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [row["way"] for row in result["rows"]] == ["jepa", "bucket_batching"]
    assert {row["slides"] for row in result["rows"]} == {4} == {result["slides"]}


def test_a_store_without_coordinates_skips_what_needs_them_and_refuses_it_by_name(tmp_path: Path, capsys) -> None:
    path = str(store_of(tmp_path / "flat", coords=False).path)
    assert run_app(["bench", "batching", path, "--json"]) == 0
    printed = capsys.readouterr()
    assert len(json.loads(printed.out)["rows"]) == 8
    assert "regional_crops is skipped: regional_crops needs the coordinates" in printed.err
    assert run_app(["bench", "batching", path, "--strategies", "regional_crops"]) == 2
    assert "needs the coordinates of patches" in capsys.readouterr().err


def test_an_unknown_strategy_and_a_missing_store_are_errors(store: Store, tmp_path: Path, capsys) -> None:
    assert run_app(["bench", "batching", str(store.path), "--strategies", "multicrop"]) == 2
    assert "expected multi_crop, got multicrop" in capsys.readouterr().err
    assert run_app(["bench", "batching", str(tmp_path / "none")]) != 0
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_views_are_measured(tmp_path: Path, capsys) -> None:
    few = ["--sizes", "32,64", "--dim", "16", "--views", "2", "--bags", "2", "--rounds", "1"]
    assert run_app(["bench", "ssl", *few, "--out", str(tmp_path)]) == 0
    assert "64 patches | stored neighbours" in capsys.readouterr().out
    result = json.loads((tmp_path / "ssl.json").read_text())
    assert len(result["rows"]) == 6
    assert result["step_ms"] >= 0
    for wrong in ("1,x", "8"):
        assert run_app(["bench", "ssl", "--sizes", wrong]) == 2
