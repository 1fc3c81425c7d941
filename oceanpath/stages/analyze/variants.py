"""The test rows of all variants of an experiment, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts import predictions
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.errors import StageError


@dataclass(frozen=True)
class VariantRows:
    """One row per slide, sorted by slide; all variants predicted the same slides."""

    classes: list[str]
    labels: NDArray[np.int64]
    """[n]."""
    patients: list[str]
    """[n]."""
    probs: Mapping[str, NDArray[np.float64]]
    """Variant → probabilities [n, C]; the variant that the others are held against comes first."""


def read_variants(variants: Mapping[str, Path]) -> VariantRows:
    """The rows of the variants; the first one says which slides, patients, labels and classes there are.

    Raises: StageError: another variant differs in them, or a row is no test row.
    """
    (first, folder), *others = variants.items()
    classes = [str(name) for name in predictions.read_cv_results(folder)["classes"]]
    own = _read(folder, classes, first)
    frames = {first: own} | {name: _matched(own, _read(path, classes, name), name) for name, path in others}
    probs = {name: predictions.probabilities(frame, classes) for name, frame in frames.items()}
    return VariantRows(classes, predictions.label_numbers(own, classes), [str(p) for p in own["patient_id"]], probs)


def _read(folder: Path, classes: list[str], name: str) -> pd.DataFrame:
    """Test rows by slide, sorted."""
    theirs = [str(label) for label in predictions.read_cv_results(folder)["classes"]]
    if sorted(theirs) != sorted(classes):
        raise StageError("variants have different classes", where=name, expected=classes, got=theirs)
    frame = predictions.read_oof(folder).set_index("slide_id").sort_index()
    if set(frame["role"]) != {"test"} or frame.index.has_duplicates:
        raise StageError("only test rows are compared, each slide once", where=name)
    return frame


def _matched(own: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """`other`, after a check that it has the slides, labels and patients of `own`."""
    if odd := set(own.index) ^ set(other.index):
        raise StageError(
            "variants tested different slides", where=name, got=describe_missing(odd, set(own.index) & set(other.index))
        )
    for column in ("label", "patient_id"):
        if (wrong := own[column] != other[column]).any():
            raise StageError(f"variants differ in {column}", where=name, got=f"slide {own.index[wrong][0]}")
    return other
