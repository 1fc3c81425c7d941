"""Settings shared by several stages: the tables `[data]` and `[runtime]`, and the folder of a cohort's features."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from oceanpath.artifacts.cohort.ids import normal
from oceanpath.artifacts.cohort.patient_rule import PatientRule
from oceanpath.artifacts.left_out import LeftOut
from oceanpath.errors import ExperimentError
from oceanpath.settings import Settings, shared
from oceanpath.tasks.registry import CLASSIFICATION, task_entry, task_keys

if TYPE_CHECKING:
    from oceanpath.artifacts.cohort.table import TableQuery


CLASS_COUNTS = {"binary": "two", "multiclass": "three or more", "ordinal": "three or more"}
"""Tasks that need a number of classes."""


class ExternalCohort(Settings):
    """An external test cohort: its name, and the keys of `[data]` that differ from those of the training cohort.

    Keys that are not set have the values of `[data]`.
    """

    name: str
    """Name of the cohort in results and folders."""
    root: Path | None = None
    """Folder to which relative paths of the cohort refer; default: that of `[data]`."""
    slides: Path | None = None
    """Folder of whole-slide images."""
    features: Path | None = None
    """Folder of precomputed patch features, instead of `slides`."""
    store: str | None = None
    """Address of a store in object storage, instead of `slides` or `features`."""
    features_key: str | None = None
    """Name of the array of features, if feature files contain several."""
    labels: Path | None = None
    """Table of labels."""
    slide_id: str | None = None
    """Column with slide ids."""
    patient_id: str | None = None
    """Column with patient ids."""
    one_slide_per_patient: bool | None = None
    """Whether every slide belongs to a different patient."""
    patient_rule: PatientRule | None = None
    """How the patient is read from the slide id."""
    label: str | None = None
    """Column with labels, whose values are those of the training cohort."""
    time: str | None = None
    """Column with the times of survival, in the unit of the training cohort."""
    event: str | None = None
    """Column that states whether the event happened at that time."""
    event_value: str | None = None
    """Value of `event` which means that the event happened."""
    allow_missing: bool | None = None
    """Whether to leave out, and list, slides that fail or lack a label, a patient or features."""
    distinct_ids: bool | None = None
    """Whether similar ids belong to different slides or patients."""
    match_ids: str | None = None
    """Regular expression for ids."""
    encoding: str | None = None
    """Encoding of a text table."""
    sheet: str | None = None
    """Name of the sheet of a workbook."""

    @model_validator(mode="after")
    def _has_slides_or_features(self) -> Self:
        if [self.slides, self.features, self.store].count(None) != 2:
            raise ValueError("an external cohort needs features, slides or store, and only one of them")
        return self


PATIENT_KEYS = {"patient_id", "one_slide_per_patient", "patient_rule"}
"""Keys that state the patient of a slide; a cohort that sets one of them inherits none."""


def dropped_keys(own: Collection[str]) -> set[str]:
    """Keys of `[data]` that do not apply to an external cohort that sets the keys `own`."""
    dropped = {"slides", "features", "store", "features_key", "site", "site_rule"}
    for keys, others in ((PATIENT_KEYS, PATIENT_KEYS), ({"labels"}, {"encoding", "sheet"})):
        dropped |= set() if keys.isdisjoint(own) else others
    return dropped


class DataSettings(Settings):
    """Slides or features of the cohort, its label table, and the names of the table's columns."""

    root: Path | None = None
    """Folder to which relative paths of this table refer; default: the folder of the experiment file."""
    slides: Path | None = None
    """Folder of whole-slide images."""
    features: Path | None = None
    """Folder of precomputed patch features, instead of `slides`."""
    store: str = ""
    """Address of a store in object storage, such as s3://bucket/cohort, instead of `slides` or `features`."""
    features_key: str = ""
    """Name of the array of features, such as "20x/features", if feature files contain several."""
    level: Literal["patch", "slide"] = "patch"
    """patch: feature files have one row per patch; slide: one embedding of the slide, [D] or [1, D], as of TITAN."""
    bag: Literal["slide", "patient"] = "slide"
    """Unit of training, prediction and metrics. slide: the patches of one slide; patient: those of all slides of a
    patient together, whose labels must agree."""
    labels: Path | None = None
    """Table of labels: csv, tsv, parquet or xlsx, one row per slide; only an empty cell means a missing value."""
    slide_id: str = "slide_id"
    """Column with slide ids: file names without their suffix."""
    patient_id: str = "patient_id"
    """Column with patient ids; all slides of a patient are in the same fold."""
    one_slide_per_patient: bool = False
    """Whether every slide belongs to a different patient; the table then needs no patient column."""
    patient_rule: PatientRule = ""
    """How the patient is read from the slide id, instead of `patient_id`: tcga_barcode, its first 12 characters; slide,
    every slide is of another patient. The table then needs no patient column, and pretraining no table."""
    label: str = "label"
    """Column with labels, for classification the class of each slide."""
    task: str = CLASSIFICATION
    """Prediction task: binary or multiclass (classification, the number of classes decides if the key is not set),
    ordinal (classes in their order, such as grades), multilabel (several binary columns), survival, regression, or a
    task that an installed package adds."""
    classes: tuple[str, ...] = ()
    """Names of the classes, in order; of two, the second is the positive class."""
    clinical: tuple[str, ...] = ()
    """Columns of the label table, such as age and stage, of which `eval` fits a baseline without the slides."""
    targets: tuple[str, ...] = ()
    """Columns of the task multilabel, each with the values 1 and 0; a cell is empty if the label is unknown."""
    positive: str = ""
    """Value which means that a label of `targets` is present, if the columns are not coded by 1 and 0."""
    time: str = ""
    """Column with the times of survival: to the event, or to the last observation without it."""
    event: str = ""
    """Column that states whether the event happened at that time."""
    event_value: str = ""
    """Value of `event` which means that the event happened; other tables use 1, 0 or a word for it."""
    time_unit: str = Field("", json_schema_extra={"examples": ["months", "days", "years"]})
    """Unit of `time`, for figures and reports."""
    zero_time: Literal["error", "drop"] = "error"
    """Slides with a time of zero: an error, or left out and counted (drop)."""
    horizons: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """Times at which survival is predicted, such as [12, 36, 60]; default: nine quantiles of the times of events."""
    site: str = ""
    """Column with the site, such as the hospital, for site-preserved folds and the site figures of the evaluation."""
    site_rule: Literal["", "tcga_barcode"] = ""
    """How the site is read from the patient id, instead of `site`: tcga_barcode, the tissue source site of TCGA."""
    allow_missing: bool = False
    """Whether to leave out, and list, slides that fail or lack a label, a patient or features. Default: an error."""
    distinct_ids: bool = False
    """Whether similar ids, such as P01 and p01, belong to different slides or patients. Default: an error."""
    match_ids: str = ""
    """Regular expression for ids; its match, or its first group, is compared instead of the whole id."""
    encoding: str = ""
    """Encoding of a text table if it is neither Unicode nor Western European, such as gbk, cp1251 or shift_jis."""
    sheet: str = ""
    """Name of the sheet, for a workbook with several sheets."""
    external: tuple[ExternalCohort, ...] | None = None
    """External test cohorts, as tables `[[data.external]]`; see docs/external.md."""

    @field_validator("classes", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Labels are compared as text: ``classes = [0, 1]`` means "0" and "1"."""
        return [normal(str(name)) for name in value] if isinstance(value, (list, tuple)) else value

    @field_validator("event_value", "positive", mode="before")
    @classmethod
    def _value_as_text(cls, value: object) -> object:
        """Cells are compared as text: ``event_value = 0`` means "0"."""
        return normal(str(value)) if isinstance(value, (int, float)) else value

    @field_validator("horizons")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("horizons must rise")
        return value

    @field_validator("match_ids")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"match_ids is not a regular expression: {error}") from error
        return value

    @model_validator(mode="before")
    @classmethod
    def _counts_its_classes(cls, values: Any) -> Any:
        """Binary and multiclass are names of classification."""
        if not isinstance(values, dict) or values.get("task") not in CLASS_COUNTS:
            return values
        task, count = values["task"], len(values.get("classes", ()))
        if count and (count == 2) != (task == "binary"):
            raise ValueError(f"the task {task} needs {CLASS_COUNTS[task]} classes; data.classes has {count}")
        return values if task == "ordinal" else values | {"task": CLASSIFICATION}

    @model_validator(mode="after")
    def _has_patches_in_bags_of_patients(self) -> Self:
        if self.bag == "patient" and self.level == "slide":
            raise ValueError('bag = "patient" joins patches; with level = "slide" there is one embedding per slide')
        return self

    @model_validator(mode="after")
    def _has_a_known_task(self) -> Self:
        try:
            entry = task_entry(self.task)
        except ExperimentError as error:
            raise ValueError(f"unknown task {self.task!r}; known: {error.expected}. {error.do}".strip()) from error
        if unread := self.model_fields_set & (task_keys() - set(entry.keys)):
            raise ValueError(f"{', '.join(sorted(unread))}: not a key of the task {self.task}")
        if missing := [key for key in entry.required if not getattr(self, key)]:
            names = " and ".join(
                [", ".join(f"data.{key}" for key in missing[:-1])] * bool(missing[:-1]) + [f"data.{missing[-1]}"]
            )
            raise ValueError(f"the task {self.task} needs {names}")
        if not entry.reads_label and "label" in self.model_fields_set:
            raise ValueError(f"label: not a key of the task {self.task}")
        return self

    def keys_not_allowed(self) -> set[str]:
        """Keys of other tasks."""
        entry = task_entry(self.task)
        return (task_keys() - set(entry.keys)) | (set() if entry.reads_label else {"label"})

    @property
    def class_count(self) -> int:
        """Number of classes; 0 if they are not set."""
        return len(self.classes)

    @property
    def target_keys(self) -> dict[str, Any]:
        """The keys of the task that are set, without the classes."""
        keys = [key for key in task_entry(self.task).keys if key != "classes" and key in self.model_fields_set]
        return {key: getattr(self, key) for key in keys}

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.slides is not None and self.features is not None:
            raise ValueError(
                "slides and features are both set; features are extracted from slides, so set only one of them"
            )
        if self.level == "slide" and (self.slides is not None or self.store):
            raise ValueError('level = "slide" is set next to slides or store; embeddings are read from data.features')
        if self.store and (self.slides is not None or self.features is not None):
            raise ValueError("store is set next to slides or features; a store contains features, so set only one")
        if self.site and self.site_rule:
            raise ValueError("site and site_rule are both set; set one of them")
        if self.patient_rule and self.one_slide_per_patient:
            raise ValueError("patient_rule and one_slide_per_patient are both set; set one of them")
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("targets must name different columns")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError("classes must name two or more different labels")
        return self


class SlideList(Settings):
    """The keys of `[data]` by which a stage reads the slides of the label table."""

    slide_id: str = shared("data.slide_id", "slide_id")
    match_ids: str = shared("data.match_ids", "")
    encoding: str = shared("data.encoding", "")
    sheet: str = shared("data.sheet", "")
    allow_missing: bool = shared("data.allow_missing", False)

    def question(self) -> "TableQuery":
        """How the label table is read."""
        from oceanpath.artifacts.cohort.table import TableQuery  # needed only to read a table

        return TableQuery(slide_id=self.slide_id, encoding=self.encoding, sheet=self.sheet)


class Expected(NamedTuple):
    """The slides that a stage is expected to publish: features, or a store of them."""

    slides: frozenset[str]
    left_out: LeftOut = LeftOut()


class ExpectedSlides(NamedTuple):
    """The slides with a role in the folds that `split` is expected to publish."""

    patients: Mapping[str, str]
    """Slide → patient."""
    absent: tuple[str, ...] = ()
    """Classes without a slide."""


class RuntimeSettings(Settings):
    """Device and processes. None of these keys changes a result."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    """Device of computations: auto (a GPU if there is one), cpu, cuda, cuda:0 or mps."""
    workers: int = Field(2, ge=0)
    """Number of threads or processes that read data while the device computes."""
    placement: Literal["auto", "mmap", "ram", "gpu"] = "auto"
    """Location of the store's bags: in its files, in memory or on the GPU; auto: on the GPU if they fit."""
    executor: str = "auto"
    """Executor of steps and parts: inline (this process), local (processes of this machine), slurm (a cluster) or auto
    (inline or local, by `--jobs`)."""
    slurm: dict[str, Any] = Field(default_factory=dict)
    """Options of the executor slurm, such as partition and time; a table inside it applies to one stage."""
    verify: bool = True
    """Whether to compare everything that a step reads with its published digest; bags of the store on first use."""


def features_to_read(extracted: Path | None, given: Path | None) -> Path:
    """The folder of features that `extract` published, or `data.features`.

    Raises: ExperimentError: there is none, or both exist.
    """
    if extracted is not None and given is not None:
        raise ExperimentError("features come from both [extract] and data.features", do="Keep one of the two.")
    features = extracted or given
    if features is None:
        do = "Set data.features, or data.slides to extract features, with --set or in the experiment file."
        raise ExperimentError("there are neither slides nor features", where="[data]", do=do)
    return features
