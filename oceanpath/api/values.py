"""Predictions of an exported model without classes: survival, a number, several labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oceanpath.api.feature_files import Features, as_slide
from oceanpath.api.html import html_table
from oceanpath.artifacts.bundle.folder import read_bundle
from oceanpath.artifacts.bundle.value_facts import ValueFacts
from oceanpath.serving.contract import require_single_slides
from oceanpath.serving.offline import find_bundle
from oceanpath.serving.value_engine import ValueEngine

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class SlideValues:
    """The values predicted for one slide."""

    slide_id: str
    """"" if unknown."""
    values: Mapping[str, float]
    """Column → value, on the scale of the labels; `ValueModel.facts.columns` states meaning and unit."""
    decisions: Mapping[str, str]
    """Column → decision, of values with a cut-off."""
    attention: NDArray[np.float32]
    """As of `SlidePrediction`."""
    in_training: bool
    """Whether the slide was part of the training cohort."""
    notes: tuple[str, ...] = ()
    """As of `SlidePrediction`."""

    def __repr__(self) -> str:
        listed = ", ".join(f"{name} {value:.4g}" for name, value in self.values.items())
        return f"SlideValues({self.slide_id!r}, {listed})"

    def _repr_html_(self) -> str:
        return html_table(f"Prediction of {self.slide_id or 'a slide'}", ("value", ""), self.values.items())


class ValueModel:
    """An exported ensemble of a task without classes: survival, regression, several labels. Thread-safe."""

    def __init__(self, path: str | PathLike[str], threads: int | None = None) -> None:
        """Verify and load a bundle.

        Args:
            path: Folder of the bundle, or the folder of an experiment's results.
            threads: Threads of one prediction; default: all available cores.

        Raises: ExperimentError: there is no bundle, or it predicts patients. ArtifactError: it is damaged, predicts no
            values, or does not reproduce its reference prediction on this machine.
        """
        self.path = find_bundle(Path(path))
        self._engine = ValueEngine(read_bundle(self.path), threads)
        require_single_slides(self._engine.facts.contract, self.path)

    @property
    def facts(self) -> ValueFacts:
        """The contents of bundle.json: meaning and unit of the values, the contract of features, cut-offs."""
        return self._engine.facts

    def predict(
        self,
        features: str | PathLike[str] | Features | NDArray[np.floating],
        coords: NDArray[np.integer] | None = None,
        slide_id: str = "",
    ) -> SlideValues:
        """The values of one slide; arguments and errors as of `Model.predict`."""
        slide = as_slide(features, coords, slide_id, self.facts.contract.level)
        found = self._engine.predict(slide.features, slide.coords, slide.provenance)
        return SlideValues(
            slide.slide_id, found.by_column(), found.decisions, found.attention, found.in_training, found.notes
        )

    def __repr__(self) -> str:
        return f"ValueModel({str(self.path)!r})"
