"""The test rows of all variants of an experiment, for the same slides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.errors import StageError
from oceanpath.evaluation.model_rows import VariantRows, match_seeds, read_test_rows


def read_variants(variants: Mapping[str, Path]) -> VariantRows:
    """The rows of the variants; the first one determines the slides, patients, labels and task.

    Raises: StageError: another variant differs in them, or a row is not a test row.
    """
    (first, folder), *others = variants.items()
    task, own = read_test_rows(folder, first)
    frames = match_seeds({first: own} | {name: read_test_rows(path, name, task)[1] for name, path in others})
    for name, _ in others:
        _check_match(frames[first], frames[name], name)
    return VariantRows.of(task, frames)


def _check_match(own: pd.DataFrame, other: pd.DataFrame, name: str) -> None:
    """Raise StageError unless the rows of another variant have the slides, labels and patients of `own`."""
    if odd := set(own.index) ^ set(other.index):
        raise StageError(
            "the variants were tested on different slides",
            where=name,
            got=describe_missing(odd, set(own.index) & set(other.index)),
        )
    for column in ("label", "patient_id"):
        if (wrong := own[column] != other[column]).any():
            raise StageError(f"the variants differ in {column}", where=name, got=f"slide {own.index[wrong][0]}")
