"""The `[split]` table."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings, outside, shared


class SplitSettings(Settings):
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
    slide_id: str = shared("data.slide_id", "slide_id")
    patient_id: str = shared("data.patient_id", "patient_id")
    one_slide_per_patient: bool = shared("data.one_slide_per_patient", False)
    label: str = shared("data.label", "label")
    classes: tuple[str, ...] = shared("data.classes", ())
    allow_missing: bool = shared("data.allow_missing", False)
    seed: int = shared("seed", 42)
