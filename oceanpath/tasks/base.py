"""The interface of a task: its labels, its predictions and their evaluation.

`values` are the numbers of a prediction table, [n, K] float64: one column of the table per name in `columns`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.artifacts.cohort.checks import LabelCells
from oceanpath.errors import ArtifactError, OceanPathError
from oceanpath.tasks.evaluation import Column, Evaluation, Floats, Targets


class Strata(NamedTuple):
    """Groups of slides for stratification: every fold should contain them in equal proportions."""

    names: tuple[str, ...]
    """In order."""
    rows: NDArray[np.int64]
    """[n] index of each row's group."""


class Task(Evaluation, ABC):
    """One target per slide."""

    name: ClassVar[str]
    stratum: ClassVar[str] = "group"
    """Name of a stratum in messages."""
    merge: ClassVar[str] = "merge groups"
    """How to reduce the number of strata, as the remedy of an error."""
    is_exported_as_values: ClassVar[bool] = True
    """Whether a bundle predicts the values as they are; for classification it calibrates class probabilities."""
    unusable: ClassVar[str] = "with a label that cannot be read"
    """Reason stated for slides that are left out because their label is not valid."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The task, from its keys of `[data]`."""

    @classmethod
    @abstractmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:
        """The task that `record` describes. Raises: ArtifactError: a key is missing."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The keys that describe this task in published files; all tasks but classification include "task"."""

    def of_external_cohort(self) -> Self:
        """The same task for the label table of an external cohort, which need not have every stratum."""
        return self

    # Labels: text in every table, as in the label table.

    def label_columns(self, label: str) -> dict[str, str]:
        """Key of `[data]` → name of a column from which labels are read; `label` is that of `data.label`."""
        return {"label": label}

    def read_labels(self, cells: LabelCells) -> tuple[list[str], list[OceanPathError]]:
        """The labels of the rows of a table, and their problems."""
        labels = [self.read_label(cell) for cell in cells.columns["label"]]
        return labels, self.label_problems(labels, f"{cells.path} column {cells.names['label']}")

    def read_label(self, cell: str) -> str:
        """The label in a cell of the label table."""
        return cell

    def left_out(self, label: str) -> str:  # noqa: ARG002  # most tasks use every valid label
        """Why slides with a label that is not valid are left out on request; "" if they are an error."""
        return ""

    def cohort_notes(self, labels: Sequence[str]) -> list[str]:  # noqa: ARG002  # strata are counted in any case
        """Remarks on the valid labels of a cohort for the user, before any work."""
        return []

    def for_cohort(self, labels: Sequence[str]) -> Self:  # noqa: ARG002  # most tasks are complete
        """This task with everything that the valid labels of the cohort determine, for its `record`."""
        return self

    @abstractmethod
    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:
        """All problems with the labels of a table; an empty label is missing, which is not a problem."""

    @abstractmethod
    def is_valid(self, label: str) -> bool:
        """Whether a label can be used for training."""

    @abstractmethod
    def targets(self, labels: Sequence[str]) -> Targets:
        """Numbers [n] of valid labels."""

    @abstractmethod
    def strata(self, labels: Sequence[str]) -> Strata:
        """Groups of valid labels: for folds, balanced sampling, counts and colours."""

    def validate_training(self, targets: Targets, where: str) -> None:
        """Raise StageError if no model can be trained on these targets."""

    # Predictions

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns of values, in order."""

    def describe_columns(self) -> list[Column]:
        """Meaning and unit of each column of values."""
        return [Column(name, "predicted value") for name in self.columns]

    def values(self, frame: pd.DataFrame) -> Floats:
        """Values [n, K] of a prediction table."""
        return frame[self.columns].to_numpy(np.float64)

    def validate_labels(self, labels: Sequence[str], where: object) -> None:
        """Raise ArtifactError unless every label is valid."""
        if unknown := sorted({label for label in labels if not self.is_valid(label)}):
            raise ArtifactError("a label is not valid for the task", where=where, expected=self.name, got=unknown)

    def validate_predictions(self, frame: pd.DataFrame, where: object) -> None:
        """Raise ArtifactError unless labels and values of a prediction table are valid."""
        self.validate_labels(frame["label"].tolist(), where)
        bad = ~np.isfinite(self.values(frame)).all(axis=1)
        if bad.any():
            slide = frame["slide_id"].iloc[int(np.flatnonzero(bad)[0])]
            raise ArtifactError("predictions are not finite", where=where, got=f"{int(bad.sum())} rows, first {slide}")

    # Selection of the epoch, on validation rows

    @abstractmethod
    def validation_scores(self, values: Floats, targets: Targets) -> dict[str, float | None]:
        """Monitor → score on the validation rows, including "val_loss", for which lower is better."""

    def selection_key(self, monitor: str, scores: Mapping[str, float | None]) -> tuple[float, ...]:
        """The key by which epochs are compared, lower is better; later numbers break ties.

        Raises: StageError: the monitor is undefined on these rows.
        """
        return (float(scores[monitor] or 0.0),)

    def decision_facts(self, values: Floats, targets: Targets) -> dict[str, Any]:  # noqa: ARG002  # most tasks decide nothing
        """Values for fold.json that the validation rows determine for later decisions, such as a threshold."""
        return {}
