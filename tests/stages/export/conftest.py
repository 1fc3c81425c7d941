"""A tiny cross-validation as the train, mmap and eval stages publish it: random features, untrained models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from oceanpath.artifacts import metrics, predictions
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.pipeline.stage import Inputs

from ...conftest import write_store

DIM = 24
CLASSES = ["NR", "R"]
SLIDES = 60


@dataclass(frozen=True)
class Study:
    """Folders of the parents, and the classifiers that lie in the checkpoints."""

    train: Path
    mmap: Path
    eval: Path
    classifiers: list[WSIClassifier]

    def inputs(self) -> Inputs:
        return Inputs({"train": self.train, "mmap": self.mmap, "eval": self.eval})


def random_rows(cohort: pd.DataFrame, fold: int, role: str, rng: np.random.Generator) -> pd.DataFrame:
    positive = (cohort["label"] == CLASSES[1]).to_numpy()
    logits = 2.5 * positive - 1.25 + rng.standard_normal(len(cohort)) * 2
    probability = 1 / (1 + np.exp(-2 * logits))  # twice too sure of itself, so that a temperature has work to do
    return cohort.assign(prob_NR=1 - probability, prob_R=probability, fold=fold, role=role)


def write_fold(folder: Path, number: int, cohort: pd.DataFrame, rng: np.random.Generator) -> WSIClassifier:
    folder.mkdir(parents=True)
    torch.manual_seed(number)
    model = parse_model({"name": "abmil", "hidden": 16, "attention": 8})
    classifier = WSIClassifier(model, DIM, CLASSES)
    save_checkpoint(classifier, folder / "best.ckpt")
    test = cohort[np.arange(SLIDES) % 2 == number]
    val = cohort[np.arange(SLIDES) % 2 != number].iloc[:25]
    predictions.write_predictions(random_rows(test, number, "test", rng), folder / "preds_test.parquet")
    predictions.write_predictions(random_rows(val, number, "val", rng), folder / "preds_val.parquet")
    ids = cohort.assign(role=np.where(np.arange(SLIDES) % 2 == number, "test", "train"))
    predictions.write_embeddings(np.zeros((SLIDES, 4), np.float32), ids, folder)
    (folder / "history.json").write_text("[]")
    return classifier.eval()


def write_train(path: Path, cohort: pd.DataFrame) -> list[WSIClassifier]:
    rng = np.random.default_rng(0)
    classifiers = [write_fold(path / f"fold_{k}", k, cohort, rng) for k in range(2)]
    frames = [predictions.read_predictions(path / f"fold_{k}" / "preds_test.parquet", CLASSES) for k in range(2)]
    predictions.write_predictions(pd.concat(frames), path / "oof_predictions.parquet")
    results = {
        "classes": CLASSES,
        "folds": 2,
        "model": {"name": "abmil"},
        "per_fold": [{"fold": k, "best_epoch": 1, "epochs": 2, "val_loss": 0.6, "threshold": 0.7} for k in range(2)],
        "scheme": "kfold",
        "selected": False,
    }
    predictions.write_cv_results(results, path)
    return classifiers


def write_eval(path: Path) -> None:
    record = {"value": 0.81, "low": 0.7, "high": 0.9, "n": SLIDES, "n_patients": 30, "resamples": 10, "redrawn": 0}
    group = dict.fromkeys(metrics.REQUIRED, record)
    found = {
        "classes": CLASSES,
        "scheme": "kfold",
        "selected": False,
        "level": {"slide": group, "patient": group | {"mcc": {"value": None, "reason": "one class only"}}},
        "operating_point": None,
        "floor": dict.fromkeys(metrics.FLOORS, group),
        "versus_baseline": dict.fromkeys(metrics.FLOORS, record | {"p": 0.01, "verdict": "better"}),
        "folds": [],
        "notes": [],
    }
    path.mkdir()
    metrics.write_metrics(found, path)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(1)
    names = [f"slide_{i:02d}" for i in range(SLIDES)]
    cohort = pd.DataFrame({"slide_id": names})
    cohort["patient_id"] = [f"p{i % 2}_{i // 4}" for i in range(SLIDES)]
    cohort["label"] = [CLASSES[(i // 4) % 2] for i in range(SLIDES)]
    bags = {name: rng.standard_normal((1 + i, DIM)) for i, name in enumerate(names)}
    write_store(root / "mmap", bags, encoder="toy_encoder")
    classifiers = write_train(root / "train", cohort)
    write_eval(root / "eval")
    predictions.check(root / "train")
    return Study(root / "train", root / "mmap", root / "eval", classifiers)
