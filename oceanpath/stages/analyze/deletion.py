"""Deletion and insertion curves: predictions for a slide without its highest-ranked patches, or only with them.

Petsiuk, Das and Saenko 2018 (RISE); for bags of patches Hense et al. 2024 (xMIL). Patches are removed from the bag, so
every prediction is that of a smaller slide. A map that ranks patches by their effect has a deletion curve that falls
faster, and an insertion curve that rises faster, than that of a random order.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oceanpath.figures.deletion import Curve, draw_deletion
from oceanpath.stages.analyze.explained import ExplainedSlide
from oceanpath.stats.clustered_mean import clustered_mean

FIGURE = "deletion.png"
REMOVED = np.arange(10) / 10
"""Fractions of the patches that are removed."""
RANDOM_ORDERS = 3
KINDS = ("deletion", "insertion")
Floats = NDArray[np.float64]


class SlideCurves(NamedTuple):
    """Curves of one slide: the explained score, positive in the direction of its prediction."""

    slide_id: str
    patient_id: str
    order: str
    """The score that ranks the patches."""
    ordered: Floats
    """[2, 10]: deletion and insertion at `REMOVED`."""
    random: Floats
    """[2, 10], mean over random orders."""


def slide_curves(slide: ExplainedSlide, seed: int) -> SlideCurves:
    """The curves of a slide; the random orders depend on the seed and on the slide id."""
    explanation, n = slide.explanation, len(slide.features)
    sign = -1.0 if slide.map_name == "contribution" and explanation.score < 0 else 1.0
    rng = np.random.default_rng([seed, zlib.crc32(slide.slide_id.encode())])
    orders = [np.argsort(-sign * slide.map_scores, kind="stable")]
    orders += [rng.permutation(n) for _ in range(RANDOM_ORDERS)]
    subsets = [subset for order in orders for subset in remaining(order)]
    toward = (-1.0 if explanation.score < 0 else 1.0) * explanation.explained.weights
    scores = slide.explainer.scores(slide.features, slide.coords, subsets, toward)
    curves = scores.reshape(len(orders), len(KINDS), len(REMOVED))
    patient = str(slide.row["patient_id"])
    return SlideCurves(slide.slide_id, patient, slide.map_name, curves[0], curves[1:].mean(axis=0))


def remaining(order: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Rows that remain at each of `REMOVED`, sorted: without the first patches of `order`, then without the last.

    At least one patch remains.
    """
    n = len(order)
    counts = [min(n - 1, round(fraction * n)) for fraction in REMOVED]
    return [*(np.sort(order[count:]) for count in counts), *(np.sort(order[: n - count]) for count in counts)]


def summarise(curves: Sequence[SlideCurves], confidence: float) -> dict[str, Any]:
    """The block "deletion" of analysis.json: mean curves, and the difference of areas to random orders per slide."""
    patients = pd.factorize(pd.Series([one.patient_id for one in curves]))[0].astype(np.int64)
    block: dict[str, Any] = {
        "order": sorted({one.order for one in curves}),
        "slides": [one.slide_id for one in curves],
        "random_orders": RANDOM_ORDERS,
        "removed": REMOVED.tolist(),
    }
    for k, kind in enumerate(KINDS):
        ordered, random = (np.array([group[k] for group in groups]) for groups in zip(*map(_pair, curves), strict=True))
        difference = clustered_mean((ordered - random).mean(axis=1), patients, confidence)
        means = {"ordered": ordered.mean(axis=0).tolist(), "random": random.mean(axis=0).tolist()}
        block[kind] = means | {"difference": difference.record()}
    return block


def _pair(curves: SlideCurves) -> tuple[Floats, Floats]:
    return curves.ordered, curves.random


def draw(block: dict[str, Any], out: Path) -> None:
    """Draw the mean curves as deletion.png."""
    removed = block["removed"]
    deletion, insertion = (block[kind] for kind in KINDS)
    kept = [1 - fraction for fraction in removed]
    curves = [
        Curve("Deletion", "Fraction of patches removed", removed, deletion["ordered"], deletion["random"]),
        Curve("Insertion", "Fraction of patches kept", kept, insertion["ordered"], insertion["random"]),
    ]
    order, n = " or ".join(block["order"]), len(block["slides"])
    draw_deletion(out / FIGURE, curves, order, "Score toward the prediction", f"Patches removed by {order}, {n} slides")


def describe(block: dict[str, Any]) -> str:
    """One line for the screen."""
    found = block["deletion"]["difference"]
    interval = "" if found["low"] is None else f" ({found['low']:+.3f} to {found['high']:+.3f})"
    falls = "faster" if found["value"] < 0 else "no faster"
    order, n = " or ".join(block["order"]), len(block["slides"])
    change = f"mean difference {found['value']:+.3f}{interval}, {n} slides"
    return f"{FIGURE}: without the patches of highest {order}, scores fall {falls} than in random order: {change}"
