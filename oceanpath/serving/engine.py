"""Inference with a classifier: the features of a slide → probabilities of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import Bundle, BundleFacts, as_classifier
from oceanpath.serving.slide_engine import SlideEngine, SlidePrediction
from oceanpath.tasks.probabilities import prob_columns


@dataclass(frozen=True, kw_only=True)
class Prediction(SlidePrediction):
    """The prediction for one slide."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    """[C], in class order; sums to 1."""
    members: NDArray[np.float32]
    """[M, C]: probabilities of each member before temperature scaling, as evaluated."""
    predicted: str
    """The class with the largest probability."""
    decision: str | None
    """The class according to the bundle's threshold; None if there is none."""

    def by_label(self) -> dict[str, float]:
        """Class → probability, in class order."""
        return dict(zip(self.classes, map(float, self.probabilities), strict=True))


class Engine(SlideEngine[BundleFacts, Prediction]):
    """A classifier."""

    outputs = ("probabilities", "attention", "member_logits")
    number = ".3f"

    def accept(self, bundle: Bundle) -> BundleFacts:
        """Raises: ArtifactError: the model is no classifier."""
        return as_classifier(bundle.facts, bundle.path)

    def interpret(self, outputs: list[NDArray[Any]], shared: dict[str, Any]) -> Prediction:
        """Probabilities, the largest of them, and the decision at the threshold."""
        probabilities, _, logits = outputs
        classes = tuple(self.facts.classes)
        return Prediction(
            classes=classes,
            probabilities=probabilities,
            members=_softmax(logits),
            predicted=classes[int(probabilities.argmax())],
            decision=self._decide(probabilities),
            **shared,
        )

    @property
    def columns(self) -> Sequence[str]:
        """prob_<class>, in class order."""
        return prob_columns(self.facts.classes)

    @property
    def labels(self) -> Sequence[str]:
        """The classes."""
        return self.facts.classes

    @property
    def folds(self) -> Sequence[int]:
        """The fold of each member."""
        return [member.fold for member in self.facts.members]

    def describe(self, prediction: Prediction) -> dict[str, Any]:
        """See `oceanpath.serving.responses.Answer`."""
        return {
            "predicted": prediction.predicted,
            "probabilities": prediction.by_label(),
            "decision": prediction.decision,
            "threshold": self.facts.threshold.value,
        }

    def audited(self, prediction: Prediction) -> dict[str, Any]:
        """The class, the decision and the probabilities."""
        answer = {"predicted": prediction.predicted, "decision": prediction.decision}
        return {**answer, "probabilities": prediction.by_label()}

    def decisions(self, prediction: Prediction) -> dict[str, str]:
        """The predicted class and, of a model with a threshold, the decision."""
        decision = {} if prediction.decision is None else {"decision": prediction.decision}
        return {"predicted": prediction.predicted, **decision}

    def explained(self, prediction: Prediction) -> tuple[str, NDArray[np.float64]]:
        """Two classes: the log odds of the second one. More: the logit of the predicted class minus the mean others."""
        classes = self.facts.classes
        if len(classes) == 2:
            return f"log odds of {classes[1]}", np.array([-1.0, 1.0])
        is_top = np.array([name == prediction.predicted for name in classes])
        others = len(classes) - 1
        return f"logit of {prediction.predicted} against the other classes", np.where(is_top, 1.0, -1.0 / others)

    def _decide(self, probabilities: NDArray[np.float32]) -> str | None:
        threshold, classes = self.facts.threshold, self.facts.classes
        if threshold.value is None or threshold.positive is None:
            return None
        positive = classes.index(threshold.positive)
        # only models of two classes have a threshold
        return classes[positive] if float(probabilities[positive]) >= threshold.value else classes[1 - positive]


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return probabilities
