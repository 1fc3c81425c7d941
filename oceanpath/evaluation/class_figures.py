"""Figures of classification: ROC, precision-recall, calibration, confusion table, histograms of probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.artifacts.bag_unit import SLIDE
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.figures.calibration import Bins, CalibrationLabels, Smooth, draw_calibration
from oceanpath.figures.curves import CurveLine, draw_confusion, draw_pr, draw_probabilities, draw_roc
from oceanpath.stats.bands import roc_band
from oceanpath.stats.calibration import BINS, bin_numbers, outcomes, reliability
from oceanpath.stats.confusion import confusion
from oceanpath.stats.discrimination import pr_curve, ranking_measure, roc_curve
from oceanpath.stats.panel import decide
from oceanpath.stats.recalibration import recalibrate
from oceanpath.stats.resample import Resamples, bootstrap, draw_patients
from oceanpath.tasks.classification import Classification

PICTURES = ("roc.png", "pr.png", "calibration.png", "confusion.png", "probabilities.png")
BAND_RESAMPLES = 500
"""Sufficient for a band, because a figure shows two digits."""
BASELINE, BASELINE_NAME = "mean_pool_lr", "mean pooling + LR"
GRID = np.linspace(0, 1, 101)


def draw_figures(
    settings: IntervalOptions,
    rows: ReportedRows,
    baselines: Mapping[str, NDArray[np.float64]],
    report: Mapping[str, Any],
    out: Path,
) -> None:
    """Draw `PICTURES` below `out`.

    Args:
        settings: The seed and the confidence level of the bands.
        rows: The test rows.
        baselines: Baseline → probabilities [n, C].
        report: The contents of metrics.json, for the legends.
        out: Folder.
    """
    title = f"{rows.title} (selected)" if rows.selected else rows.title
    repeats = f", {rows.plan.repeats_text} pooled" if rows.plan.n_repeats > 1 else ""
    slides = f"{rows.frame['slide_id'].nunique()} slides of " if rows.unit == SLIDE else ""
    counts = f"{slides}{len(set(rows.patients))} patients{repeats}, {100 * settings.confidence:g} % intervals"
    lines = _curves(settings, rows, baselines, report)
    draw_roc(out / "roc.png", [roc for roc, _ in lines], title, counts)
    prevalence = float(np.mean(rows.targets == 1)) if len(_classes(rows)) == 2 else None
    draw_pr(out / "pr.png", [pr for _, pr in lines], prevalence, title, counts)
    _draw_bins(settings, rows, out / "calibration.png", title)
    table = confusion(rows.targets, decide(rows.values), len(_classes(rows)))
    draw_confusion(out / "confusion.png", table, _classes(rows), title)
    groups, x = _histograms(rows)
    draw_probabilities(out / "probabilities.png", groups, x, title)


def _curves(
    settings: IntervalOptions,
    rows: ReportedRows,
    baselines: Mapping[str, NDArray[np.float64]],
    report: Mapping[str, Any],
) -> list[tuple[CurveLine, CurveLine]]:
    """ROC and precision-recall lines of the model and a baseline, or for more classes of each against the rest."""
    drawn = draw_patients(rows.patients, rows.targets, resamples=BAND_RESAMPLES, seed=settings.seed)
    if len(_classes(rows)) > 2:
        return _one_against_the_rest(settings, rows, drawn)
    positive = rows.targets == 1
    if not 0 < positive.sum() < len(positive):
        return []
    roc, pr = _pair("model", positive, rows.values[:, 1], report["level"][rows.unit])
    band = roc_band(positive, rows.values[:, 1], drawn, GRID, settings.confidence)
    if band is not None:
        roc = CurveLine(roc.name, roc.x, roc.y, GRID, *band)
    if BASELINE not in baselines:
        return [(roc, pr)]
    return [(roc, pr), _pair(BASELINE_NAME, positive, baselines[BASELINE][:, 1], report["floor"][BASELINE], faint=True)]


def _one_against_the_rest(
    settings: IntervalOptions, rows: ReportedRows, drawn: Resamples
) -> list[tuple[CurveLine, CurveLine]]:
    """A pair of lines for each class that has positive and negative rows."""
    pairs = []
    for c, name in enumerate(_classes(rows)):
        hit, score = rows.targets == c, rows.values[:, c]
        if 0 < hit.sum() < len(hit):
            measure = ranking_measure(hit.astype(np.int64), np.stack([1 - score, score], axis=1))
            found = bootstrap([measure], drawn).estimates(settings.confidence)
            records = {key: estimate.record() for key, estimate in found.items()}
            pairs.append(_pair(f"{name} (n = {hit.sum()})", hit, score, records))
    return pairs


def _pair(
    name: str,
    positive: NDArray[np.bool_],
    score: NDArray[np.float64],
    records: Mapping[str, Mapping[str, Any]],
    faint: bool = False,
) -> tuple[CurveLine, CurveLine]:
    """ROC and precision-recall of one score; `records` contains its auroc and auprc."""
    roc, pr = roc_curve(positive, score), pr_curve(positive, score)
    gains = np.diff(pr.x, prepend=0.0) > 0  # average precision uses the curve only where the recall increases
    recall, precision = np.r_[0.0, pr.x[gains]], np.r_[pr.y[gains][0], pr.y[gains]]
    return (
        CurveLine(f"{name}, AUROC {_format(records['auroc'])}", roc.x, roc.y, faint=faint),
        CurveLine(f"{name}, AP {_format(records['auprc'])}", recall, precision, faint=faint),
    )


def _format(record: Mapping[str, Any]) -> str:
    interval = "" if record.get("low") is None else f" ({record['low']:.3f} to {record['high']:.3f})"
    return f"{record['value']:.3f}{interval}"


def _draw_bins(settings: IntervalOptions, rows: ReportedRows, path: Path, title: str) -> None:
    outcome, score = outcomes(rows.targets, rows.values)
    found = reliability(outcome, score, rows.patients, confidence=settings.confidence)
    fit = recalibrate(outcome, score)
    if isinstance(fit, str):
        smooth = Smooth(f"no smooth curve: {fit}")
    else:
        x = np.linspace(score.min(), score.max(), 101)
        smooth = Smooth(f"logistic recalibration, slope {fit.slope:.2f}", x, fit.apply(x))
    two = len(_classes(rows)) == 2
    words = CalibrationLabels(
        title,
        f"Mean probability of {_classes(rows)[-1]}" if two else "Mean probability of the predicted class",
        f"Observed fraction of {_classes(rows)[-1]}" if two else "Fraction predicted correctly",
    )
    centre = (bin_numbers(found.mean_predicted) + 0.5) / BINS
    bins = Bins(centre, found.mean_predicted, found.observed, found.count, found.low, found.high)
    draw_calibration(path, bins, smooth, words)


def _classes(rows: ReportedRows) -> tuple[str, ...]:
    assert isinstance(rows.task, Classification), "the registry of figures pairs them"
    return rows.task.classes


def _histograms(rows: ReportedRows) -> tuple[dict[str, NDArray[np.float64]], str]:
    two = len(_classes(rows)) == 2
    score = rows.values[:, 1] if two else rows.values[np.arange(len(rows.targets)), rows.targets]
    x = f"Probability of {_classes(rows)[-1]}" if two else "Probability of the true class"
    return {name: score[rows.targets == c] for c, name in enumerate(_classes(rows))}, x
