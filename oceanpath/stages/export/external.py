"""Performance of the exported ensemble on external cohorts: its own probabilities, decided at its own threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts.bundle.facts import EstimateFacts, ExternalFacts, MemberFacts, ThresholdFacts
from oceanpath.artifacts.bundle.value_facts import CutoffFacts
from oceanpath.artifacts.external import average_members, read_members
from oceanpath.artifacts.patient_bags import read_patient_bags
from oceanpath.evaluation.report import build_report
from oceanpath.evaluation.rows import ReportedRows
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.card import NAMES
from oceanpath.stages.export.facts import estimate_facts, training_targets
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
        results: cv_results.json with the entries of the exported models.
        exported: The members of the ensemble, and its threshold.
        task: What is predicted.
    """
    members, threshold = exported
    described = []
    for name, folder in sorted(cohorts.items()):
        frame = _renumbered(served_predictions(_rows(folder, results, task), members, task), results)
        facts = describe_cohort_of(settings, (name, frame), results, {"threshold": threshold.value}, task)
        described.append(_with_slides(facts, folder))
    return described


def describe_external_values(
    settings: ExportSettings, inputs: Inputs, results: Mapping[str, Any], cutoffs: Sequence[CutoffFacts], task: Task
) -> list[ExternalFacts]:
    """As `describe_external`, for a task without classes, decided at the cut-offs of the bundle."""
    fitted = training_targets(inputs["train"], [entry["fold"] for entry in results["per_fold"]], task)
    with_training = task.with_training([fitted])
    decided = task.stated_facts([cutoff.value for cutoff in cutoffs])
    return [
        _with_slides(
            describe_cohort_of(
                settings, (name, _renumbered(_rows(folder, results, task), results)), results, decided, with_training
            ),
            folder,
        )
        for name, folder in sorted(inputs.by_cohort("external").items())
    ]


def describe_cohort_of(
    settings: ExportSettings,
    cohort: tuple[str, pd.DataFrame],
    results: Mapping[str, Any],
    decided: Mapping[str, Any],
    task: Task,
) -> ExternalFacts:
    """The metrics of the mean over all members, decided by the `Task.decision_facts` `decided`.

    `cohort` is its name, and the rows of all members.
    """
    name, frame = cohort
    per_fold = [{**entry, **decided} for entry in results["per_fold"]]
    plan = [{"repeat": 0, "ensemble": 0, "name": ""}] * len(per_fold)
    facts = {**results, "scheme": "external", "per_fold": per_fold, "plan": plan, "external": name}
    ensemble = average_members(frame, task)
    targets, values = task.targets(ensemble["label"].tolist()), task.values(ensemble)
    rows = ReportedRows(ensemble, task, targets, values, facts, frame, settings.patient_aggregation)
    report = build_report(settings, rows, {})
    return _facts(name, report, ensemble, task)


def _rows(folder: Path, results: Mapping[str, Any], task: Task) -> pd.DataFrame:
    """The rows of the models of `results`."""
    frame = read_members(folder, task)
    return frame[frame["fold"].isin([entry["fold"] for entry in results["per_fold"]])].reset_index(drop=True)


def _renumbered(frame: pd.DataFrame, results: Mapping[str, Any]) -> pd.DataFrame:
    """The rows with the position of their model in the bundle as the fold."""
    positions = {entry["fold"]: number for number, entry in enumerate(results["per_fold"])}
    return frame.assign(fold=frame["fold"].map(positions))


def served_predictions(frame: pd.DataFrame, members: Sequence[MemberFacts], task: Task) -> pd.DataFrame:
    """The rows of all members with their probabilities after temperature scaling."""
    temperature = frame["fold"].map({member.fold: member.temperature for member in members}).to_numpy(np.float64)
    # Log-probabilities are logits up to a constant per row, which does not change a softmax.
    logits = np.log(np.maximum(task.values(frame), np.finfo(np.float64).tiny)) / temperature[:, None]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return frame.assign(**dict(zip(task.columns, (odds / odds.sum(axis=1, keepdims=True)).T, strict=True)))


def _with_slides(facts: ExternalFacts, folder: Path) -> ExternalFacts:
    """The facts with the number of slides, where bags are patients; slides per class remain numbers of bags."""
    bags = read_patient_bags(folder)
    return facts.model_copy(update={"slides": sum(map(len, bags.values()))}) if bags else facts


def _facts(name: str, report: Mapping[str, Any], ensemble: pd.DataFrame, task: Task) -> ExternalFacts:
    strata = task.strata(ensemble["label"].tolist())
    return ExternalFacts(
        name=name,
        slides=len(ensemble),
        patients=int(ensemble["patient_id"].nunique()),
        slides_per_class={name: int((strata.rows == i).sum()) for i, name in enumerate(strata.names)},
        slide=_level(report, "slide", task),
        patient=_level(report, "patient", task),
    )


def _level(report: Mapping[str, Any], level: str, task: Task) -> dict[str, EstimateFacts]:
    """The metrics of a level; those of decisions are at the threshold, if there is one."""
    point = report["operating_point"]
    records = {**report["level"][level], **(point[level] if point else {})}
    names = records if task.is_exported_as_values else NAMES
    return {name: estimate_facts(records[name]) for name in names if name in records}
