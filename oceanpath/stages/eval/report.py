"""From rows to the contents of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.stages.eval.levels import LevelRows, fold_level, patient_level, slide_level
from oceanpath.stages.eval.notes import notes
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.paired import paired_difference
from oceanpath.stats.panel import evaluate, evaluate_decisions
from oceanpath.stats.resample import Bootstrap
from oceanpath.stats.within_folds import NAME

Records = dict[str, dict[str, Any]]
RULE = "positive from each fold's own threshold on, which its inner validation rows chose (Youden)"


def build_report(
    settings: EvalSettings, rows: ReportedRows, floors: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """The contents of metrics.json."""
    slides, (patients, conflict) = slide_level(settings, rows), patient_level(settings, rows)
    model = _evaluate(slides)
    baselines = {name: _evaluate(slides, probs) for name, probs in floors.items()}
    versus = {name: paired_difference(model, one, confidence=settings.confidence) for name, one in baselines.items()}
    folds = paired_difference(model, model, ("auroc", NAME), settings.confidence)
    slide = _records(model.estimates(settings.confidence))
    patient = (
        _undefined(slide, conflict)
        if patients is None
        else _records(_evaluate(patients).estimates(settings.confidence))
    )
    report = {
        "classes": rows.classes,
        "scheme": rows.results["scheme"],
        "selected": rows.selected,
        "level": {"slide": slide, "patient": patient},
        "operating_point": operating_point(settings, rows, slides, patients, conflict),
        "floor": {name: _records(one.estimates(settings.confidence)) for name, one in baselines.items()},
        "versus_baseline": {name: difference.record() for name, difference in versus.items()},
        "folds": [_fold(settings, rows, number) for number in range(rows.results["folds"])],
        "notes": notes(rows, model, versus, folds, conflict),
    }
    return _mark(report) if rows.selected else report


def operating_point(
    settings: EvalSettings, rows: ReportedRows, slides: LevelRows, patients: LevelRows | None, conflict: str
) -> dict[str, Any] | None:
    """Decisions at each fold's own threshold; None beyond two classes, or where a fold has no threshold."""
    cuts = rows.thresholds
    if len(rows.classes) != 2 or any(cut is None for cut in cuts):
        return None
    slide = _decide(settings, slides, cuts)
    patient = _undefined(slide, conflict) if patients is None else _decide(settings, patients, cuts)
    return {"rule": RULE, "thresholds": cuts, "slide": slide, "patient": patient}


def _evaluate(level: LevelRows, probs: NDArray[np.float64] | None = None) -> Bootstrap:
    """Metrics of the model at a level, or of other probabilities of the same rows."""
    return evaluate(level.labels, level.probs if probs is None else probs, level.drawn, level.folds)


def _decide(settings: EvalSettings, level: LevelRows, cuts: list[float | None]) -> Records:
    cut = np.asarray(cuts, np.float64)[level.folds]
    decisions = (level.probs[:, 1] >= cut).astype(np.int64)
    return _records(evaluate_decisions(level.labels, decisions, 2, level.drawn, confidence=settings.confidence))


def _fold(settings: EvalSettings, rows: ReportedRows, number: int) -> dict[str, Any]:
    level = fold_level(settings, rows, number)
    found = _records(_evaluate(level).estimates(settings.confidence))
    entry = rows.results["per_fold"][number]
    facts = {key: entry.get(key) for key in ("best_epoch", "epochs", "val_loss", "threshold")}
    counts = {"fold": number, "n": len(level.labels), "n_patients": level.drawn.counts.shape[1]}
    return counts | facts | {name: found[name] for name in ("auroc", "balanced_accuracy")}


def _records(found: Mapping[str, Estimate]) -> Records:
    return {name: estimate.record() for name, estimate in found.items()}


def _undefined(like: Records, reason: str) -> Records:
    return {name: {"value": None, "reason": reason} for name in like}


def _mark(report: Any) -> Any:
    """The same report with the word `selected` at every record."""
    if isinstance(report, list):
        return [_mark(item) for item in report]
    if not isinstance(report, dict):
        return report
    marked = {key: _mark(value) for key, value in report.items()}
    return marked | {"selected": True} if "value" in report else marked
