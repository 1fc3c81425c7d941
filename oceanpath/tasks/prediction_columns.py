"""The columns of a prediction table that another program wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import CLASSIFICATION, make_task

PREFIX = "prob_"
SCORES = ("score", "prob", "probability", "y_score", "y_prob", "y_pred_proba", "prediction", "p")
"""Columns that may contain the probability of the second of two classes."""


def find_task(name: str, settings: Mapping[str, Any], columns: Sequence[str], where: object) -> Task:
    """The task of a table: the classes are those of the settings, or of the columns ``prob_<class>`` in their order.

    Raises: ExperimentError: the classes are unknown.
    """
    if name != CLASSIFICATION or settings.get("classes"):
        return make_task(name, settings)
    classes = [column.removeprefix(PREFIX) for column in columns if column.startswith(PREFIX) and column != PREFIX]
    if len(classes) < 2:
        do = """State the classes in order, the positive one last: --set 'data.classes=["NEGATIVE", "POSITIVE"]'."""
        raise ExperimentError("the classes are unknown", where=where, got=shorten_list(columns, 12), do=do)
    return make_task(name, {"classes": classes})


def find_values(task: Task, columns: Sequence[str], score: str, where: object) -> list[str]:
    """The columns with the values of the task; for two classes perhaps one, the score of the second class.

    Args:
        task: What is predicted.
        columns: Columns of the table.
        score: The column that the user names, or "".
        where: For errors.

    Raises: ExperimentError: there are no such columns.
    """
    if score:
        if score not in columns:
            do = "Name another with --score."
            raise ExperimentError(f"no column '{score}'", where=where, got=shorten_list(columns, 12), do=do)
        return [score]
    if set(task.columns) <= set(columns):
        return list(task.columns)
    lower = {name.lower(): name for name in reversed(columns)}
    likely = [lower[name] for name in SCORES if name in lower]
    if task.name == CLASSIFICATION and len(task.columns) == 2 and likely:
        return likely[:1]
    do = "Name the score of the second class with --score." if len(task.columns) == 2 else ""
    expected, got = ", ".join(task.columns), shorten_list(columns, 12)
    raise ExperimentError("the table has no columns of predictions", where=where, expected=expected, got=got, do=do)


def as_values(task: Task, cells: Sequence[Sequence[str]], where: object) -> Floats:
    """Values [n, K] of the cells of each column; one column of scores becomes the probabilities of two classes.

    Raises: ExperimentError: a cell is not a number, or a score is not between 0 and 1.
    """
    numbers = np.empty((len(cells[0]), len(cells)))
    for k, column in enumerate(cells):
        for row, cell in enumerate(column):
            try:
                numbers[row, k] = float(cell)
            except ValueError as error:
                raise ExperimentError("a prediction is not a number", where=where, got=repr(cell)) from error
    if len(cells) == len(task.columns):
        return numbers
    if not ((numbers >= 0) & (numbers <= 1)).all():
        got = f"{numbers.min():g} to {numbers.max():g}"
        do = "Convert logits to probabilities first."
        raise ExperimentError("scores are not probabilities", where=where, expected="0 to 1", got=got, do=do)
    return np.hstack([1 - numbers, numbers])
