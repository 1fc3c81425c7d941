"""Inference with a model that predicts values: the features of a slide → survival, a number, several labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import Bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.errors import ArtifactError
from oceanpath.serving.session import Session, Similarity

OUTPUTS = ("values", "attention", "member_values")
TRAINING_NOTE = (
    "this slide was part of the training cohort, so its prediction does not show the performance on new slides"
)


@dataclass(frozen=True)
class ValuePrediction:
    """The prediction for one slide."""

    columns: tuple[str, ...]
    values: NDArray[np.float64]
    """[K], in the order of the columns, on the scale of the labels."""
    members: NDArray[np.float64]
    """[M, K]: the values of each member, as evaluated."""
    decisions: dict[str, str]
    """Column → decision at its cut-off; without columns that have none."""
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the input; 0 for patches that the cap excludes."""
    n_patches: int
    n_used: int
    in_training: bool
    """Whether the slide was part of the training cohort."""
    similarity: Similarity | None
    """Whether the slide is unlike the training slides; None if the bundle has no statistics of them."""
    notes: tuple[str, ...]
    model_digest: str

    def by_column(self) -> dict[str, float]:
        """Column → value, in order."""
        return dict(zip(self.columns, map(float, self.values), strict=True))


class ValueEngine:
    """A verified bundle of a task without classes, ready for inference. Thread-safe."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Raises: ArtifactError: the model cannot be run, or predicts no values."""
        if not isinstance(bundle.facts, ValueFacts):
            raise ArtifactError("the model of this bundle predicts no values", where=bundle.path)
        self.facts: ValueFacts = bundle.facts
        self._session = Session(bundle, OUTPUTS, TRAINING_NOTE, threads)
        self._session.test(self.facts.golden.patches, self.facts.golden.values, relative=True)

    def predict(
        self, features: NDArray[np.floating], coords: NDArray[Any] | None = None, provenance: Provenance = UNKNOWN
    ) -> ValuePrediction:
        """The prediction for one slide; arguments and errors as of `Engine.predict`."""
        slide = self._session.compute(features, coords, provenance)
        values, _, members = slide.outputs
        return ValuePrediction(
            columns=tuple(self.facts.names),
            values=values,
            members=members,
            decisions=self._decide(values),
            attention=slide.attention,
            n_patches=slide.n_patches,
            n_used=slide.n_used,
            in_training=slide.in_training,
            similarity=slide.similarity,
            notes=slide.notes,
            model_digest=self.facts.digest,
        )

    def _decide(self, values: NDArray[np.float64]) -> dict[str, str]:
        names = self.facts.names
        return {
            each.column: each.above if float(values[names.index(each.column)]) >= each.value else each.below
            for each in self.facts.decisions
            if each.value is not None
        }
