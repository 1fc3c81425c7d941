"""One winner for all folds, written as an experiment that runs without the search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oceanpath.artifacts import predictions
from oceanpath.cli.app import run_app
from oceanpath.pipeline.experiment import load
from oceanpath.stages.catalog import CATALOG
from oceanpath.stages.train.settings import TrainSettings
from oceanpath.stages.train.winner import common_winner

EXPERIMENT = """name = "mine"
[data]
features = "features"
labels = "cohort.csv"
[train.search.space]
lr = { low = 1e-4, high = 1e-1, log = true }
batch_size = [4, 8, 16]
model.hidden = { low = 8, high = 64 }
"""
WINNERS: list[dict[str, Any]] = [
    {"lr": 0.01, "batch_size": 16, "model.hidden": 8},
    {"lr": 0.001, "batch_size": 4, "model.hidden": 40},
    {"lr": 0.02, "batch_size": 16, "model.hidden": 30},
    {"lr": 0.003, "batch_size": 4, "model.hidden": 20},
]
SETTINGS = TrainSettings.model_validate(
    {
        "search": {
            "space": {"lr": {"low": 1e-4, "high": 0.1}, "batch_size": [4, 16], "model": {"hidden": [8, 20, 30, 40]}}
        }
    }
)


def publish(root: Path, winners: list[dict[str, Any]]) -> Path:
    (root / "mine.toml").write_text(EXPERIMENT)
    folder = root / "out/experiments/mine/train"
    folder.mkdir(parents=True)
    facts = {"best_epoch": 2, "epochs": 3, "val_loss": 0.5}
    per_fold = [{"fold": k, **facts, "search": {"trials": 9, "values": one}} for k, one in enumerate(winners)]
    results = {"folds": len(winners), "model": {"name": "abmil"}, "per_fold": per_fold}
    predictions.write_cv_results(results | {"scheme": "kfold", "selected": False, "classes": ["a", "b"]}, folder)
    return root / "mine.toml"


def test_the_middle_of_numbers_and_the_most_frequent_choice_win() -> None:
    assert common_winner(SETTINGS, WINNERS) == {"lr": 0.003, "batch_size": 4, "model.hidden": 8}


@pytest.mark.parametrize(("count", "selection"), [(3, "searched"), (1, "inner")])
def test_the_winner_is_an_experiment_without_the_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int, selection: str
) -> None:
    path, out = publish(tmp_path, WINNERS[:count]), tmp_path / "winner.toml"
    assert run_app(["search", "-e", str(path), "--out", str(out), "--workspace", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert ("marked as selected" in shown) is (count > 1) and "own inner validation set" in shown
    settings: Any = load(out, CATALOG).base.settings(CATALOG.stage("train"))
    assert settings.search is None and settings.selection == selection
    assert (settings.lr, settings.batch_size, settings.model.hidden) == (0.01, 16, 30 if count == 3 else 8)
    assert run_app(["search", "-e", str(path), "--json", "--workspace", str(tmp_path / "out")]) == 0
    assert json.loads(capsys.readouterr().out)["winner"]["lr"] == 0.01


def test_an_experiment_without_a_search_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = publish(tmp_path, WINNERS[:2])
    path.write_text(EXPERIMENT.partition("[train.search")[0])
    assert run_app(["search", "-e", str(path), "--workspace", str(tmp_path / "out")]) == 2
    assert "this experiment has no search" in capsys.readouterr().err
