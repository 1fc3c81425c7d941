"""The test rows of several models for the same slides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts import predictions
from oceanpath.artifacts.tested_slides import average_ensembles, read_plan
from oceanpath.errors import StageError
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats, Targets
from oceanpath.tasks.registry import read_task


@dataclass(frozen=True)
class VariantRows:
    """One row per slide and repeat, sorted by both; all variants predicted the same slides."""

    task: Task
    targets: Targets
    """[n]."""
    patients: list[str]
    """[n]."""
    slides: list[str]
    """[n]."""
    repeats: NDArray[np.int64]
    """[n] repeat of the cross-validation."""
    values: Mapping[str, Floats]
    """Variant → values [n, K]; the variant that the others are compared with comes first."""
    folds: Mapping[str, NDArray[np.int64]]
    """Variant → fold that tested each row, [n]."""

    @classmethod
    def of(cls, task: Task, frames: Mapping[str, pd.DataFrame]) -> VariantRows:
        """The rows of frames with the same index, slides, patients and labels."""
        own = next(iter(frames.values()))
        values = {name: task.values(frame) for name, frame in frames.items()}
        folds = {name: frame["fold"].to_numpy(np.int64) for name, frame in frames.items()}
        targets, patients = task.targets(own["label"].tolist()), [str(p) for p in own["patient_id"]]
        slides, repeats = own["slide_id"].tolist(), own["repeat"].to_numpy(np.int64)
        return cls(task, targets, patients, slides, repeats, values, folds)


def read_test_rows(folder: Path, name: str, like: Task | None = None) -> tuple[Task, pd.DataFrame]:
    """The task, and the test rows by slide and repeat, sorted, with a column repeat; ensembles are averaged.

    Args:
        folder: What `train` published.
        name: Of the model, for errors.
        like: Another task with which it is compared.

    Raises: StageError: a row is not a test row, a slide is tested twice in a repeat, or the task is another one.
    """
    results = predictions.read_cv_results(folder)
    task, plan = read_task(results, folder), read_plan(results)
    if like is not None:
        check_same_task(like, task, name)
    frame = average_ensembles(predictions.read_oof(folder, task), plan, task.columns)
    repeat = frame["fold"].map(dict(enumerate(plan.repeats)))
    key = frame["slide_id"] + repeat.map(lambda number: f" (repeat {number})" if number else "")
    frame = frame.assign(repeat=repeat).set_index(key).sort_index()
    if set(frame["role"]) != {"test"} or frame.index.has_duplicates:
        raise StageError("the predictions of a variant are not one test row per slide", where=name)
    return task, frame


def check_same_task(first: Task, other: Task, name: str) -> None:
    """Raise StageError unless two models predict the same targets; the order of their columns may differ."""
    if sorted(other.columns) != sorted(first.columns) or other.name != first.name:
        what = "the variants predict different targets"
        raise StageError(what, where=name, expected=first.columns, got=other.columns)
