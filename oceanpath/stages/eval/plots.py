"""The pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.figures.curves import (
    Bins,
    Line,
    draw_calibration,
    draw_confusion,
    draw_pr,
    draw_probabilities,
    draw_roc,
)
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.bands import roc_band
from oceanpath.stats.calibration import outcomes, reliability
from oceanpath.stats.confusion import confusion
from oceanpath.stats.discrimination import pr_curve, roc_curve
from oceanpath.stats.panel import decide
from oceanpath.stats.resample import draw_patients

PICTURES = ("roc.png", "pr.png", "calibration.png", "confusion.png", "probabilities.png")
BAND_RESAMPLES = 500
"""Enough for a band; a picture shows two digits."""
FLOOR = "mean_pool_lr"


def draw_all(
    settings: EvalSettings,
    rows: ReportedRows,
    floors: Mapping[str, NDArray[np.float64]],
    report: Mapping[str, Any],
    out: Path,
) -> None:
    """Draw `PICTURES` below `out`.

    Args:
        settings: For the seed and the mass of the bands.
        rows: The test rows.
        floors: Floor → probabilities [n, C].
        report: The contents of metrics.json, for the legends.
        out: Folder.
    """
    title = "Test slides (selected)" if rows.selected else "Test slides"
    lines = _curves(settings, rows, floors, report)
    draw_roc(out / "roc.png", [roc for roc, _ in lines], title)
    prevalence = float(np.mean(rows.labels == 1)) if len(rows.classes) == 2 else None
    draw_pr(out / "pr.png", [pr for _, pr in lines], prevalence, title)
    _draw_bins(settings, rows, out / "calibration.png", title)
    table = confusion(rows.labels, decide(rows.probs), len(rows.classes))
    draw_confusion(out / "confusion.png", table, rows.classes, title)
    groups, x = _histograms(rows)
    draw_probabilities(out / "probabilities.png", groups, x, title)


def _curves(
    settings: EvalSettings,
    rows: ReportedRows,
    floors: Mapping[str, NDArray[np.float64]],
    report: Mapping[str, Any],
) -> list[tuple[Line, Line]]:
    """ROC and precision-recall lines: the model and its floor for two classes, else one against the rest."""
    if len(rows.classes) > 2:
        wanted = [(name, rows.labels == c, rows.probs[:, c]) for c, name in enumerate(rows.classes)]
        return [_pair(name, hit, score) for name, hit, score in wanted if 0 < hit.sum() < len(hit)]
    positive = rows.labels == 1
    if not 0 < positive.sum() < len(positive):
        return []
    own, floor = report["level"]["slide"]["auroc"]["value"], report["floor"][FLOOR]["auroc"]["value"]
    drawn = draw_patients(rows.patients, rows.labels, resamples=BAND_RESAMPLES, seed=settings.seed)
    grid = np.linspace(0, 1, 101)
    band = roc_band(positive, rows.probs[:, 1], drawn, grid, settings.confidence)
    roc, pr = _pair(f"model, AUROC {own:.3f}", positive, rows.probs[:, 1])
    if band is not None:
        roc = Line(roc.name, roc.x, roc.y, grid, *band)
    below = _pair(f"mean pooling + LR, {floor:.3f}", positive, floors[FLOOR][:, 1], faint=True)
    return [(roc, Line("model", pr.x, pr.y)), (below[0], Line("mean pooling + LR", below[1].x, below[1].y, faint=True))]


def _pair(name: str, positive: NDArray[np.bool_], score: NDArray[np.float64], faint: bool = False) -> tuple[Line, Line]:
    roc, pr = roc_curve(positive, score), pr_curve(positive, score)
    recall, precision = np.r_[0.0, pr.x], np.r_[pr.y[0], pr.y]
    return Line(name, roc.x, roc.y, faint=faint), Line(name, recall, precision, faint=faint)


def _draw_bins(settings: EvalSettings, rows: ReportedRows, path: Path, title: str) -> None:
    outcome, score = outcomes(rows.labels, rows.probs)
    found = reliability(outcome, score, rows.patients, confidence=settings.confidence)
    two = len(rows.classes) == 2
    x = f"Mean probability of {rows.classes[-1]}" if two else "Mean probability of the decided class"
    y = f"Observed share of {rows.classes[-1]}" if two else "Share decided rightly"
    bins = Bins(found.mean_predicted, found.observed, found.count, found.low, found.high)
    draw_calibration(path, bins, x, y, title)


def _histograms(rows: ReportedRows) -> tuple[dict[str, NDArray[np.float64]], str]:
    two = len(rows.classes) == 2
    score = rows.probs[:, 1] if two else rows.probs[np.arange(len(rows.labels)), rows.labels]
    x = f"Probability of {rows.classes[-1]}" if two else "Probability of the true class"
    return {name: score[rows.labels == c] for c, name in enumerate(rows.classes)}, x
