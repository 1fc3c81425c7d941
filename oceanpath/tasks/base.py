"""What every task provides: `Task` is the target with its predictions, and how these are evaluated.

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

from oceanpath.errors import ArtifactError, OceanPathError
from oceanpath.tasks.evaluation import Evaluation, Floats, Targets


class Strata(NamedTuple):
    """Groups of slides that every fold should hold in equal shares."""

    names: tuple[str, ...]
    """In their order."""
    rows: NDArray[np.int64]
    """[n] number of the group of each row."""


class Task(Evaluation, ABC):
    """One target per slide."""

    name: ClassVar[str]
    stratum: ClassVar[str] = "group"
    """What a stratum is called in messages."""
    merge: ClassVar[str] = "merge groups"
    """What reduces the number of strata, in an error's remedy."""
    unusable: ClassVar[str] = "with a label that cannot be read"
    """Why a slide is left out whose label is not valid."""

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """The task with its keys of `[data]`."""

    @classmethod
    @abstractmethod
    def from_record(cls, record: Mapping[str, Any], where: Path | str) -> Self:
        """The task that `record` describes. Raises: ArtifactError: a key is missing."""

    @abstractmethod
    def record(self) -> dict[str, Any]:
        """The keys that published files hold of this task; all but classification state "task"."""

    # Labels: text in every table, as in the label table.

    def read_label(self, cell: str) -> str:
        """The label that a cell of the label table means."""
        return cell

    @abstractmethod
    def label_problems(self, labels: list[str], where: str) -> list[OceanPathError]:
        """All that is wrong with the labels of a table; empty ones are missing and are no problem."""

    @abstractmethod
    def is_valid(self, label: str) -> bool:
        """Whether a label can be learnt."""

    @abstractmethod
    def targets(self, labels: Sequence[str]) -> Targets:
        """Numbers [n] of valid labels."""

    @abstractmethod
    def strata(self, labels: Sequence[str]) -> Strata:
        """Groups of valid labels: for folds, balanced sampling, counts and colours."""

    def validate_training(self, targets: Targets, where: str) -> None:
        """Raise StageError where these training targets cannot be learnt."""

    # Predictions

    @property
    @abstractmethod
    def columns(self) -> list[str]:
        """Names of the columns of values, in order."""

    def values(self, frame: pd.DataFrame) -> Floats:
        """Values [n, K] of the rows of a prediction table."""
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
        """Monitor → score of the validation rows; "val_loss" is one of them, and the lower the better."""

    def selection_key(self, monitor: str, scores: Mapping[str, float | None]) -> tuple[float, ...]:
        """What epochs are compared by, the lower the better; a later number decides where earlier ones are equal.

        Raises: StageError: the monitor is undefined on these rows.
        """
        return (float(scores[monitor] or 0.0),)

    def decision_facts(self, values: Floats, targets: Targets) -> dict[str, Any]:  # noqa: ARG002  # most tasks decide nothing
        """What the validation rows determine for later decisions, for fold.json: a threshold."""
        return {}
