"""The contents of metrics.json, from test rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oceanpath.artifacts.bag_unit import NO_SLIDES, PATIENT, SLIDE
from oceanpath.evaluation.levels import LevelRows, fold_level, patient_level, slide_level
from oceanpath.evaluation.notes import notes
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.evaluation.repeats import ensemble_report, evaluate_repeats
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.evaluation.seeds import seeds_report
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.paired import PairedDifference, paired_difference
from oceanpath.stats.patients import NOISY_OR, SLIDE_MAXIMUM, SLIDE_MEAN
from oceanpath.stats.resample import Bootstrap
from oceanpath.tasks.evaluation import DecisionRule, Floats

Records = dict[str, dict[str, Any]]

SEEN = "seen_in_pretraining"
"""Key of the number of tested patients that were used for pretraining."""
AGGREGATION = {
    SLIDE_MAXIMUM: "the probability of a patient is the largest of the patient's slides",
    NOISY_OR: "the probability of a patient is that of at least one positive slide, 1 - prod(1 - p), as if independent",
}


def build_report(settings: IntervalOptions, rows: ReportedRows, baselines: Mapping[str, Floats]) -> dict[str, Any]:
    """The contents of metrics.json.

    Args:
        settings: Resamples, seed and confidence.
        rows: The test rows.
        baselines: Baseline → values [n, K] of these rows.
    """
    slides, (patients, conflict) = slide_level(settings, rows), patient_level(settings, rows)
    model = _evaluate(rows, slides)
    evaluated = {name: _evaluate(rows, slides, values) for name, values in baselines.items()}
    versus = {name: _difference(settings, rows, model, baseline) for name, baseline in evaluated.items()}
    slide = _records(model.estimates(settings.confidence))
    patient = (
        _undefined(slide, conflict)
        if patients is None
        else _records(_evaluate(rows, patients).estimates(settings.confidence))
    )
    report = {
        **rows.task.record(),
        "scheme": rows.results["scheme"],
        "selected": rows.selected,
        "repeats": rows.plan.n_repeats,
        "ensemble": ensemble_report(settings, rows),
        **seeds_report(rows, slides, patients),
        "level": {"slide": slide, "patient": patient},
        "operating_point": operating_point(settings, rows, slides, patients, conflict),
        "floor": {name: _records(baseline.estimates(settings.confidence)) for name, baseline in evaluated.items()},
        "versus_baseline": {name: difference.record() for name, difference in versus.items()},
        "folds": [_fold(settings, rows, number) for number in range(rows.results["folds"])],
        "notes": notes(rows, model, versus, _within_folds(settings, rows, model), conflict),
    }
    if rows.unit != SLIDE:
        report["bag"] = rows.unit
    if rows.patient_aggregation != SLIDE_MEAN:
        report["patient_aggregation"] = rows.patient_aggregation
        report["notes"].append(f"patient_aggregation: {AGGREGATION[rows.patient_aggregation]}")
    return finish_records(report, rows)


def finish_records(report: dict[str, Any], rows: ReportedRows) -> dict[str, Any]:
    """The same report; every record states that its rows are selected, or were used for pretraining.

    Where bags are patients, there are no slides: records of the slide level are replaced by the reason.
    """
    report = _without_slides(report) if rows.unit == PATIENT else report
    marks = {"selected": rows.selected, SEEN: rows.results.get(SEEN, 0)}
    for name, value in marks.items():
        report = _mark(report, name, value) if value else report
    return report


def operating_point(
    settings: IntervalOptions, rows: ReportedRows, slides: LevelRows, patients: LevelRows | None, conflict: str
) -> dict[str, Any] | None:
    """Decisions by the rule of the folds; None if the task has none."""
    rule = rows.task.decision_rule(rows.fold_facts)
    return None if rule is None else _decide(settings, rows, rule, slides, patients, conflict)


def operating_point_of(settings: IntervalOptions, rows: ReportedRows, rule: DecisionRule) -> dict[str, Any]:
    """Decisions by another rule."""
    slides, (patients, conflict) = slide_level(settings, rows), patient_level(settings, rows)
    return _decide(settings, rows, rule, slides, patients, conflict)


def _decide(
    settings: IntervalOptions,
    rows: ReportedRows,
    rule: DecisionRule,
    slides: LevelRows,
    patients: LevelRows | None,
    conflict: str,
) -> dict[str, Any]:
    def decide(level: LevelRows) -> Records:
        own = (level.targets, level.values, level.folds)
        return _records(rows.task.evaluate_decisions(rule, own, level.drawn, settings.confidence))

    slide = decide(slides)
    patient = _undefined(slide, conflict) if patients is None else decide(patients)
    return {"rule": rule.text, "thresholds": rule.thresholds, "slide": slide, "patient": patient}


def _evaluate(rows: ReportedRows, level: LevelRows, values: Floats | None = None) -> Bootstrap:
    """Metrics of the model at a level, or of other values for the same rows."""
    return evaluate_repeats(rows.task, level, level.values if values is None else values)


def _difference(settings: IntervalOptions, rows: ReportedRows, model: Bootstrap, other: Bootstrap) -> PairedDifference:
    main = rows.task.main_metric
    return paired_difference(model, other, (main, main), settings.confidence)


def _within_folds(settings: IntervalOptions, rows: ReportedRows, model: Bootstrap) -> PairedDifference | None:
    """The main metric minus that within the folds."""
    task = rows.task
    if not task.within_folds:
        return None
    return paired_difference(model, model, (task.main_metric, task.within_folds), settings.confidence)


def _fold(settings: IntervalOptions, rows: ReportedRows, number: int) -> dict[str, Any]:
    task, level = rows.task, fold_level(settings, rows, number)
    found = _evaluate(rows, level)
    entry = rows.results["per_fold"][number]
    facts = {key: entry.get(key) for key in ("best_epoch", "epochs", "val_loss")}
    counts = {"fold": number, "n": len(level.targets), "n_patients": level.drawn.counts.shape[1]}
    facts |= task.facts_of(entry)
    return counts | facts | _records({name: found.estimate(name, settings.confidence) for name in task.fold_metrics})


def _records(estimates: Mapping[str, Estimate]) -> Records:
    return {name: estimate.record() for name, estimate in estimates.items()}


def _undefined(like: Records, reason: str) -> Records:
    return {name: {"value": None, "reason": reason} for name in like}


def _without_slides(report: Any) -> Any:
    """The same report with undefined records in every group "slide" that has a group "patient" next to it."""
    if isinstance(report, list):
        return [_without_slides(item) for item in report]
    if not isinstance(report, dict):
        return report
    kept = {key: _without_slides(item) for key, item in report.items()}
    return kept | {SLIDE: _undefined(report[SLIDE], NO_SLIDES)} if {SLIDE, PATIENT} <= report.keys() else kept


def _mark(report: Any, name: str, value: bool | int) -> Any:
    """The same report with this key in every record."""
    if isinstance(report, list):
        return [_mark(item, name, value) for item in report]
    if not isinstance(report, dict):
        return report
    marked = {key: _mark(item, name, value) for key, item in report.items()}
    return marked | {name: value} if "value" in report else marked
