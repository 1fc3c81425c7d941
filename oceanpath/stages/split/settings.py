"""The `[split]` table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from oceanpath.artifacts.cohort.patient_rule import PatientRule
from oceanpath.settings import added, outside, shared
from oceanpath.stages.split.strategies.registry import SCHEME_KEYS, SCHEMES, SchemeName
from oceanpath.stages.tables import SlideList
from oceanpath.tasks.registry import CLASSIFICATION, make_task, task_entry

if TYPE_CHECKING:
    from oceanpath.artifacts.cohort.table import TableQuery
    from oceanpath.tasks.base import Task


class SplitSettings(SlideList):
    """Assignment of patients to training, validation and test sets; all slides of a patient are in the same set."""

    scheme: SchemeName = "kfold"
    """Strategy that chooses the test patients of every fold; see docs/splits.md."""
    folds: int = Field(5, ge=2)
    """Number of folds of kfold, repeated_kfold and site_preserved, and of outer folds of nested."""
    repeats: int = added(10, ge=1)
    """Number of repeats of repeated_kfold, and of draws of mccv and few_shot."""
    inner_folds: int = added(3, ge=2)
    """Number of inner folds of nested; their models form the ensemble of an outer fold."""
    shots: int = added(10, ge=2)
    """Labelled patients per class of few_shot, for training and inner validation together."""
    smallest_site: int = added(1, ge=1)
    """Sites with fewer patients are tested together, as one fold of leave_one_site_out."""
    file: Path | None = outside()
    """Split file of custom: a table with fold and role, a folder of CLAM, a table of Patho-Bench or a plan of nnMIL."""
    test: str = added("")
    """Filter of custom for the test slides, such as ``site == 'A'``; all slides of their patients are tested."""
    val: str = added("")
    """Filter of custom for the inner validation slides; default: drawn from the slides that are not tested."""
    stratify: tuple[str, ...] = added(())
    """Columns of the label table that folds are balanced by, jointly with the label."""
    balance: tuple[str, ...] = added(())
    """Further columns of the label table to count in `balance.csv`."""
    merge: dict[str, tuple[str, ...]] = added({})
    """Joins small classes: ``merge = { other = ["A", "B"] }`` gives slides of A and B the class other."""
    drop: tuple[str, ...] = added(())
    """Classes whose slides are left out; they are listed."""
    test_fraction: float = Field(0.2, gt=0, lt=1)
    """Fraction of each class's patients in a test set of holdout, mccv and few_shot."""
    val_fraction: float = Field(0.2, gt=0, lt=1)
    """Fraction of each class's remaining patients in the inner validation set, which selects epoch and threshold."""
    labels: Path | None = outside("data.labels")
    patient_id: str = shared("data.patient_id", "patient_id")
    one_slide_per_patient: bool = shared("data.one_slide_per_patient", False)
    patient_rule: PatientRule = shared("data.patient_rule", "", is_added=True)
    label: str = shared("data.label", "label")
    task: str = shared("data.task", CLASSIFICATION, is_added=True)
    classes: tuple[str, ...] = shared("data.classes", ())
    target_keys: dict[str, Any] = shared("data.target_keys", {}, is_added=True)
    """Further keys of `[data]` that belong to the task."""
    clinical: tuple[str, ...] = shared("data.clinical", (), is_runtime=True)
    """Only checked here, so that a missing column is reported before any work."""
    site: str = shared("data.site", "", is_added=True)
    site_rule: Literal["", "tcga_barcode"] = shared("data.site_rule", "", is_added=True)
    distinct_ids: bool = shared("data.distinct_ids", False)
    bag: Literal["slide", "patient"] = shared("data.bag", "slide", is_added=True)
    cohort: str = shared("cohort", "", is_added=True)
    """Name of the external cohort, all of whose slides are tested; "": the experiment's own cohort."""
    seed: int = shared("seed", 42)

    @model_validator(mode="after")
    def _has_custom_folds(self) -> Self:
        if self.scheme != "custom" and (self.file or self.test or self.val):
            raise ValueError('file, test and val belong to scheme = "custom"')
        if self.scheme == "custom" and (self.file is None) == (not self.test):
            raise ValueError("the scheme custom needs either a file or a filter test")
        if self.val and not self.test:
            raise ValueError("val needs test: a split file states its own validation set")
        return self

    @model_validator(mode="after")
    def _merges_known_classes(self) -> Self:
        changed = [*self.drop, *(name for names in self.merge.values() for name in names)]
        if changed and "classes" not in task_entry(self.task).keys:
            raise ValueError(f"merge and drop name classes, which the task {self.task} does not have")
        if unknown := sorted(set(changed) - set(self.classes)):
            raise ValueError(f"merge and drop name {', '.join(unknown)}, which data.classes does not contain")
        if twice := sorted({name for name in changed if changed.count(name) > 1}):
            raise ValueError(f"merge and drop name {', '.join(twice)} more than once")
        if taken := sorted(set(self.merge) & (set(self.classes) - set(changed))):
            raise ValueError(f"merge gives the name {', '.join(taken)}, which another class has")
        if changed and len(self._final_classes()) < 2:
            raise ValueError("merge and drop leave fewer than two classes")
        return self

    def _final_classes(self) -> tuple[str, ...]:
        """The classes after `merge` and `drop`; a merged class has the position of its first member."""
        return tuple(dict.fromkeys(self.merged(name) for name in self.classes if name not in self.drop))

    def merged(self, label: str) -> str:
        """The class of a label of the table."""
        return next((name for name, members in self.merge.items() if label in members), label)

    def target(self) -> "Task":
        """The task of the folds."""
        return make_task(self.task, {"classes": self._final_classes(), **self.target_keys})

    def final_target(self, labels: Sequence[str]) -> "Task":
        """The task with everything that the labels determine; those of an external cohort determine nothing."""
        return self.target() if self.cohort else self.target().for_cohort(labels)

    def unread_keys(self) -> list[str]:
        """Keys that are set and that the scheme does not read."""
        return sorted((self.model_fields_set & SCHEME_KEYS) - set(SCHEMES[self.scheme].keys))

    def table_columns(self) -> tuple[str, ...]:
        """Further columns of the label table that are read, each once."""
        from oceanpath.stages.split.filters import RowFilter  # few experiments have filters

        filters = [RowFilter(text, key) for key, text in (("test", self.test), ("val", self.val)) if text]
        in_filters = [name for each in filters for name in each.columns]
        return tuple(
            dict.fromkeys(filter(None, (self.site, *self.stratify, *self.balance, *in_filters, *self._clinical())))
        )

    def _clinical(self) -> tuple[str, ...]:
        """The clinical columns, which an external cohort need not have."""
        return () if self.cohort else self.clinical

    def question(self) -> "TableQuery":
        """How the label table is read."""
        from oceanpath.artifacts.cohort.table import TableQuery  # only needed where a table is read

        task = make_task(self.task, {"classes": self.classes, **self.target_keys})
        return TableQuery(
            slide_id=self.slide_id,
            patient_id=self.patient_id,
            label=self.label,
            one_slide_per_patient=self.one_slide_per_patient or bool(self.patient_rule),
            target=task.of_external_cohort() if self.cohort else task,
            distinct_ids=self.distinct_ids,
            encoding=self.encoding,
            sheet=self.sheet,
            columns=self.table_columns(),
        )
