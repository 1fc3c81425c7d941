"""A tiny cross-validation as the train, mmap and eval stages publish it: random features, untrained models.

Test predictions are what the classifiers say, as training writes them; validation predictions are made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from oceanpath.artifacts import metrics, predictions
from oceanpath.artifacts.store.reader import Store
from oceanpath.fit.checkpoint import save_checkpoint
from oceanpath.fit.objectives.registry import read_objective
from oceanpath.fit.predict import predict
from oceanpath.models.classifier import WSIClassifier
from oceanpath.models.registry import parse_model
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.train.fold_files import prediction_table
from oceanpath.tasks.classification import Classification

from ...conftest import write_store

DIM = 24
CLASSES = ["NR", "R"]
TASK = Classification(CLASSES)
OBJECTIVE = read_objective(TASK, {})
SLIDES = 60


SMALL_ABMIL = {"name": "abmil", "hidden": 16, "attention": 8}


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


def write_fold(
    folder: Path, number: int, cohort: pd.DataFrame, rng: np.random.Generator, store: Store, model: dict[str, Any]
) -> WSIClassifier:
    folder.mkdir(parents=True)
    torch.manual_seed(number)
    classifier = WSIClassifier(parse_model(model), DIM, CLASSES)
    save_checkpoint(classifier, OBJECTIVE, folder / "best.ckpt")
    test = cohort[np.arange(SLIDES) % 2 == number].assign(role="test")
    said = predict(classifier, store, [store.number(name) for name in test["slide_id"]], "cpu")
    tested = prediction_table(test, OBJECTIVE.values(said.outputs), TASK, number)
    val = cohort[np.arange(SLIDES) % 2 != number].iloc[:25]
    predictions.write_predictions(tested, folder / "preds_test.parquet", TASK)
    predictions.write_predictions(random_rows(val, number, "val", rng), folder / "preds_val.parquet", TASK)
    ids = cohort.assign(role=np.where(np.arange(SLIDES) % 2 == number, "test", "train"))
    predictions.write_embeddings(np.zeros((SLIDES, 4), np.float32), ids, folder)
    (folder / "history.json").write_text("[]")
    return classifier.eval()


def write_train(path: Path, cohort: pd.DataFrame, store: Store, model: dict[str, Any]) -> list[WSIClassifier]:
    rng = np.random.default_rng(0)
    classifiers = [write_fold(path / f"fold_{k}", k, cohort, rng, store, model) for k in range(2)]
    frames = [predictions.read_predictions(path / f"fold_{k}" / "preds_test.parquet", TASK) for k in range(2)]
    predictions.write_predictions(pd.concat(frames), path / "oof_predictions.parquet", TASK)
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
    group = dict.fromkeys(Classification.metrics, record)
    found = {
        "classes": CLASSES,
        "scheme": "kfold",
        "selected": False,
        "level": {"slide": group, "patient": group | {"mcc": {"value": None, "reason": "one class only"}}},
        "operating_point": None,
        "floor": dict.fromkeys(Classification.baselines, group),
        "versus_baseline": dict.fromkeys(Classification.baselines, record | {"p": 0.01, "verdict": "better"}),
        "folds": [],
        "notes": [],
    }
    path.mkdir()
    metrics.write_metrics(found, path)


def write_study(root: Path, model: dict[str, Any], *, coords: bool = False) -> Study:
    rng = np.random.default_rng(1)
    names = [f"slide_{i:02d}" for i in range(SLIDES)]
    cohort = pd.DataFrame({"slide_id": names})
    cohort["patient_id"] = [f"p{i % 2}_{i // 4}" for i in range(SLIDES)]
    cohort["label"] = [CLASSES[(i // 4) % 2] for i in range(SLIDES)]
    bags = {name: rng.standard_normal((1 + i, DIM)) for i, name in enumerate(names)}
    places = {name: on_a_grid(len(bag), rng) for name, bag in bags.items()} if coords else False
    store = write_store(root / "mmap", bags, places, encoder="toy_encoder")
    classifiers = write_train(root / "train", cohort, store, model)
    write_eval(root / "eval")
    predictions.check(root / "train", TASK)
    return Study(root / "train", root / "mmap", root / "eval", classifiers)


def on_a_grid(n: int, rng: np.random.Generator) -> np.ndarray:
    """[n, 2] level-0 pixels: patches of 512 in the order of a scan, with holes between them."""
    side = int(np.ceil(np.sqrt(2 * n)))
    cells = np.sort(rng.permutation(side * side)[:n])
    return (np.stack([cells % side, cells // side], axis=1) * 512 + 10_240).astype(np.int32)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("study"), SMALL_ABMIL)
