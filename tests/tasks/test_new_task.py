"""A task is added by one file in tasks, one in objectives and one registry line each; a whole experiment then runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from oceanpath.cli.app import run_app
from oceanpath.fit.objectives import registry as objectives
from oceanpath.fit.objectives.registry import ObjectiveEntry, register_objective
from oceanpath.tasks import registry as tasks
from oceanpath.tasks.registry import TaskEntry, register_task

HEAD = """
[data]
features = "features"
labels = "cohort.csv"
label = "score"
task = "scores"
"""
TAIL = """
[mmap]
[split]
folds = 3
[model]
name = "abmil"
hidden = 16
[train]
epochs = 25
lr = 0.003
[eval]
resamples = 200
[analyze]
resamples = 200
attention_slides = 4
[[variant]]
name = "pooled"
model.name = "static"
"""


CLAM = '[[variant]]\nname = "clam"\nmodel.name = "clam_sb"\nmodel.instance_weight = 0.3\n'


@pytest.fixture
def regression(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The two registry lines."""
    monkeypatch.setattr(tasks, "_ENTRIES", dict(tasks._ENTRIES))
    monkeypatch.setattr(objectives, "_ENTRIES", dict(objectives._ENTRIES))
    register_task(
        "scores",
        TaskEntry(
            "tests.tasks.regression:Regression",
            ("val_loss",),
            main=("r2", "R²"),
            shown=(("mae", "spearman"),),
        ),
    )
    register_objective("scores", ObjectiveEntry("tests.fit.objectives.regression:RegressionObjective", ("mse",)))
    yield


class Cohort:
    """Slides whose third feature grows with a score between 20 and 80."""

    def __init__(self, folder: Path) -> None:
        self.folder, random = folder, np.random.default_rng(3)
        (folder / "features").mkdir()
        rows = []
        for patient in range(40):
            score = random.uniform(20, 80)
            name = f"s{patient:02d}"
            features = random.standard_normal((int(random.integers(5, 30)), 8)).astype(np.float32)
            features[:, 2] += (score - 50) / 10
            with h5py.File(folder / "features" / f"{name}.h5", "w") as file:
                file["features"] = features
                file["coords"] = 256 * np.arange(2 * len(features), dtype=np.int32).reshape(-1, 2)
            rows.append({"slide_id": name, "patient_id": f"p{patient:02d}", "score": f"{score:.1f}"})
        self.table = pd.DataFrame(rows)

    def run(self, *more: str, head: str = HEAD, tail: str = TAIL) -> int:
        self.table.to_csv(self.folder / "cohort.csv", index=False)
        (self.folder / "scores.toml").write_text(head + tail)
        return run_app(["run", str(self.folder / "scores.toml"), "--workspace", str(self.folder / "out"), *more])

    def published(self, stage: str) -> Path:
        return self.folder / "out" / "experiments" / "scores" / stage


@pytest.fixture
def cohort(tmp_path: Path, regression: None) -> Cohort:  # the task is registered first
    return Cohort(tmp_path)


@pytest.mark.slow
def test_a_whole_experiment_runs_and_its_metrics_are_those_of_its_predictions(
    cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cohort.run() == 0
    printed = capsys.readouterr().out
    assert "R²" in printed and "mae" in printed and "AUROC" not in printed
    splits = json.loads((cohort.published("split") / "splits.json").read_text())
    assert splits["task"] == "scores" and "classes" not in splits
    counts = [fold["test"][quarter]["slides"] for fold in splits["balance"] for quarter in fold["test"]]
    assert sum(counts) == 40 and min(counts) >= 2 and max(counts) <= 5
    rows = pd.read_parquet(cohort.published("train") / "oof_predictions.parquet")
    assert list(rows.columns) == ["slide_id", "patient_id", "label", "predicted", "fold", "role"]
    assert sorted(rows["slide_id"]) == sorted(cohort.table["slide_id"])
    metrics = json.loads((cohort.published("eval") / "metrics.json").read_text())
    truth, slide = rows["label"].astype(float), metrics["level"]["slide"]
    error = rows["predicted"] - truth
    assert slide["mae"]["value"] == pytest.approx(error.abs().mean())
    assert slide["r2"]["value"] == pytest.approx(1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum())
    assert slide["spearman"]["value"] == pytest.approx(rows["predicted"].corr(truth, method="spearman"))
    assert slide["r2"]["value"] > 0.6 and slide["r2"]["low"] < slide["r2"]["value"] < slide["r2"]["high"]
    assert metrics["versus_baseline"]["mean"]["verdict"] == "better" and metrics["operating_point"] is None
    comparison = json.loads((cohort.published("analyze") / "comparison.json").read_text())
    (pair,) = comparison["pairs"]
    assert pair["r2_this"] == pytest.approx(slide["r2"]["value"]) and comparison["family"] == 1
    assert (cohort.published("analyze") / "embedding.png").stat().st_size > 0
    assert cohort.run("--dry-run") == 0
    assert "Nothing to do." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("head", "tail", "messages"),
    [
        ("", "[export]\n", ["models of this task cannot be exported", "scores"]),
        ('classes = ["a", "b"]\n', "", ["classes: not a key of the task scores"]),
        ("", 'train.loss = "focal"\n', ["loss of the task scores must be one of mse"]),
        ("", 'train.monitor = "val_auroc"\n', ["monitor of the task scores must be one of val_loss"]),
        ("", 'train.balance = "sampling"\n', ["balance: not a key of the task scores"]),
        ("", CLAM, ["the patch-level loss is defined for classification only"]),
    ],
)
def test_what_does_not_support_a_task_is_refused_before_any_work(
    cohort: Cohort, capsys: pytest.CaptureFixture[str], head: str, tail: str, messages: list[str]
) -> None:
    assert cohort.run(head=HEAD + head, tail=TAIL + tail) != 0
    printed = capsys.readouterr().err
    assert all(message in printed for message in messages), printed
    assert not list((cohort.folder / "out").glob("runs/*"))


def test_labels_that_are_no_numbers_are_refused_before_any_work(
    cohort: Cohort, capsys: pytest.CaptureFixture[str]
) -> None:
    cohort.table.loc[3, "score"] = "high"
    assert cohort.run() != 0
    printed = capsys.readouterr().err
    assert "labels are no numbers" in printed and "got high" in printed
    assert not list((cohort.folder / "out").glob("runs/*"))


def test_an_unknown_task_is_named_with_the_known_ones(cohort: Cohort, capsys: pytest.CaptureFixture[str]) -> None:
    assert cohort.run(head=HEAD.replace('"scores"', '"scors"')) != 0
    printed = capsys.readouterr().err
    assert "unknown task" in printed and "classification, multilabel, ordinal, regression, scores, survival" in printed
