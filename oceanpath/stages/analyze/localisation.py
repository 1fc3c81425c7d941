"""Comparison of patch scores with known regions: one AUROC of patches per slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from oceanpath.slides.patch_geometry import known_geometry
from oceanpath.stages.analyze.explained import ExplainedSlide
from oceanpath.stages.analyze.regions import Regions
from oceanpath.stats.clustered_mean import UNIT, clustered_mean
from oceanpath.stats.rank_area import rank_area


class Located(NamedTuple):
    """The AUROC of each score of one slide."""

    slide_id: str
    patient_id: str
    areas: dict[str, float]


def locate(slide: ExplainedSlide, regions: Regions | None) -> Located | None:
    """The AUROC of attention and contributions for patches in the regions of the slide, toward its label.

    None without regions or coordinates, or if the slide has no patch inside or none outside.
    """
    if regions is None or slide.coords is None:
        return None
    geometry = known_geometry(slide.slide, slide.meta, slide.known_side)
    if geometry is None:
        return None
    label, inside = str(slide.row["label"]), regions.contain(slide.coords, geometry)
    known = inside >= 0
    scores = {"attention": slide.explanation.attention.astype(np.float64)}
    if slide.explanation.contributions is not None:
        scores["contribution"] = toward(label, slide) * slide.explanation.contributions
    areas = {name: rank_area(inside[known] == 1, values[known]) for name, values in scores.items() if known.any()}
    found = {name: area for name, area in areas.items() if area is not None}
    return Located(slide.slide_id, str(slide.row["patient_id"]), found) if found else None


def toward(label: str, slide: ExplainedSlide) -> float:
    """-1 if a larger explained score is evidence against `label`, otherwise 1."""
    outputs = slide.explainer.objective.outputs
    against = label in outputs and slide.explanation.explained.weights[outputs.index(label)] < 0
    return -1.0 if against else 1.0


def summarise(located: Sequence[Located], confidence: float) -> dict[str, Any]:
    """The block "localisation" of analysis.json: the mean AUROC over slides of each score, with its interval."""
    patients = pd.factorize(pd.Series([one.patient_id for one in located]))[0].astype(np.int64)
    names = located[0].areas
    areas = {name: np.array([one.areas[name] for one in located]) for name in names}
    means = {name: clustered_mean(values, patients, confidence, UNIT).record() for name, values in areas.items()}
    return {"slides": {one.slide_id: one.areas for one in located}, "area": means}


def describe(block: Mapping[str, Any]) -> str:
    """One line for the screen."""
    parts = [f"{name} {found['value']:.3f}" for name, found in block["area"].items()]
    areas = f"area under the ROC curve of patches by {', '.join(parts)}"
    return f"known regions: {areas}, mean of {len(block['slides'])} slides"
