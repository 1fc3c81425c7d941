"""The slides of a pretraining, their patients, and the patients that validate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oceanpath.artifacts.cohort.id_match import match, other_cohort
from oceanpath.artifacts.cohort.table import CohortTable, TableQuery, read_cohort
from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import ExperimentError, StageError, refuse, shorten_list
from oceanpath.fit.seeds import derive
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.pretrain.settings import PretrainSettings

TCGA = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(?![A-Za-z0-9])")
LEAST = 2
"""Minimum number of patients to train, and to validate."""


@dataclass(frozen=True)
class PretrainCohort:
    """The slides of one training."""

    folder: str
    """Of its files, below the output of the stage; "" for the output itself."""
    manifest: SplitManifest
    labels: dict[str, str]
    """Slide id → label; empty for methods without labels."""


def read_cohorts(settings: PretrainSettings, inputs: Inputs, store: Store, *, labelled: bool) -> list[PretrainCohort]:
    """One cohort, or one per fold.

    Raises: ExperimentError: slides without patients or, if `labelled`, without labels; no folds. StageError: too few
        patients.
    """
    if settings.rows == "fold_train":
        cohorts = _of_folds(settings, inputs, labelled=labelled)
    else:
        cohorts = [_of_store(settings, inputs, store, labelled=labelled)]
    for cohort in cohorts:
        for role, ids in (("training", cohort.manifest.train_ids), ("validation", cohort.manifest.val_ids)):
            count = len({cohort.manifest.patients[name] for name in ids})
            if count < LEAST:
                raise StageError(f"too few {role} patients", expected=f"at least {LEAST}", got=count)
    return cohorts


def _of_store(settings: PretrainSettings, inputs: Inputs, store: Store, *, labelled: bool) -> PretrainCohort:
    table = _read_table(settings, inputs, store) if settings.patient_rule == "table" or labelled else None
    if settings.patient_rule == "table":
        patients = _complete(_column(settings, table, store, "patients"), store, "patient", settings)
    else:
        patients = {name: _patient(name, settings.patient_rule) for name in store.slide_ids}
    labels = _complete(_column(settings, table, store, "labels"), store, "label", settings) if labelled else {}
    if labelled:
        patients = {name: patient for name, patient in patients.items() if name in labels}
    validating = _validation_patients(sorted(set(patients.values())), settings)
    ids = sorted(patients)
    return PretrainCohort("", _manifest(settings, patients, [n for n in ids if patients[n] in validating]), labels)


def _of_folds(settings: PretrainSettings, inputs: Inputs, *, labelled: bool) -> list[PretrainCohort]:
    split = inputs.get("split")
    if split is None:
        do = 'Add [split], or set pretrain.rows = "manifest".'
        raise ExperimentError("fold_train needs the folds of this experiment", where="[pretrain] rows", do=do)
    cohorts = []
    for number in range(int(read_splits(split)["folds"])):
        fold = read_fold(split, number)
        seen = fold[fold["role"] != "test"]
        patients = dict(zip(seen["slide_id"], seen["patient_id"], strict=True))
        validating = sorted(seen.loc[seen["role"] == "val", "slide_id"])
        labels = dict(zip(seen["slide_id"], seen["label"], strict=True)) if labelled else {}
        cohorts.append(PretrainCohort(f"fold_{number}", _manifest(settings, patients, validating), labels))
    return cohorts


def _manifest(settings: PretrainSettings, patients: dict[str, str], validating: Sequence[str]) -> SplitManifest:
    training = sorted(patients.keys() - set(validating))
    rule = "table" if settings.rows == "fold_train" else settings.patient_rule
    return SplitManifest(settings.rows, rule, settings.seed, training, list(validating), patients)


def _validation_patients(patients: list[str], settings: PretrainSettings) -> set[str]:
    """A random fraction of the patients, at least two, because slides of one patient are no negatives of each other."""
    count = min(max(LEAST, round(len(patients) * settings.val_fraction)), max(0, len(patients) - LEAST))
    order = np.random.default_rng(derive(settings.seed, "pretrain", "val")).permutation(len(patients))
    return {patients[k] for k in order[:count]}


def _patient(slide: str, rule: str) -> str:
    if rule == "slide":
        return slide
    barcode = TCGA.match(slide)
    if barcode is None:
        do = 'Set pretrain.patient_rule = "slide" if every slide is of another patient, or data.labels.'
        raise ExperimentError("the slide id is no TCGA barcode", where="[pretrain] patient_rule", got=slide, do=do)
    return barcode[0]


def _read_table(settings: PretrainSettings, inputs: Inputs, store: Store) -> CohortTable:
    demo = inputs.get("demo")
    path: Path | None = settings.labels or (None if demo is None else demo / "cohort.csv")
    if path is None:
        do = 'Set data.labels, or pretrain.patient_rule = "tcga_barcode" or "slide".'
        raise ExperimentError("the patients of the slides are unknown", where="[pretrain] patient_rule", do=do)
    query = TableQuery(
        slide_id=settings.slide_id,
        patient_id=settings.patient_id,
        label=settings.label,
        one_slide_per_patient=settings.one_slide_per_patient,
        encoding=settings.encoding,
        sheet=settings.sheet,
    )
    table = read_cohort(path, query)
    refuse([problem for problem in table.problems if settings.label not in problem.where])
    if not match(table.slide_ids, store.slide_ids, settings.match_ids):
        raise other_cohort(table.slide_ids, store.slide_ids, path)
    return table


def _column(settings: PretrainSettings, table: CohortTable | None, store: Store, name: str) -> dict[str, str]:
    assert table is not None, "it was read"
    slide_of = match(table.slide_ids, store.slide_ids, settings.match_ids)
    cells: list[str] = getattr(table, name)
    rows = zip(table.slide_ids, cells, strict=True)
    return {slide_of[row]: cell for row, cell in rows if row in slide_of and cell}


def _complete(cells: dict[str, str], store: Store, what: str, settings: PretrainSettings) -> dict[str, str]:
    """`cells`, if every slide of the store has one. Raises: ExperimentError: some have none."""
    missing = [name for name in store.slide_ids if name not in cells]
    if missing and not settings.allow_missing:
        do = "Complete the table, or set data.allow_missing = true to pretrain without them."
        got = shorten_list(missing)
        raise ExperimentError(
            f"{len(missing)} slides of the store have no {what}", where="[data] labels", got=got, do=do
        )
    return cells
