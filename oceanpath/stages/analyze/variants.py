"""The test rows of all variants of an experiment, for the same slides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts import predictions
from oceanpath.artifacts.cohort.ids import describe_missing
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


def read_variants(variants: Mapping[str, Path]) -> VariantRows:
    """The rows of the variants; the first one determines the slides, patients, labels and task.

    Raises: StageError: another variant differs in them, or a row is not a test row.
    """
    (first, folder), *others = variants.items()
    task = read_task(predictions.read_cv_results(folder), folder)
    own = _read(folder, task, first)
    frames = {first: own} | {name: _matched(own, _read(path, task, name), name) for name, path in others}
    values = {name: task.values(frame) for name, frame in frames.items()}
    targets, patients = task.targets(own["label"].tolist()), [str(p) for p in own["patient_id"]]
    folds = {name: frame["fold"].to_numpy(np.int64) for name, frame in frames.items()}
    slides, repeats = own["slide_id"].tolist(), own["repeat"].to_numpy(np.int64)
    return VariantRows(task, targets, patients, slides, repeats, values, folds)


def _read(folder: Path, task: Task, name: str) -> pd.DataFrame:
    """Test rows by slide and repeat, sorted; the predictions of ensembles are averaged."""
    results = predictions.read_cv_results(folder)
    own, plan = read_task(results, folder), read_plan(results)
    if sorted(own.columns) != sorted(task.columns) or own.name != task.name:
        raise StageError("the variants predict different targets", where=name, expected=task.columns, got=own.columns)
    frame = average_ensembles(predictions.read_oof(folder, own), plan, own.columns)
    repeat = frame["fold"].map(dict(enumerate(plan.repeats)))
    key = frame["slide_id"] + repeat.map(lambda number: f" (repeat {number})" if number else "")
    frame = frame.assign(repeat=repeat).set_index(key).sort_index()
    if set(frame["role"]) != {"test"} or frame.index.has_duplicates:
        raise StageError("the predictions of a variant are not one test row per slide", where=name)
    return frame


def _matched(own: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """`other`, after a check that it has the slides, labels and patients of `own`."""
    if odd := set(own.index) ^ set(other.index):
        raise StageError(
            "the variants were tested on different slides",
            where=name,
            got=describe_missing(odd, set(own.index) & set(other.index)),
        )
    for column in ("label", "patient_id"):
        if (wrong := own[column] != other[column]).any():
            raise StageError(f"the variants differ in {column}", where=name, got=f"slide {own.index[wrong][0]}")
    return other
