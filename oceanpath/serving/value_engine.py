"""Inference with a model that predicts values: the features of a slide → survival, a number, several labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import Bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.errors import ArtifactError
from oceanpath.serving.slide_engine import SlideEngine, SlidePrediction


@dataclass(frozen=True, kw_only=True)
class ValuePrediction(SlidePrediction):
    """The prediction for one slide."""

    columns: tuple[str, ...]
    values: NDArray[np.float64]
    """[K], in the order of the columns, on the scale of the labels."""
    members: NDArray[np.float64]
    """[M, K]: the values of each member, as evaluated."""
    decisions: dict[str, str]
    """Column → decision at its cut-off; without columns that have none."""

    def by_column(self) -> dict[str, float]:
        """Column → value, in order."""
        return dict(zip(self.columns, map(float, self.values), strict=True))


class ValueEngine(SlideEngine[ValueFacts, ValuePrediction]):
    """A model of a task without classes."""

    outputs = ("values", "attention", "member_values")
    tensor_dtype = np.float64
    number = ".4g"
    golden_is_relative = True

    def accept(self, bundle: Bundle) -> ValueFacts:
        """Raises: ArtifactError: the model predicts no values."""
        if not isinstance(bundle.facts, ValueFacts):
            raise ArtifactError("the model of this bundle predicts no values", where=bundle.path)
        return bundle.facts

    def interpret(self, outputs: list[NDArray[Any]], shared: dict[str, Any]) -> ValuePrediction:
        """The values, and the decisions about those that have a cut-off."""
        values, _, members = outputs
        columns, decisions = tuple(self.facts.names), self._decide(values)
        return ValuePrediction(columns=columns, values=values, members=members, decisions=decisions, **shared)

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the task."""
        return self.facts.names

    @property
    def folds(self) -> Sequence[int]:
        """The fold of each member."""
        return [member.fold for member in self.facts.members]

    def describe(self, prediction: ValuePrediction) -> dict[str, Any]:
        """See `oceanpath.serving.value_responses.ValueAnswer`."""
        cutoffs = {each.column: each.value for each in self.facts.decisions}
        decisions = prediction.decisions.items()
        return {
            "values": prediction.by_column(),
            "decisions": {name: {"decision": decision, "cutoff": cutoffs[name]} for name, decision in decisions},
        }

    def audited(self, prediction: ValuePrediction) -> dict[str, Any]:
        """The values and the decisions."""
        return {"values": prediction.by_column(), "decisions": prediction.decisions}

    def decisions(self, prediction: ValuePrediction) -> dict[str, str]:
        """The decision about every value with a cut-off."""
        return {f"decision_{name}": decision for name, decision in prediction.decisions.items()}

    def _decide(self, values: NDArray[np.float64]) -> dict[str, str]:
        names = self.facts.names
        return {
            each.column: each.above if float(values[names.index(each.column)]) >= each.value else each.below
            for each in self.facts.decisions
            if each.value is not None
        }
