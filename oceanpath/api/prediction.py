"""Predictions of an exported model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oceanpath.api.feature_files import Features, as_slide
from oceanpath.api.html import html_table
from oceanpath.artifacts.bundle.folder import BundleFacts
from oceanpath.serving.contract import require_single_slides
from oceanpath.serving.engine import Engine
from oceanpath.serving.offline import find_bundle

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class SlidePrediction:
    """The prediction for one slide."""

    slide_id: str
    """"" if unknown."""
    probabilities: Mapping[str, float]
    """Label → probability, in the order of the model; they sum to 1."""
    predicted: str
    """The label with the largest probability."""
    decision: str | None
    """The label at the threshold of the model; None if it has none."""
    attention: NDArray[np.float32]
    """[N], non-negative, sums to 1, in the order of the patches; 0 for patches that the model's cap excludes."""
    in_training: bool
    """Whether the slide was part of the training cohort."""
    ood_score: float | None = None
    """Mahalanobis distance from the training slides; None if the model has no statistics of them."""
    is_ood: bool | None = None
    """Whether the slide is unlike the training slides; None if this is not known."""
    notes: tuple[str, ...] = ()
    """What the features did not state, and which patches were not used."""

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} {value:.3f}" for name, value in self.probabilities.items())
        return f"SlidePrediction({self.slide_id!r}, {listed})"

    def _repr_html_(self) -> str:
        title = f"Prediction of {self.slide_id or 'a slide'}: {self.decision or self.predicted}"
        return html_table(title, ("label", "probability"), self.probabilities.items())


class Model:
    """An exported ensemble; predictions equal those of `oceanpath predict` and `oceanpath serve`. Thread-safe."""

    def __init__(self, path: str | PathLike[str], threads: int | None = None) -> None:
        """Verify and load a bundle; see `load_bundle`."""
        self.path = find_bundle(Path(path))
        self._engine = Engine.load(self.path, threads)
        require_single_slides(self._engine.facts.contract, self.path)

    @property
    def facts(self) -> BundleFacts:
        """The contents of bundle.json: labels, the contract of features, threshold, versions."""
        return self._engine.facts

    def predict(
        self,
        features: str | PathLike[str] | Features | NDArray[np.floating],
        coords: NDArray[np.integer] | None = None,
        slide_id: str = "",
    ) -> SlidePrediction:
        """The prediction for one slide.

        Args:
            features: A feature file, the result of `read_features`, or an array [N, D]; [D] for slide embeddings.
            coords: [N, 2] level-0 pixels for an array, if known; the model states whether they are required.
            slide_id: Id of the slide for an array; it selects the sample of patches if there are more than the cap.

        Raises: RequestError: the features do not meet the contract of the model. ArtifactError: a file is damaged.
        """
        slide = as_slide(features, coords, slide_id, self.facts.contract.level)
        found = self._engine.predict(slide.features, slide.coords, slide.provenance)
        unlike = found.similarity
        return SlidePrediction(
            slide.slide_id,
            found.by_label(),
            found.predicted,
            found.decision,
            found.attention,
            found.in_training,
            None if unlike is None else unlike.ood_score,
            None if unlike is None else unlike.is_ood,
            found.notes,
        )

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r})"

    def _repr_html_(self) -> str:
        rows = [(name, value) for name, value in vars(self.facts.contract).items() if value is not None]
        return html_table(f"Model {self.path}", ("contract", ""), rows)


def load_bundle(path: str | PathLike[str], threads: int | None = None) -> Model:
    """The model of a bundle of a classifier, verified; `ValueModel` opens those of other tasks.

        >>> import numpy as np
        >>> import oceanpath as op
        >>> model = op.load_bundle("bundle")
        >>> features = np.zeros((5, model.facts.contract.feature_dim), np.float32)
        >>> round(sum(model.predict(features).probabilities.values()), 4)
        1.0

    Args:
        path: Folder of the bundle, or the folder of an experiment's results.
        threads: Threads of one prediction; default: all available cores.

    Raises:
        ExperimentError: there is no bundle, or it predicts patients.
        ArtifactError: it is damaged, or does not reproduce its reference prediction on this machine.
    """
    return Model(path, threads)
