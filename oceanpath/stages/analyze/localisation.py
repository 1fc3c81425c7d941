"""Comparison of patch scores with known regions, for rendered slides (`demo`): one AUROC of patches per slide."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.errors import ArtifactError
from oceanpath.stages.analyze.explained import ExplainedSlide
from oceanpath.stats.clustered_mean import UNIT, clustered_mean
from oceanpath.stats.rank_area import rank_area

Spots = Sequence[Mapping[str, Any]]


class Located(NamedTuple):
    """The AUROC of each score of one slide."""

    slide_id: str
    patient_id: str
    areas: dict[str, float]


def read_truth(demo: Path | None) -> dict[str, Spots]:
    """Slide id → regions in level-0 pixels; empty if the slides were not rendered.

    Raises: ArtifactError: truth.json is damaged.
    """
    if demo is None:
        return {}
    try:
        truth = json.loads((demo / "truth.json").read_text(encoding="utf-8"))
        return {name: slide["spots"] for name, slide in truth.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError("truth.json cannot be read", where=demo, got=error) from error


def locate(slide: ExplainedSlide, spots: Spots) -> Located | None:
    """The AUROC of attention and contributions for patches in regions of the kind of the slide's label.

    None if the slide has no patch inside or none outside.
    """
    if slide.coords is None or slide.meta is None:
        return None
    label = str(slide.row["label"])
    inside = in_regions(slide.coords, slide.meta.footprint, [spot for spot in spots if spot["kind"] == label])
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


def in_regions(coords: NDArray[np.int32], footprint: tuple[float, float], spots: Spots) -> NDArray[np.int64]:
    """[n]: 1 for a patch whose centre is in a region, 0 for one that touches none, -1 for the others."""
    low, size = coords.astype(np.float64), np.asarray(footprint)
    inside, touched = np.zeros(len(coords), bool), np.zeros(len(coords), bool)
    for spot in spots:
        centre = np.array([spot["x"], spot["y"]])
        inside |= np.hypot(*(low + size / 2 - centre).T) <= spot["radius"]
        touched |= np.hypot(*(np.clip(centre, low, low + size) - centre).T) <= spot["radius"]
    return np.where(inside, 1, np.where(touched, -1, 0))


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
