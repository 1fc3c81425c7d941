"""A small cohort in the formats that the parents of `eval` publish."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from oceanpath.artifacts import folds, predictions
from oceanpath.pipeline.stage import Inputs
from oceanpath.tasks.classification import Classification
from oceanpath.tasks.probabilities import prob_columns

from ...conftest import write_store

DIM = 6


@dataclass
class Cohort:
    """Folders of the parents, and the tables they were made of."""

    inputs: Inputs
    slides: pd.DataFrame
    classes: list[str]

    @property
    def task(self) -> Classification:
        return Classification(self.classes)

    def oof(self, **changes: Any) -> None:
        """Rewrite the pooled test rows with changed columns."""
        path = self.inputs["train"] / "oof_predictions.parquet"
        frame = predictions.read_predictions(path, self.task).assign(**changes)
        predictions.write_predictions(frame, path, self.task)


def write_bags(path: Path, slides: pd.DataFrame, classes: list[str]) -> None:
    rng = np.random.default_rng(1)
    lengths = rng.integers(3, 30, len(slides))
    bags = {}
    for name, label, n in zip(slides["slide_id"], slides["label"], lengths, strict=True):
        bags[name] = rng.normal(size=(n, DIM)).astype(np.float32)
        bags[name][:, classes.index(label)] += 0.5
    write_store(path, bags, dtype="float32", raw_lengths=lengths * 2)


def table(fold: pd.DataFrame, classes: list[str], number: int, role: str, skill: float) -> pd.DataFrame:
    rows = fold[fold["role"] == role].reset_index(drop=True)
    logits = np.random.default_rng([number, len(role)]).normal(size=(len(rows), len(classes)))
    logits[np.arange(len(rows)), [classes.index(name) for name in rows["label"]]] += skill
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rows.assign(**dict(zip(prob_columns(classes), probs.T, strict=True)), fold=number)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Cohort]:
    """Builds a cohort of n patients with two slides each, in three folds."""

    def build(
        patients: int = 30, classes: Sequence[str] = ("neg", "pos"), skill: float = 1.5, selected: bool = False
    ) -> Cohort:
        classes = list(classes)
        owner = np.repeat(np.arange(patients), 2)
        slides = pd.DataFrame({"slide_id": [f"s{i:03d}" for i in range(len(owner))]})
        slides["patient_id"] = [f"p{number:02d}" for number in owner]
        slides["label"] = [classes[(number // 3) % len(classes)] for number in owner]
        for name in ("mmap", "split", "train"):
            (tmp_path / name).mkdir()
        write_bags(tmp_path / "mmap", slides, classes)
        frames, tests = [], []
        for number in range(3):
            role = np.where(owner % 3 == number, "test", np.where(owner % 3 == (number + 1) % 3, "val", "train"))
            frames.append(slides.assign(role=role))
            folder = tmp_path / f"train/fold_{number}"
            folder.mkdir()
            val = table(frames[-1], classes, number, "val", skill)
            predictions.write_predictions(val, folder / "preds_val.parquet", Classification(classes))
            losses = [{"epoch": k, "train_loss": 0.7 - 0.2 * k, "val_loss": 0.7 - 0.1 * k} for k in range(3)]
            (folder / "history.json").write_text(json.dumps(losses))
            tests.append(table(frames[-1], classes, number, "test", skill))
        folds.write_folds(tmp_path / "split", frames, {"scheme": "kfold", "classes": classes})
        predictions.write_predictions(
            pd.concat(tests), tmp_path / "train/oof_predictions.parquet", Classification(classes)
        )
        cut = [0.4, 0.5, 0.6] if len(classes) == 2 else [None] * 3
        per_fold = [{"fold": k, "best_epoch": 1, "epochs": 3, "val_loss": 0.5, "threshold": cut[k]} for k in range(3)]
        results = {"classes": classes, "folds": 3, "model": {"name": "static"}, "per_fold": per_fold}
        predictions.write_cv_results(results | {"scheme": "kfold", "selected": selected}, tmp_path / "train")
        parents = {name: tmp_path / name for name in ("train", "mmap", "split")}
        return Cohort(Inputs(parents=parents), slides, classes)

    return build
