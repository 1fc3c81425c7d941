"""What several stages share: the tables `[data]` and `[runtime]`, and where the features of a cohort are."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from oceanpath.errors import ExperimentError
from oceanpath.settings import Settings


class DataSettings(Settings):
    """`[data]`: where the cohort lies and what the columns of its table are called."""

    root: Path | None = None
    """Folder that relative paths of this table are meant from, instead of the experiment file's own."""
    slides: Path | None = None
    """Folder of whole-slide images."""
    features: Path | None = None
    """Folder of ready patch features, instead of slides."""
    labels: Path | None = None
    """csv, tsv or parquet with one row a slide."""
    slide_id: str = "slide_id"
    patient_id: str = "patient_id"
    one_slide_per_patient: bool = False
    """States that the cohort has no patient column because every slide is another patient."""
    label: str = "label"
    classes: tuple[str, ...] = ()
    """Class names in order; for two classes the second is the positive one."""
    allow_missing: bool = False
    """Go on without slides that lack a label, a patient or features; they are listed all the same."""

    @field_validator("classes", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        """Labels are compared as text: ``classes = [0, 1]`` means "0" and "1"."""
        return [str(name) for name in value] if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.slides is not None and self.features is not None:
            raise ValueError("slides and features are both set; features are made from slides, so set one of them")
        if len(set(self.classes)) != len(self.classes) or len(self.classes) == 1:
            raise ValueError("classes must name two or more different labels")
        return self


class RuntimeSettings(Settings):
    """`[runtime]`: how fast and where, never what."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    workers: int = Field(2, ge=0)
    """Threads or processes that read beside the computation."""
    placement: Literal["auto", "mmap", "ram", "gpu"] = "auto"
    """Where the store's bags wait: in its files, in memory, or on the GPU; ``auto``: the GPU where it is small."""
    executor: Literal["local"] = "local"
    verify: bool = True
    """Compare what a step reads with the digests under which it was published; a bag of the store when first read."""


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
