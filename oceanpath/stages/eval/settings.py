"""The `[eval]` table."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from oceanpath.file_digests import xxh3_of_file
from oceanpath.settings import added, outside, shared
from oceanpath.stages.tables import SlideList
from oceanpath.tasks.registry import CLASSIFICATION

if TYPE_CHECKING:
    from oceanpath.artifacts.cohort.table import TableQuery


class EvalSettings(SlideList):
    """Test metrics with patient-level intervals and baselines."""

    resamples: int = Field(2000, ge=100)
    """Number of resamples of the patients for every interval."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Confidence level of the intervals."""
    metrics: tuple[str, ...] = added(())
    """Further metrics, ``package.module:function``: called with targets [n] and predictions [n, K], return a number."""
    subgroups: tuple[str, ...] = added(())
    """Columns of the label table, such as the site or the sex, in whose groups the main metric is reported."""
    smallest_group: int = added(20, ge=2)
    """Groups with fewer patients are listed without a metric."""
    cost_ratio: float | None = added(None, gt=0)
    """Cost of a missed positive, in false alarms: adds an operating point with the lowest cost."""
    patient_aggregation: Literal["mean", "max", "noisy_or"] = added("mean")
    """How predictions of a patient's slides are combined at patient level, chosen before results are seen: their mean;
    for two classes or several labels also max, the largest probability, or noisy_or, the probability that at least one
    slide is positive if slides are independent. Thresholds remain those of slides."""
    sealed: bool | Literal["revealed"] = added(False)
    """true: test slides are not predicted, and `eval` only records the analysis plan, until `oceanpath eval --reveal`,
    which is the value "revealed". Needs `split.scheme = "holdout"` or a custom split."""
    task: str = shared("data.task", CLASSIFICATION, is_runtime=True)
    target_keys: dict[str, Any] = shared("data.target_keys", {}, is_runtime=True)
    class_count: int = shared("data.class_count", 0, is_runtime=True)
    bag: str = shared("data.bag", "slide", is_runtime=True)
    scheme: str = shared("split.scheme", "kfold", is_runtime=True)
    margin: float | None = shared("analyze.margin", None, is_added=True)
    seed: int = shared("seed", 42, ge=0)
    clinical: tuple[str, ...] = shared("data.clinical", (), is_added=True)
    labels: Path | None = outside("data.labels")

    @field_validator("metrics")
    @classmethod
    def _are_functions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not all(name.partition(":")) or _source(name) is None:
                raise ValueError(f"{name} names no function of an installed module; expected package.module:function")
        return value

    def plan(self) -> dict[str, Any]:
        """The analysis plan of a sealed test: everything that determines the analysis, but not whether it is sealed."""
        keys = (
            "metrics",
            "clinical",
            "subgroups",
            "smallest_group",
            "cost_ratio",
            "margin",
            "confidence",
            "resamples",
            "seed",
        )
        plan = {key: value for key, value in self.model_dump(mode="json").items() if key in keys}
        is_mean = self.patient_aggregation == "mean"  # plans from before the key existed keep their digest
        return plan if is_mean else plan | {"patient_aggregation": self.patient_aggregation}

    def question(self) -> "TableQuery":
        """How `subgroups` and `clinical` are read from the label table."""
        from oceanpath.artifacts.cohort.table import TableQuery  # needed only to read a table

        columns = tuple(dict.fromkeys((*self.subgroups, *self.clinical)))
        return TableQuery(slide_id=self.slide_id, encoding=self.encoding, sheet=self.sheet, columns=columns)

    def outside_paths(self) -> dict[str, Path]:
        """The label table, only where it is read."""
        return super().outside_paths() if self.subgroups or self.clinical else {}

    def reads_files(self) -> bool:
        """The modules of metrics."""
        return bool(self.metrics)

    def identity(self) -> dict[str, Any]:
        """As for all settings, with the digest of the module of each metric."""
        own = super().identity()
        if not (self.subgroups or self.clinical):  # the label table is not read
            own = {key: value for key, value in own.items() if key not in SlideList.model_fields}
        digests = {name: xxh3_of_file(source) for name in self.metrics if (source := _source(name)) is not None}
        return own | ({"metric_sources": digests} if digests else {})


def _source(metric: str) -> Path | None:
    """The file of the module of a metric; None if there is no such module."""
    try:
        spec = importlib.util.find_spec(metric.partition(":")[0])
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
