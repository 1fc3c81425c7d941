"""The `[audit]` table."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from oceanpath.artifacts.audit_report import CHECKS, LEAKS
from oceanpath.settings import outside, runtime, shared
from oceanpath.stages.tables import SlideList

if TYPE_CHECKING:
    from oceanpath.artifacts.cohort.table import TableQuery


class AuditSettings(SlideList):
    """Checks of the cohort and its folds for leaks between roles and for shortcuts to the label."""

    gate: tuple[str, ...] = runtime(LEAKS)
    """Checks with which the command ends with exit code 6 if they find something."""
    columns: tuple[str, ...] = ()
    """Columns of the label table that must not predict the label, such as the scanner."""
    similarity: float = Field(0.99, gt=0, le=1)
    """Smallest cosine of the standardised mean features of near-duplicates."""
    shared_patches: float = Field(0.05, gt=0, le=1)
    """Smallest share of patches that near-duplicates have in common."""
    margin: float = Field(0.1, ge=0, lt=1)
    """Smallest difference from chance, in the main metric or in accuracy, that is a finding."""
    smallest_robustness: float = Field(0.5, ge=0, le=1)
    """A smaller robustness index is a finding."""
    shuffles: int = Field(10, ge=2)
    """Number of times that labels are shuffled."""
    resamples: int = Field(1000, ge=100)
    """Number of resamples of the patients for every interval."""
    seed: int = shared("seed", 42, ge=0)
    labels: Path | None = outside("data.labels")
    pretrained: Path | None = outside("train.aggregator_weights")

    @field_validator("gate")
    @classmethod
    def _names_checks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(value) - set(CHECKS)):
            raise ValueError(f"gate names unknown checks: {', '.join(unknown)}; known: {', '.join(CHECKS)}")
        return value

    def question(self) -> "TableQuery":
        """How `columns` are read from the label table."""
        from oceanpath.artifacts.cohort.table import TableQuery  # needed only to read a table

        return TableQuery(slide_id=self.slide_id, encoding=self.encoding, sheet=self.sheet, columns=self.columns)
