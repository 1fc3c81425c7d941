"""A baseline of clinical columns alone: what they predict without a slide, on the same folds.

Each column is encoded by the rows to which a fold's baseline is fitted. A column whose known cells are numbers is one
feature, in which the median replaces unknown cells; other columns have one feature per category. Where cells are
unknown, that is one more feature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.checks import FOR_MISSING
from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.evaluation.pooled import DECIMALS
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stages.eval.baselines import fitting_rows
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.numbers import is_number

CLINICAL = "clinical"
"""Name of the baseline."""
PENALTY = 1.0
"""Ridge penalty: weak, because there are few features."""
MOST_CATEGORIES = 20
"""A column of more categories is probably one of numbers with a text in it, or of ids."""
Features = NDArray[np.float32]


def fit_clinical(rows: ReportedRows, split: Path, columns: pd.DataFrame) -> Floats:
    """Values [n, K] of the test rows; `columns` are text, indexed by slide.

    Raises: ExperimentError: a column is neither numeric nor one of categories.
    """
    columns = columns.map(_known)
    validate_columns(columns)
    values, own_folds = np.zeros_like(rows.values), rows.split_folds
    for number in np.unique(own_folds).tolist():
        slides, targets = fitting_rows(rows, split, number)
        tested = np.flatnonzero(own_folds == number)
        x, to = encode(columns.loc[slides], columns.loc[rows.frame["slide_id"].iloc[tested]])
        values[tested] = rows.task.fit_baseline(x, targets, to, penalty=PENALTY)
    return np.round(values, DECIMALS)


def _known(cell: str) -> str:
    return "" if cell.casefold() in FOR_MISSING else cell


def validate_columns(columns: pd.DataFrame) -> None:
    """Raise ExperimentError for a column without values, or with too many categories."""
    for name in columns:
        counts = Counter(cell for cell in columns[name] if cell)
        where = f"[data] clinical, column {name}"
        if not counts:
            raise ExperimentError("a clinical column is empty", where=where, do="Remove it from data.clinical.")
        texts = sorted(cell for cell in counts if not is_number(cell))
        if texts and len(counts) > MOST_CATEGORIES:
            expected = f"numbers, or at most {MOST_CATEGORIES} categories"
            got = f"{len(counts)} different values, among them {shorten_list([repr(text) for text in texts], 5)}"
            do = "Correct these cells, or leave them empty if the value is unknown."
            raise ExperimentError(
                "a clinical column is neither numeric nor categorical", where=where, expected=expected, got=got, do=do
            )


def encode(fitted: pd.DataFrame, others: pd.DataFrame) -> tuple[Features, Features]:
    """Features of the rows to which a baseline is fitted, and of others, encoded as the first ones determine."""
    pairs = [_encode(fitted[name].tolist(), others[name].tolist()) for name in fitted]
    x, to = (np.concatenate([pair[k] for pair in pairs], axis=1).astype(np.float32) for k in (0, 1))
    return x, to


def _encode(fitted: Sequence[str], others: Sequence[str]) -> tuple[Floats, Floats]:
    known = [cell for cell in fitted if cell]
    if all(map(is_number, known)):
        middle = float(np.median([float(cell) for cell in known])) if known else 0.0
        found = [[[float(cell) if is_number(cell) else middle] for cell in cells] for cells in (fitted, others)]
    else:
        categories = sorted(set(known))
        found = [[[float(cell == name) for name in categories] for cell in cells] for cells in (fitted, others)]
    parts = [np.asarray(part, np.float64) for part in found]
    if len(known) < len(fitted):
        unknown = [np.asarray([[float(not cell)] for cell in cells]) for cells in (fitted, others)]
        parts = [np.hstack(pair) for pair in zip(parts, unknown, strict=True)]
    return parts[0], parts[1]
