"""The test rows of all variants of an experiment, for the same slides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.errors import StageError
from oceanpath.evaluation.model_rows import VariantRows, read_test_rows
from oceanpath.tasks.base import Task


def read_variants(variants: Mapping[str, Path]) -> VariantRows:
    """The rows of the variants; the first one determines the slides, patients, labels and task.

    Raises: StageError: another variant differs in them, or a row is not a test row.
    """
    (first, folder), *others = variants.items()
    task, own = read_test_rows(folder, first)
    return VariantRows.of(task, {first: own} | {name: _matched(own, path, task, name) for name, path in others})


def _matched(own: pd.DataFrame, folder: Path, task: Task, name: str) -> pd.DataFrame:
    """The rows of another variant, after a check that they have the task, slides, labels and patients of `own`."""
    _, other = read_test_rows(folder, name, task)
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
