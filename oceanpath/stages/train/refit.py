"""One model of all patients, for `train.final = "refit"`: trained for the epochs that the folds selected.

Reads: the folds (`split`), the store (`mmap`) and the training of the folds (`train`).
Writes: the files of one fold without test rows (`oceanpath.artifacts.predictions`), and cv_results.json with "refit":
{"epochs", "fold_epochs", "slides", "patients"}. preds_val.parquet has the inner validation rows of all folds, each
predicted by the model of its fold: this model was trained on them, so its own predictions decide nothing.
Fails: training diverges, or a slide is not in the store.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from oceanpath.artifacts import folds, predictions
from oceanpath.artifacts.patient_bags import one_row_per_slide
from oceanpath.artifacts.store.patients import bags_of, open_bags
from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.placement import place
from oceanpath.errors import ArtifactError
from oceanpath.fit.checkpoint import load_checkpoint, save_checkpoint
from oceanpath.fit.device import pick_device
from oceanpath.fit.early_stopping import is_better
from oceanpath.fit.predict import predict
from oceanpath.fit.seeds import derive
from oceanpath.fit.threads import torch_threads
from oceanpath.pipeline.stage import JOURNAL, Inputs, Progress, Summary
from oceanpath.stages.train.fold import state_file
from oceanpath.stages.train.fold_training import Fold
from oceanpath.stages.train.pretrained import find_weights
from oceanpath.stages.train.rows import Rows
from oceanpath.stages.train.settings import RefitSettings, TrainSettings
from oceanpath.stages.train.space import with_values
from oceanpath.stages.train.winner import common_winner, fold_winners
from oceanpath.tasks.base import Task
from oceanpath.tasks.registry import read_task

QUANTILE = 75
"""Percentile of the numbers of epochs of the folds: more than the median, as there are more slides, and no extreme."""


class Epochs(NamedTuple):
    """The length of the training."""

    of_folds: list[int]
    """Number of epochs that each fold selected."""
    number: int
    fold: int
    """The first fold that selected this number."""


def run(settings: RefitSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Train one model on all patients and write its files; an interrupted training is resumed.

    Raises: StageError: training diverges. ExperimentError: too little memory. ArtifactError: a slide is not in the
        store.
    """
    results = predictions.read_cv_results(inputs["train"])
    task, own = read_task(results, inputs["train"]), searched(settings.train, results)
    device = pick_device(own.device)
    bags = open_bags(inputs["mmap"], inputs["split"], check=inputs.verify)
    store = place(bags, own.placement, device)
    rows, epochs = all_rows(inputs["split"], store, task), choose_epochs(results)
    history = json.loads((inputs["train"] / f"fold_{epochs.fold}" / "history.json").read_text(encoding="utf-8"))
    improved = improved_epochs(history[: epochs.number], results["per_fold"][epochs.fold]["monitor"], task)
    fold = Fold(
        own, store, {"train": rows}, device, derive(own.training_seeds[0], "refit"), find_weights(own, inputs, 0)
    )
    progress.start(epochs.number, "epochs")
    with torch_threads(own.threads):
        trained = fold.train_all(task, rows, improved, state_file(out), progress.advance)
        outputs = predict(trained.model, store, rows.numbers, device, together=True)
    objective = trained.objective.completed(outputs.outputs, rows.targets)
    folder, val = out / "fold_0", inner_predictions(inputs["train"], results["folds"], task)
    folder.mkdir(exist_ok=True)
    save_checkpoint(trained.model, objective, folder / "best.ckpt")
    predictions.write_predictions(val, folder / "preds_val.parquet", task)
    predictions.write_embeddings(outputs.embeddings, rows.table, folder)
    facts = {"epochs": epochs.number, "fold_epochs": epochs.of_folds, **_counts(rows, bags_of(bags))}
    decided = task.decision_facts(task.values(val), task.targets(val["label"].tolist()))
    kept = {**task.record(), "scheme": results["scheme"], "selected": results["selected"]}
    kept |= {"bag": results["bag"]} if "bag" in results else {}
    one = {
        "folds": 1,
        "model": own.model.model_dump(mode="json"),
        "per_fold": [{"fold": 0, "is_out_of_fold": True, **decided}],
    }
    predictions.write_cv_results({**kept, **one, "refit": facts}, out)
    shutil.rmtree((out / JOURNAL).parent)
    return _summary(facts)


def searched(settings: TrainSettings, results: Mapping[str, Any]) -> TrainSettings:
    """The settings of the training: after a search, with the middle value of the folds' winners for each key."""
    winners = fold_winners(results)
    return with_values(settings, common_winner(settings, winners)) if winners else settings


def choose_epochs(results: Mapping[str, Any]) -> Epochs:
    """The smallest number of epochs that three quarters of the folds do not exceed."""
    of_folds = [int(entry["best_epoch"]) + 1 for entry in results["per_fold"]]
    number = int(np.percentile(of_folds, QUANTILE, method="inverted_cdf"))
    return Epochs(of_folds, number, of_folds.index(number))


def improved_epochs(history: Sequence[Mapping[str, Any]], monitor: str, task: Task) -> list[bool]:
    """Whether each epoch of a history was the best one so far, which the schedule may depend on."""
    best, improved = tuple[float, ...](), []
    for entry in history:
        scores = task.selection_key(monitor, entry)
        improved.append(is_better(scores, best))
        best = scores if improved[-1] else best
    return improved


def all_rows(split: Path, store: Store, task: Task) -> Rows:
    """Every slide with a role in some fold, once; all of them are training rows."""
    frames = [folds.read_fold(split, number) for number in range(int(folds.read_splits(split)["folds"]))]
    pooled = pd.concat(frames).drop_duplicates("slide_id").sort_values("slide_id", ignore_index=True)
    numbers = [store.number(name) for name in pooled["slide_id"]]
    return Rows(pooled.assign(role="train"), numbers, task.targets(pooled["label"].tolist()))


def inner_predictions(train: Path, count: int, task: Task) -> pd.DataFrame:
    """The inner validation rows of all folds, each with the prediction of the model of its fold."""
    tables = [
        predictions.read_predictions(train / f"fold_{number}" / "preds_val.parquet", task) for number in range(count)
    ]
    return pd.concat(tables, ignore_index=True)


def check(path: Path) -> None:
    """Read every published file. Raises: ArtifactError: one is missing or damaged."""
    results = predictions.read_cv_results(path)
    if not results.get("refit"):
        raise ArtifactError("cv_results lacks a key", where=path, expected="refit")
    folder = path / "fold_0"
    load_checkpoint(folder / "best.ckpt")
    predictions.read_predictions(folder / "preds_val.parquet", read_task(results, path))
    predictions.read_embeddings(folder)


def _counts(rows: Rows, bags: Mapping[str, Sequence[str]]) -> dict[str, int]:
    slides = len(one_row_per_slide(rows.table, bags))
    return {"slides": slides, "patients": int(rows.table["patient_id"].nunique())}


def _summary(facts: Mapping[str, Any]) -> Summary:
    selected = ", ".join(map(str, facts["fold_epochs"]))
    line = (
        f"one model of all {facts['slides']} slides of {facts['patients']} patients, {facts['epochs']} epochs "
        f"({QUANTILE}th percentile of {selected}); this model was not evaluated"
    )
    return Summary((line,), {key: facts[key] for key in ("epochs", "slides", "patients")})
