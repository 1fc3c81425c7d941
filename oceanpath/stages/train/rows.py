"""The slides of a fold by role."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from oceanpath.artifacts import folds
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import StageError
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Targets


@dataclass(frozen=True)
class Rows:
    """Slides of one role: their table, their indices in the store and their targets."""

    table: pd.DataFrame
    numbers: list[int]
    targets: Targets

    def none(self) -> Rows:
        """The same table without rows."""
        return Rows(self.table.iloc[:0], [], self.targets[:0])


def read_rows(frame: pd.DataFrame, store: Store, task: Task, where: str) -> dict[str, Rows]:
    """The rows of a fold by role.

    Raises: StageError: a role has no rows, or no model can be trained on the training rows. ArtifactError: a label is
        not valid, or a slide is not in the store.
    """
    task.validate_labels(frame["label"].tolist(), where)
    by_role = {}
    for role in folds.ROLES:
        table = frame[frame["role"] == role].reset_index(drop=True)
        if table.empty:
            raise StageError(f"no {role} rows", where=where, do="Use fewer folds or more patients.")
        numbers = [store.number(name) for name in table["slide_id"]]
        by_role[role] = Rows(table, numbers, task.targets(table["label"].tolist()))
    task.validate_training(by_role["train"].targets, where)
    return by_role
