"""From rows to the contents of metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oceanpath.errors import ExperimentError
from oceanpath.stages.eval.rows import ReportedRows
from oceanpath.stages.eval.settings import EvalSettings
from oceanpath.stats.estimate import Estimate
from oceanpath.stats.panel import evaluate, evaluate_decisions
from oceanpath.stats.patients import PatientRows, patient_rows
from oceanpath.stats.resample import draw_patients

Records = dict[str, dict[str, Any]]
RULE = "positive from each fold's own threshold on, which its inner validation rows chose (Youden)"


def build_report(
    settings: EvalSettings, rows: ReportedRows, floors: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:
    """The contents of metrics.json."""
    grouped, conflict = group_patients(rows)
    slide = _evaluate(settings, rows.labels, rows.probs, rows.patients)
    patient = (
        _undefined(slide, conflict)
        if grouped is None
        else _evaluate(settings, grouped.labels, grouped.probs, grouped.patients)
    )
    floor = {name: _evaluate(settings, rows.labels, probs, rows.patients) for name, probs in floors.items()}
    report = {
        "classes": rows.classes,
        "scheme": rows.results["scheme"],
        "selected": rows.selected,
        "level": {"slide": slide, "patient": patient},
        "operating_point": operating_point(settings, rows, grouped, conflict),
        "floor": floor,
        "folds": [_fold(settings, rows, number) for number in range(rows.results["folds"])],
        "notes": notes(rows, slide, floor, conflict),
    }
    return _mark(report) if rows.selected else report


def group_patients(rows: ReportedRows) -> tuple[PatientRows | None, str]:
    """One row a patient; or None and why there is none, where slides of a patient have different labels."""
    try:
        return patient_rows(rows.patients, rows.labels, rows.probs), ""
    except ExperimentError as error:
        return None, error.render()


def operating_point(
    settings: EvalSettings, rows: ReportedRows, grouped: PatientRows | None, conflict: str
) -> dict[str, Any] | None:
    """Decisions at each fold's own threshold; None beyond two classes, or where a fold has no threshold."""
    cuts = rows.thresholds
    if len(rows.classes) != 2 or any(cut is None for cut in cuts):
        return None
    cut = np.asarray(cuts, np.float64)[rows.folds]
    slide = _decide(settings, rows.labels, rows.probs, cut, rows.patients)
    if grouped is None:
        return {"rule": RULE, "thresholds": cuts, "slide": slide, "patient": _undefined(slide, conflict)}
    # All slides of a patient are tested by the same fold, so its threshold is any of theirs.
    of_patient = np.zeros(len(grouped.patients))
    of_patient[grouped.numbers] = cut
    patient = _decide(settings, grouped.labels, grouped.probs, of_patient, grouped.patients)
    return {"rule": RULE, "thresholds": cuts, "slide": slide, "patient": patient}


def notes(rows: ReportedRows, slide: Records, floor: Mapping[str, Records], conflict: str) -> list[str]:
    """What a reader must know before believing a number."""
    said = []
    if rows.selected:
        said.append("selected: the reported rows also chose something, so every number is optimistic")
    if conflict:
        said.append(f"conflicting_patient_labels: {conflict}")
    value = slide["auroc"]["value"]
    for name, records in floor.items():
        bar = records["auroc"]["value"]
        if value is not None and bar is not None and value < bar:
            said.append(f"worse_than_floor: AUROC {value:.3f} is below {name} ({bar:.3f})")
    if absent := [name for i, name in enumerate(rows.classes) if i not in rows.labels]:
        said.append(f"absent_classes: no test row of {', '.join(absent)}; means leave them out")
    return said


def _evaluate(
    settings: EvalSettings, labels: NDArray[np.int64], probs: NDArray[np.float64], patients: list[str]
) -> Records:
    found = evaluate(
        labels,
        probs,
        patients,
        resamples=settings.resamples,
        confidence=settings.confidence,
        seed=settings.seed,
    )
    return _records(found)


def _decide(
    settings: EvalSettings,
    labels: NDArray[np.int64],
    probs: NDArray[np.float64],
    cut: NDArray[np.float64],
    patients: list[str],
) -> Records:
    drawn = draw_patients(patients, labels, resamples=settings.resamples, seed=settings.seed)
    decisions = (probs[:, 1] >= cut).astype(np.int64)
    return _records(evaluate_decisions(labels, decisions, 2, drawn, confidence=settings.confidence))


def _fold(settings: EvalSettings, rows: ReportedRows, number: int) -> dict[str, Any]:
    own = rows.folds == number
    patients = [name for name, kept in zip(rows.patients, own, strict=True) if kept]
    found = _evaluate(settings, rows.labels[own], rows.probs[own], patients)
    entry = rows.results["per_fold"][number]
    facts = {key: entry.get(key) for key in ("best_epoch", "epochs", "val_loss", "threshold")}
    counts = {"fold": number, "n": int(own.sum()), "n_patients": len(set(patients))}
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
