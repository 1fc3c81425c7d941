"""The `[split]` table."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from oceanpath.settings import Settings, outside, shared


class SplitSettings(Settings):
    """Who trains, who validates, who is tested. Patients are never divided."""

    scheme: Literal["kfold", "holdout"] = "kfold"
    folds: int = Field(5, ge=2)
    """Number of folds of `kfold`."""
    test_fraction: float = Field(0.2, gt=0, lt=1)
    """Share of each class's patients that `holdout` tests."""
    val_fraction: float = Field(0.2, gt=0, lt=1)
    """Share of each class's remaining patients that validate: they alone choose epoch, checkpoint and threshold."""
    labels: Path | None = outside("data.labels")
    slide_id: str = shared("data.slide_id", "slide_id")
    patient_id: str = shared("data.patient_id", "patient_id")
    one_slide_per_patient: bool = shared("data.one_slide_per_patient", False)
    label: str = shared("data.label", "label")
    classes: tuple[str, ...] = shared("data.classes", ())
    allow_missing: bool = shared("data.allow_missing", False)
    seed: int = shared("seed", 42)
