"""Performance of the exported ensemble on external cohorts: its own probabilities, decided at its own threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts.bundle.facts import EstimateFacts, ExternalFacts, MemberFacts, ThresholdFacts
from oceanpath.artifacts.external import average_members, read_members
from oceanpath.evaluation.report import build_report
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.stages.export.card import NAMES
from oceanpath.stages.export.facts import estimate_facts
from oceanpath.stages.export.settings import ExportSettings
from oceanpath.tasks.base import Task


def describe_external(
    settings: ExportSettings,
    cohorts: Mapping[str, Path],
    results: Mapping[str, Any],
    exported: tuple[Sequence[MemberFacts], ThresholdFacts],
    task: Task,
) -> list[ExternalFacts]:
    """The metrics of the ensemble on every cohort.

    Args:
        settings: Resamples, confidence and seed of the intervals.
        cohorts: Name → what `external` published.
        results: cv_results.json.
        exported: The members of the ensemble, and its threshold.
        task: What is predicted.
    """
    members, threshold = exported
    described = []
    for name, folder in sorted(cohorts.items()):
        frame = served_predictions(read_members(folder, task), members, task)
        per_fold = [{**entry, "threshold": threshold.value} for entry in results["per_fold"]]
        plan = [{"repeat": 0, "ensemble": 0, "name": ""}] * len(members)
        facts = {**results, "scheme": "external", "per_fold": per_fold, "plan": plan, "external": name}
        ensemble = average_members(frame, task)
        targets, values = task.targets(ensemble["label"].tolist()), task.values(ensemble)
        report = build_report(settings, ReportedRows(ensemble, task, targets, values, facts, frame), {})
        described.append(_facts(name, report, ensemble, task))
    return described


def served_predictions(frame: pd.DataFrame, members: Sequence[MemberFacts], task: Task) -> pd.DataFrame:
    """The rows of all members with their probabilities after temperature scaling."""
    temperature = frame["fold"].map({member.fold: member.temperature for member in members}).to_numpy(np.float64)
    # Log-probabilities are logits up to a constant per row, which does not change a softmax.
    logits = np.log(np.maximum(task.values(frame), np.finfo(np.float64).tiny)) / temperature[:, None]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return frame.assign(**dict(zip(task.columns, (odds / odds.sum(axis=1, keepdims=True)).T, strict=True)))


def _facts(name: str, report: Mapping[str, Any], ensemble: pd.DataFrame, task: Task) -> ExternalFacts:
    strata = task.strata(ensemble["label"].tolist())
    return ExternalFacts(
        name=name,
        slides=len(ensemble),
        patients=int(ensemble["patient_id"].nunique()),
        slides_per_class={name: int((strata.rows == i).sum()) for i, name in enumerate(strata.names)},
        slide=_level(report, "slide"),
        patient=_level(report, "patient"),
    )


def _level(report: Mapping[str, Any], level: str) -> dict[str, EstimateFacts]:
    """The metrics of a level; those of decisions are at the threshold, if there is one."""
    point = report["operating_point"]
    records = {**report["level"][level], **(point[level] if point else {})}
    return {name: estimate_facts(records[name]) for name in NAMES if name in records}
