"""The test rows of several models for the same slides."""

from __future__ import annotations

import math
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
    """[n] repeat of the cross-validation; every seed is a repeat."""
    seeds: NDArray[np.int64]
    """[n] number of the seed, from 0."""
    n_seeds: Mapping[str, int]
    """Variant → its number of seeds; where others have more, its rows are repeated."""
    values: Mapping[str, Floats]
    """Variant → values [n, K]; the variant that the others are compared with comes first."""
    folds: Mapping[str, NDArray[np.int64]]
    """Variant → fold of splits.json that tested each row, [n]."""

    @classmethod
    def of(cls, task: Task, frames: Mapping[str, pd.DataFrame]) -> VariantRows:
        """The rows of frames with the same index, slides, patients and labels."""
        own = next(iter(frames.values()))
        values = {name: task.values(frame) for name, frame in frames.items()}
        folds = {name: frame["fold"].to_numpy(np.int64) for name, frame in frames.items()}
        targets, patients = task.targets(own["label"].tolist()), [str(p) for p in own["patient_id"]]
        slides, repeats = own["slide_id"].tolist(), own["repeat"].to_numpy(np.int64)
        n_seeds = {name: int(frame["n_seeds"].iloc[0]) for name, frame in frames.items()}
        seeds = own["seed"].to_numpy(np.int64)
        return cls(task, targets, patients, slides, repeats, seeds, n_seeds, values, folds)


def read_test_rows(folder: Path, name: str, like: Task | None = None) -> tuple[Task, pd.DataFrame]:
    """The task, and the test rows by slide and repeat, sorted; ensembles are averaged.

    Columns as in `oceanpath.artifacts.predictions`, except fold, which is that of splits.json, and: repeat; seed, its
    number from 0; n_seeds.

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
    of_fold = {"repeat": plan.repeats, "seed": [plan.seed_list.index(seed) for seed in plan.seeds]}
    columns = {name: frame["fold"].map(dict(enumerate(numbers))) for name, numbers in of_fold.items()}
    folds = frame["fold"].map(dict(enumerate(plan.split_folds)))
    frame = by_slide_and_repeat(frame.assign(**columns, fold=folds, n_seeds=len(plan.seed_list)))
    if set(frame["role"]) != {"test"} or frame.index.has_duplicates:
        raise StageError("the predictions of a variant are not one test row per slide", where=name)
    return task, frame


def by_slide_and_repeat(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows, sorted, with both as their index."""
    key = frame["slide_id"] + frame["repeat"].map(lambda number: f" (repeat {number})" if number else "")
    return frame.set_index(key).sort_index()


def match_seeds(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The frames with as many seeds as each other: the rows of those with fewer seeds are repeated equally often.

    A mean over the seeds of a model remains the same.
    """
    count = math.lcm(*(int(frame["n_seeds"].iloc[0]) for frame in frames.values()))
    return {name: _repeated(frame, count) for name, frame in frames.items()}


def _repeated(frame: pd.DataFrame, count: int) -> pd.DataFrame:
    own = int(frame["n_seeds"].iloc[0])
    if own == count:
        return frame
    repeats = (int(frame["repeat"].max()) + 1) // own
    copies = []
    for seed in range(count):
        rows = frame[frame["seed"] == seed % own]
        copies.append(rows.assign(seed=seed, repeat=rows["repeat"] % repeats + seed * repeats))
    return by_slide_and_repeat(pd.concat(copies))


def check_same_task(first: Task, other: Task, name: str) -> None:
    """Raise StageError unless two models predict the same targets; the order of their columns may differ."""
    if sorted(other.columns) != sorted(first.columns) or other.name != first.name:
        what = "the variants predict different targets"
        raise StageError(what, where=name, expected=first.columns, got=other.columns)
