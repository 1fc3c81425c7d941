"""Inference: the features of a slide → its prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bundle.folder import Bundle, BundleFacts, as_classifier, read_bundle
from oceanpath.artifacts.features.provenance import UNKNOWN, Provenance
from oceanpath.serving.session import Session, Similarity

OUTPUTS = ("probabilities", "attention", "member_logits")
TRAINING_NOTE = (
    "this slide was part of the training cohort, so its prediction does not show the performance on new slides"
)


@dataclass(frozen=True)
class Prediction:
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
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the input; 0 for patches that the cap excludes."""
    n_patches: int
    n_used: int
    """Patches that the model used: fewer if the contract has a cap."""
    in_training: bool
    """Whether the slide was part of the training cohort."""
    similarity: Similarity | None
    """Whether the slide is unlike the training slides; None if the bundle has no statistics of them."""
    notes: tuple[str, ...]
    """What could not be compared with the contract, and which patches were not used."""
    model_digest: str

    def by_label(self) -> dict[str, float]:
        """Class → probability, in class order."""
        return dict(zip(self.classes, map(float, self.probabilities), strict=True))


class Engine:
    """A verified bundle of a classifier, ready for inference. Thread-safe."""

    def __init__(self, bundle: Bundle, threads: int | None = None) -> None:
        """Raises: ArtifactError: the model cannot be run, or is no classifier."""
        self.facts: BundleFacts = as_classifier(bundle.facts, bundle.path)
        self._session = Session(bundle, OUTPUTS, TRAINING_NOTE, threads)
        self._session.test(self.facts.golden.patches, self.facts.golden.probabilities)

    @classmethod
    def load(cls, path: Path, threads: int | None = None) -> Engine:
        """Verify and load the bundle in the folder `path`.

        Args:
            path: The folder of the bundle.
            threads: Threads of one inference; default: all available cores.

        Raises: ArtifactError: the bundle is damaged, or does not reproduce its reference prediction on this machine.
        """
        return cls(read_bundle(path), threads)

    def predict(
        self, features: NDArray[np.floating], coords: NDArray[Any] | None = None, provenance: Provenance = UNKNOWN
    ) -> Prediction:
        """The prediction for one slide, computed as in the evaluation.

        Args:
            features: [N, D], float16, float32 or float64; rounded to the contract's dtype, computed in float32.
            coords: [N, 2] level-0 pixels, if known; the contract states whether they are required.
            provenance: How the features were extracted, as far as known. Its slide id determines the sample of
                patches if there are more than the cap.

        Raises: RequestError: the features do not meet the contract.
        """
        slide = self._session.compute(features, coords, provenance)
        probabilities, _, logits = slide.outputs
        classes = tuple(self.facts.classes)
        return Prediction(
            classes=classes,
            probabilities=probabilities,
            members=_softmax(logits),
            predicted=classes[int(probabilities.argmax())],
            decision=self._decide(probabilities),
            attention=slide.attention,
            n_patches=slide.n_patches,
            n_used=slide.n_used,
            in_training=slide.in_training,
            similarity=slide.similarity,
            notes=slide.notes,
            model_digest=self.facts.digest,
        )

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
