"""Labels that say nothing about the slides are predicted like coins: no reported row had a part in its own model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oceanpath.evaluation.report import build_report
from oceanpath.pipeline.stage import Inputs, Quiet
from oceanpath.stages.eval.baselines import predict_baselines
from oceanpath.stages.eval.rows import read_rows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stages.split import work as split
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.train import work as train
from oceanpath.stages.train.settings import TrainSettings

from ..conftest import write_store

PATIENTS, PERMUTATIONS = 45, 8
TRAIN = TrainSettings(model={"name": "abmil", "hidden": 8, "attention": 4}, epochs=8, lr=1e-2, batch_size=8)


def cohort() -> pd.DataFrame:
    """Two slides of each patient; the patients of one class have a larger first feature."""
    owner = np.repeat(np.arange(PATIENTS), 2)
    return pd.DataFrame(
        {
            "slide_id": [f"s{i:03d}" for i in range(len(owner))],
            "patient_id": [f"p{i:02d}" for i in owner],
            "label": np.where(owner % 2, "R", "NR"),
        }
    )


def write_bags(path: Path, slides: pd.DataFrame) -> None:
    random = np.random.default_rng(0)
    bags = {name: random.normal(size=(random.integers(4, 12), 6)) for name in slides["slide_id"]}
    for name, label in zip(slides["slide_id"], slides["label"], strict=True):
        bags[name][:, 0] += 2.0 * (label == "R")
    write_store(path, bags)


def areas(root: Path, store: Path, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """AUROC of the model and of its baselines."""
    for name in ("split", "train"):
        (root / name).mkdir(parents=True)
    table.to_csv(root / "cohort.csv", index=False)
    settings = SplitSettings(labels=root / "cohort.csv", classes=("NR", "R"), folds=3, seed=seed)
    split.run(settings, Inputs({"mmap": store}), root / "split", Quiet())
    inputs = Inputs({"mmap": store, "split": root / "split"}, {"mmap": "store", "split": ""})
    made = {}
    for part in train.parts(TRAIN, inputs):
        made[part.key] = root / part.key
        made[part.key].mkdir()
        train.run_part(TRAIN, inputs, part, made[part.key], Quiet())
    train.run(TRAIN, replace(inputs, parts=made), root / "train", Quiet())
    rows = read_rows(root / "train", root / "split")
    report = build_report(EvalSettings(resamples=100), rows, predict_baselines(rows, inputs, Quiet()))
    found = {name: records["auroc"]["value"] for name, records in report["floor"].items()}
    return found | {"model": report["level"]["slide"]["auroc"]["value"]}


@pytest.mark.slow
def test_permuted_labels_are_predicted_like_coins(tmp_path: Path) -> None:
    table = cohort()
    write_bags(tmp_path / "store", table)
    true = areas(tmp_path / "true", tmp_path / "store", table, seed=0)
    assert true["model"] > 0.9
    assert true["mean_pool_lr"] > 0.9
    permuted = []
    for seed in range(PERMUTATIONS):
        labels = np.random.default_rng(seed).permutation(table["label"][::2])  # patients keep one label
        mixed = table.assign(label=np.repeat(labels, 2))
        permuted.append(areas(tmp_path / f"permuted_{seed}", tmp_path / "store", mixed, seed))
    means = {name: float(np.mean([found[name] for found in permuted])) for name in true}
    print(means)
    # One AUROC of 45 patients has a standard error of about 0.09, the mean of eight of 0.03.
    assert all(abs(mean - 0.5) < 0.07 for mean in means.values()), means
