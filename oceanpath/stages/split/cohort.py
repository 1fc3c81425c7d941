"""The label table joined with the store; every slide that is left out is listed with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from oceanpath.artifacts.cohort.id_match import match, other_cohort
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.artifacts.cohort.patient_rule import patients_of_slides
from oceanpath.artifacts.cohort.table import CohortTable, read_cohort
from oceanpath.artifacts.left_out import LeftOut
from oceanpath.errors import ExperimentError, collected, refuse
from oceanpath.stages.split.settings import SplitSettings

SHOWN = 5
NO_FEATURES, NO_ROW = "in the table, without features", "with features, not in the table"
NO_LABEL, NO_PATIENT = "without a label", "without a patient"
BLANK, EXCLUDED, FAILED = "blank, without a patch", "excluded on request", "failed"
DROPPED = "of a class that split.drop names"


@dataclass(frozen=True)
class StoredSlides:
    """The slides of a store, and those that are not in it for a reason."""

    slides: frozenset[str]
    blank: frozenset[str] = frozenset()
    left_out: LeftOut = field(default_factory=LeftOut)

    @property
    def known(self) -> frozenset[str]:
        """All slides of the store and all that are known to be missing from it."""
        return self.slides | self.blank | set(self.left_out.excluded) | self.left_out.failed.keys()


@dataclass(frozen=True)
class LabelledCohort:
    """Complete rows, sorted by slide id, and the slides that were left out with their reasons."""

    frame: pd.DataFrame
    """Columns slide_id, patient_id, label."""
    columns: pd.DataFrame
    """Further columns of the table, text, one row per row of `frame`."""
    excluded: dict[str, list[str]]
    """Reason → slide ids."""
    flow: dict[str, Any] = field(default_factory=dict)
    """See "cohort_flow" in `oceanpath.artifacts.folds`."""
    notes: list[str] = field(default_factory=list)
    """Remarks on the table for the reader of the numbers."""


def join(settings: SplitSettings, labels: Path, stored: StoredSlides | None) -> LabelledCohort:
    """The cohort to split; without a store, as far as the table alone determines it.

    Raises: ExperimentError: the table is wrong or, unless allowed, slides and rows differ.
    """
    table = read_cohort(labels, settings.question())
    stored, problems = stored or StoredSlides(frozenset(table.slide_ids)), list(table.problems)
    frame, excluded = pd.DataFrame(), dict[str, list[str]]()
    with collected(problems):
        frame = _frame(settings, table, stored, labels)
        excluded = _excluded(settings, frame, stored, table.absent)
        if excluded and not settings.allow_missing:
            raise _unmatched(excluded, frame, stored, table, labels)
    refuse(problems)
    named = set(frame["slide_id"])
    dropped = set(frame.loc[frame["label"].isin(settings.drop), "slide_id"])
    reasons = {
        BLANK: stored.blank,
        EXCLUDED: set(stored.left_out.excluded),
        FAILED: stored.left_out.failed.keys(),
        DROPPED: dropped,
    } | _left_out(frame, settings)
    excluded |= {reason: sorted(named & names) for reason, names in reasons.items() if named & names}
    lacking = {name for reason, names in excluded.items() for name in names if reason != NO_ROW}
    kept = frame[~frame["slide_id"].isin(lacking)].sort_values("slide_id")
    columns = pd.DataFrame(table.columns, index=frame.index, dtype=object).loc[kept.index].reset_index(drop=True)
    kept = kept.reset_index(drop=True)
    if kept.empty:
        raise ExperimentError("no slide has both features and a label", where=labels)
    flow = _flow(named, stored, excluded, len(kept), [settings.target().unusable, *_left_out(frame, settings)])
    return LabelledCohort(kept, columns, excluded, flow, table.notes)


def _frame(settings: SplitSettings, table: CohortTable, stored: StoredSlides, labels: Path) -> pd.DataFrame:
    """The table with the slide ids of the store; empty cells are missing values.

    Raises: ExperimentError: no row belongs to a slide of the store, or `patient_rule` does not apply to an id.
    """
    same = match(table.slide_ids, stored.known, settings.match_ids)
    if not same:
        raise other_cohort(table.slide_ids, stored.known, labels)
    slides = [same.get(name, name) for name in table.slide_ids]
    patients = slides if settings.one_slide_per_patient else table.patients
    if settings.patient_rule:
        of_slide = patients_of_slides(filter(None, slides), settings.patient_rule)
        patients = [of_slide.get(name, "") for name in slides]
    labels_of_folds = [settings.merged(label) for label in table.labels]
    columns = {"slide_id": slides, "label": labels_of_folds, "patient_id": patients}
    frame = pd.DataFrame({name: pd.array(cells, dtype="string") for name, cells in columns.items()})
    return frame.replace("", pd.NA)


def _left_out(frame: pd.DataFrame, settings: SplitSettings) -> dict[str, set[str]]:
    """Reason of the task → slides with a label that is left out on request."""
    task, slides = settings.target(), dict[str, set[str]]()
    for label in frame["label"].dropna().unique():
        if reason := task.left_out(label):
            slides.setdefault(reason, set()).update(frame.loc[frame["label"] == label, "slide_id"])
    return slides


def _excluded(
    settings: SplitSettings, frame: pd.DataFrame, stored: StoredSlides, absent: frozenset[str]
) -> dict[str, list[str]]:
    """Reason → slides that cannot be used and are not known to be left out; `absent` columns are no reason."""
    task, named, label = settings.target(), set(frame["slide_id"].dropna()), frame["label"]
    reasons = {NO_FEATURES: sorted(named - stored.known), NO_ROW: sorted(stored.slides - named)}
    if "label" not in absent:
        known = {name for name in label.dropna().unique() if task.is_valid(name) or task.left_out(name)}
        invalid = set(label.dropna()) - known - set(settings.drop)
        reasons[NO_LABEL] = sorted(frame.loc[label.isna(), "slide_id"].dropna())
        reasons[task.unusable] = sorted(frame.loc[label.isin(invalid), "slide_id"].dropna())
    if "patient_id" not in absent:
        reasons[NO_PATIENT] = sorted(frame.loc[frame["patient_id"].isna(), "slide_id"].dropna())
    return {reason: names for reason, names in reasons.items() if names}


def _unmatched(
    excluded: Mapping[str, list[str]], frame: pd.DataFrame, stored: StoredSlides, table: CohortTable, path: Path
) -> ExperimentError:
    named, places = set(frame["slide_id"].dropna()), dict(zip(frame["slide_id"], table.places, strict=True))
    pools = {NO_FEATURES: stored.slides - named, NO_ROW: named - stored.slides}
    lines = []
    for reason, names in excluded.items():
        shown = names if reason in pools else [f"{name} ({places[name]})" for name in names]
        lines.append(f"\n  {len(names)} {reason}: {describe_missing(shown, pools.get(reason, ()), SHOWN)}")
    do = "Correct the table, or set data.allow_missing = true to continue without them." + "".join(lines)
    return ExperimentError("slides and table rows do not match", where=path, do=do)


def _flow(
    named: set[str], stored: StoredSlides, excluded: Mapping[str, list[str]], used: int, unusable: list[str]
) -> dict[str, Any]:
    """Numbers of slides at each step from the table to the folds; each slide is counted under its first reason."""
    counts, seen = dict[str, int](), set[str]()
    for reason in (FAILED, BLANK, EXCLUDED, NO_FEATURES, NO_LABEL, *unusable, NO_PATIENT, DROPPED):
        counts[reason] = len(set(excluded.get(reason, ())) - seen)
        seen |= set(excluded.get(reason, ()))
    return {
        "in_table": len(named),
        "with_features": len(named & stored.slides),
        "failed": counts.pop(FAILED),
        "failed_slides": {name: stored.left_out.failed[name] for name in excluded.get(FAILED, ())},
        "blank": counts.pop(BLANK),
        "excluded": {reason: count for reason, count in counts.items() if count},
        "not_in_table": len(stored.slides - named),
        "used": used,
    }
