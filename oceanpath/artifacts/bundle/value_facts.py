"""The contents of bundle.json of a model that predicts values: a survival risk, a number, probabilities of labels."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from oceanpath.artifacts.bundle.facts import CohortFacts, EstimateFacts, ExternalFacts, Facts, FinalFacts, ModelFacts


class ColumnFacts(Facts):
    """One predicted value."""

    name: str
    """Its column in tables of predictions."""
    meaning: str
    unit: str = ""
    """Unit of the value; empty if it has none or if it is not known."""


class CutoffFacts(Facts):
    """How a value becomes a decision; `value` is null with a reason if there is no cut-off."""

    column: str
    value: float | None
    above: str
    """The decision at or above the cut-off."""
    below: str
    reason: str
    """How the cut-off was chosen."""


class ValueMember(Facts):
    """The model of one fold."""

    fold: int
    n_val: int
    """Number of its inner validation slides."""


class ValuePerformance(Facts):
    """Out-of-fold estimates; `meaning` states what they estimate."""

    left_out_if_empty = ("decisions",)
    meaning: str
    selected: bool
    main_metric: str
    slide: dict[str, EstimateFacts]
    patient: dict[str, EstimateFacts]
    baselines: dict[str, EstimateFacts]
    """Baseline → its main metric at slide level."""
    decisions: dict[str, EstimateFacts] = Field(default_factory=dict)
    """Sensitivity and specificity of each of several labels on test slides, each at the threshold of its member. Empty,
    and not in the file, for other tasks."""


class GoldenValues(Facts):
    """A known result: the values of `golden_bag(patches, feature_dim)`; coordinates as for `Golden`."""

    patches: int
    values: list[float]


class ValueFacts(ModelFacts):
    """The contents of bundle.json of a model whose prediction is not the class of a slide."""

    output: Literal["values"] = "values"
    task: dict[str, Any]
    """The task, as published files describe it."""
    columns: list[ColumnFacts] = Field(min_length=1)
    decisions: list[CutoffFacts]
    members: list[ValueMember] = Field(min_length=1)
    performance: ValuePerformance
    external: list[ExternalFacts] = Field(default_factory=list)
    cohort: CohortFacts
    final: FinalFacts | None = None
    """As for a classifier."""
    golden: GoldenValues

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [column.name for column in self.columns]
