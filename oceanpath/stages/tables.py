"""What several stages share: the tables `[data]` and `[runtime]`, and where the features of a cohort are."""

import re
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, field_validator, model_validator

from oceanpath.artifacts.cohort_table import Question
from oceanpath.artifacts.ids import normal
from oceanpath.artifacts.left_out import LeftOut
from oceanpath.errors import ExperimentError
from oceanpath.settings import Settings, shared


class DataSettings(Settings):
    """`[data]`: where the cohort lies and what the columns of its table are called."""

    root: Path | None = None
    """Folder that relative paths of this table are meant from, instead of the experiment file's own."""
    slides: Path | None = None
    """Folder of whole-slide images."""
    features: Path | None = None
    """Folder of ready patch features, instead of slides."""
    labels: Path | None = None
    """csv, tsv, parquet or xlsx with one row per slide; a missing value is an empty cell, and words are words."""
    slide_id: str = "slide_id"
    patient_id: str = "patient_id"
    one_slide_per_patient: bool = False
    """States that the cohort has no patient column because every slide is another patient."""
    label: str = "label"
    classes: tuple[str, ...] = ()
    """Class names in order; for two classes the second is the positive one."""
    allow_missing: bool = False
    """Continue without slides that lack a label, a patient or features, or that fail; they are counted and listed."""
    distinct_ids: bool = False
    """States that ids which look alike, such as P01 and p01, are different slides and patients."""
    match_ids: str = ""
    """Regular expression: what it matches of an id, or its first group, is compared with that of a file's name."""
    encoding: str = ""
    """Encoding of a table that is not Unicode and not Western, such as gbk, cp1251 or shift_jis."""
    sheet: str = ""
    """Sheet of a workbook that has several."""

    @field_validator("classes", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Labels are compared as text: ``classes = [0, 1]`` means "0" and "1"."""
        return [normal(str(name)) for name in value] if isinstance(value, (list, tuple)) else value

    @field_validator("match_ids")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"match_ids is no regular expression: {error}") from error
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.slides is not None and self.features is not None:
            raise ValueError("slides and features are both set; features are made from slides, so set one of them")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError("classes must name two or more different labels")
        return self


class SlideList(Settings):
    """What a stage reads of `[data]` to know the slides of the label table."""

    slide_id: str = shared("data.slide_id", "slide_id")
    match_ids: str = shared("data.match_ids", "")
    encoding: str = shared("data.encoding", "")
    sheet: str = shared("data.sheet", "")
    allow_missing: bool = shared("data.allow_missing", False)

    def question(self) -> Question:
        """What the table is asked for."""
        return Question(slide_id=self.slide_id, encoding=self.encoding, sheet=self.sheet)


class Expected(NamedTuple):
    """What a stage that makes features, or a store of them, is expected to give."""

    slides: frozenset[str]
    left_out: LeftOut = LeftOut()


class RuntimeSettings(Settings):
    """`[runtime]`: how fast and where, never what."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    workers: int = Field(2, ge=0)
    """Threads or processes that read beside the computation."""
    placement: Literal["auto", "mmap", "ram", "gpu"] = "auto"
    """Where the store's bags wait: in its files, in memory, or on the GPU; ``auto``: the GPU where it is small."""
    executor: Literal["local"] = "local"


def features_to_read(extracted: Path | None, given: Path | None) -> Path:
    """The folder of features that `extract` published, or `data.features`.

    Raises: ExperimentError: there is none, or both are there.
    """
    if extracted is not None and given is not None:
        raise ExperimentError("features come from [extract] and from data.features", do="Keep one of the two.")
    found = extracted or given
    if found is None:
        do = "Set data.features, or data.slides to extract them, with --set or in the file."
        raise ExperimentError("there are no slides and no features to start from", where="[data]", do=do)
    return found
