"""The `[split]` table."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from oceanpath.settings import outside, shared
from oceanpath.stages.tables import SlideList
from oceanpath.tasks.registry import CLASSIFICATION, make_task

if TYPE_CHECKING:
    from oceanpath.artifacts.cohort.table import TableQuery
    from oceanpath.tasks.base import Task


class SplitSettings(SlideList):
    """Assignment of patients to training, validation and test sets; all slides of a patient are in the same set."""

    scheme: Literal["kfold", "holdout"] = "kfold"
    """kfold: stratified cross-validation; holdout: one stratified test set."""
    folds: int = Field(5, ge=2)
    """Number of folds of kfold."""
    test_fraction: float = Field(0.2, gt=0, lt=1)
    """Fraction of each class's patients in the test set of holdout."""
    val_fraction: float = Field(0.2, gt=0, lt=1)
    """Fraction of each class's remaining patients in the inner validation set, which selects epoch and threshold."""
    labels: Path | None = outside("data.labels")
    patient_id: str = shared("data.patient_id", "patient_id")
    one_slide_per_patient: bool = shared("data.one_slide_per_patient", False)
    label: str = shared("data.label", "label")
    task: str = shared("data.task", CLASSIFICATION, is_added=True)
    classes: tuple[str, ...] = shared("data.classes", ())
    distinct_ids: bool = shared("data.distinct_ids", False)
    seed: int = shared("seed", 42)

    def target(self) -> "Task":
        """The task of the label column."""
        return make_task(self.task, {"classes": self.classes})

    def question(self) -> "TableQuery":
        """How the label table is read."""
        from oceanpath.artifacts.cohort.table import TableQuery  # only needed where a table is read

        return TableQuery(
            slide_id=self.slide_id,
            patient_id=self.patient_id,
            label=self.label,
            one_slide_per_patient=self.one_slide_per_patient,
            target=self.target(),
            distinct_ids=self.distinct_ids,
            encoding=self.encoding,
            sheet=self.sheet,
        )
