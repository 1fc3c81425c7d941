"""Columns of class probabilities: their names and their validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from oceanpath.errors import ArtifactError

SUM_TOLERANCE = 1e-4
"""Float32 softmax sums to 1 within about 1e-6; float16 outputs within 1e-3 are not accepted."""


def prob_columns(classes: Sequence[str]) -> list[str]:
    """Names of the probability columns, in class order (never in alphabetical order)."""
    return [f"prob_{name}" for name in classes]


def validate_probabilities(frame: pd.DataFrame, classes: Sequence[str], where: object) -> None:
    """Raise ArtifactError unless there are two or more columns, all finite and non-negative, and each row sums to 1."""
    if len(classes) < 2:
        raise ArtifactError("fewer than two prob_ columns", where=where, got=list(frame.columns))
    probs = frame[prob_columns(classes)].to_numpy(np.float64)
    bad_rows = ~np.isfinite(probs).all(axis=1) | (probs < 0).any(axis=1)
    bad_rows |= np.abs(probs.sum(axis=1) - 1) > SUM_TOLERANCE
    if bad_rows.any():
        slide = frame["slide_id"].iloc[int(np.flatnonzero(bad_rows)[0])]
        raise ArtifactError(
            "probabilities are not finite, are negative or do not sum to 1",
            where=where,
            got=f"{int(bad_rows.sum())} rows, first {slide}",
        )
