"""Join the label table with the store, assign folds, write them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from oceanpath.artifacts.bag_unit import PATIENT
from oceanpath.artifacts.folds import ROLES, write_balance, write_folds
from oceanpath.artifacts.left_out import NAME as LEFT_OUT
from oceanpath.artifacts.left_out import read_left_out
from oceanpath.artifacts.patient_bags import one_row_per_patient, write_patient_bags
from oceanpath.artifacts.sites import write_sites
from oceanpath.artifacts.store.blank_slides import NAME as BLANK
from oceanpath.artifacts.store.blank_slides import read_blank
from oceanpath.artifacts.store.index import INDEX
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import Inputs, Progress, Summary
from oceanpath.stages.split.assign_folds import choose_folds, with_roles
from oceanpath.stages.split.balance import balance_table
from oceanpath.stages.split.cohort import LabelledCohort, StoredSlides, join
from oceanpath.stages.split.patients import patients_of
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.split.site_comparison import compare_sites
from oceanpath.stages.split.strategies.base import Fold
from oceanpath.tasks.base import Task


def run(settings: SplitSettings, inputs: Inputs, out: Path, progress: Progress) -> Summary:
    """Write the folds of the cohort below `out`."""
    cohort = join(settings, _labels(settings, inputs), read_stored(inputs["mmap"]))
    for line in remarks(cohort, settings):
        progress.note(line)
    patients = patients_of(cohort.frame, cohort.columns, settings)
    chosen, task = choose_folds(patients, settings), settings.final_target(cohort.frame["label"].tolist())
    folds = [with_roles(patients, fold, number, settings) for number, fold in enumerate(chosen)]
    sites, comparison = compare_sites(patients, settings)
    splits = {
        "scheme": EXTERNAL if settings.cohort else settings.scheme,
        "seed": settings.seed,
        **task.record(),
        "plan": _plan(chosen),
        "slides": len(cohort.frame),
        "patients": len(patients.frame),
        "one_slide_per_patient": settings.one_slide_per_patient,
        "excluded": cohort.excluded,
        "cohort_flow": cohort.flow,
        "balance": _balance(folds, task),
        "site": comparison,
    }
    write_balance(out, balance_table(patients, folds, settings))
    if settings.bag == PATIENT:
        splits["bag"] = PATIENT
        write_patient_bags(pd.concat(folds), out)
        folds = [one_row_per_patient(fold) for fold in folds]
        sites = None if sites is None else one_row_per_patient(sites)
    write_folds(out, folds, splits)
    if sites is not None:
        write_sites(sites, out)
    return _summary(cohort, splits, task)


def remarks(cohort: LabelledCohort, settings: SplitSettings) -> list[str]:
    """What a reader of the folds should know of the table and of the settings."""
    left_out = [f"{len(names)} slides left out, {reason}" for reason, names in cohort.excluded.items()]
    unread = [f"split.{key} has no effect with the scheme {settings.scheme}" for key in settings.unread_keys()]
    return [*cohort.notes, *settings.target().cohort_notes(cohort.frame["label"].tolist()), *left_out, *unread]


def _plan(chosen: Sequence[Fold]) -> list[dict[str, Any]]:
    """The "plan" of splits.json."""
    return [
        {"repeat": fold.repeat, "ensemble": number if fold.ensemble is None else fold.ensemble, "name": fold.name}
        for number, fold in enumerate(chosen)
    ]


EXTERNAL = "external"
"""The scheme of an external cohort."""
READ_STORED = (INDEX, BLANK, LEFT_OUT)
"""The files that `read_stored` reads."""


def read_stored(store: Path) -> StoredSlides:
    """The slides of a store. Raises: ArtifactError: it is damaged."""
    return StoredSlides(frozenset(Store(store).slide_ids), frozenset(read_blank(store)), read_left_out(store))


def _labels(settings: SplitSettings, inputs: Inputs) -> Path:
    if settings.labels is not None:
        return settings.labels
    demo = inputs.get("demo")
    if demo is None:
        raise ExperimentError(
            "there is no label table", where="[data] labels", do="Set data.labels to a csv, tsv, parquet or xlsx file."
        )
    return demo / "cohort.csv"


def _balance(folds: list[pd.DataFrame], task: Task) -> list[dict[str, Any]]:
    """Per fold: role → stratum → slides and patients."""
    tables = []
    for fold in folds:
        strata = task.strata(fold["label"].tolist())
        table: dict[str, Any] = {role: {} for role in ROLES}
        for role in ROLES:
            for number, name in enumerate(strata.names):
                here = fold[(fold["role"] == role) & (strata.rows == number)]
                table[role][name] = {"slides": len(here), "patients": int(here["patient_id"].nunique())}
        tables.append(table)
    return tables


def _summary(cohort: LabelledCohort, splits: dict[str, Any], task: Task) -> Summary:
    strata = task.strata(cohort.frame["label"].tolist())
    counts = ", ".join(f"{name} {(strata.rows == number).sum()}" for number, name in enumerate(strata.names))
    folds, scheme = len(splits["plan"]), splits["scheme"]
    assigned = ", all tested" if scheme == EXTERNAL else f" in {folds} {scheme} folds"
    bags = ", one bag per patient" if "bag" in splits else ""
    lines = [f"{splits['slides']} slides of {splits['patients']} patients ({counts}){assigned}{bags}"]
    lines += [f"left out, {reason}: {len(names)} ({', '.join(names[:3])})" for reason, names in cohort.excluded.items()]
    metrics = {"slides": splits["slides"], "patients": splits["patients"], "folds": folds}
    return Summary(tuple(lines), metrics)
