"""The patients and labels of the slides of a pretraining, and the patients that other experiments test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from oceanpath.artifacts.cohort.id_match import match, other_cohort
from oceanpath.artifacts.cohort.patient_rule import patients_of_slides, person_ids
from oceanpath.artifacts.cohort.table import CohortTable, TableQuery, read_cohort
from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.patient_bags import one_row_per_slide, read_patient_bags
from oceanpath.errors import ExperimentError, OceanPathError, collected, refuse, shorten_list
from oceanpath.stages.pretrain.settings import CohortKeys, PretrainSettings


class People(NamedTuple):
    """Who the slides are of."""

    patients: dict[str, str]
    """Slide id → patient id."""
    labels: dict[str, str]
    """Slide id → label; empty for methods without labels."""


def read_people(
    settings: PretrainSettings, table: Path | None, slides: Collection[str] | None, *, labelled: bool
) -> People:
    """The patients and labels of `slides`; of the rows of the table if the slides are not known yet.

    Args:
        settings: With the rule or the columns.
        table: The label table, if there is one.
        slides: Ids of the slides of the store.
        labelled: Whether the method learns labels.

    Raises: ExperimentError: slides without patients or, if `labelled`, without labels; all problems of the table.
    """
    keys, problems = settings.cohort_keys(), list[OceanPathError]()
    if table is None and (labelled or not keys.patient_rule):
        raise _unknown(keys, labelled=labelled)
    cells, patients, labels = None, dict[str, str](), dict[str, str]()
    if table is not None and (labelled or not keys.patient_rule):
        cells = _read_table(settings, keys if labelled else keys._replace(label=""), table, slides)
    of_rows = [] if cells is None else [name for name in cells.slide_ids if name]
    known = of_rows if slides is None else slides
    with collected(problems):
        if keys.patient_rule:
            patients = patients_of_slides(known, keys.patient_rule)
        elif cells is not None:
            patients = _of_slides(settings, cells, cells.patients, known, "patient")
    with collected(problems):
        if labelled and cells is not None:
            labels = _of_slides(settings, cells, cells.labels, known, "label")
    refuse(problems)
    if labelled:
        patients = {name: patient for name, patient in patients.items() if name in labels}
    return People(patients, labels)


def _unknown(keys: CohortKeys, *, labelled: bool) -> ExperimentError:
    where = f"[{keys.table}] labels"
    if labelled:
        return ExperimentError("the method learns labels, and there is no table of them", where=where)
    do = f'Set {keys.table}.labels, or {keys.table}.patient_rule = "tcga_barcode" or "slide".'
    return ExperimentError("the patients of the slides are unknown", where=where, do=do)


def _read_table(
    settings: PretrainSettings, keys: CohortKeys, path: Path, slides: Collection[str] | None
) -> CohortTable:
    query = TableQuery(
        slide_id=keys.slide_id,
        patient_id=keys.patient_id,
        label=keys.label,
        one_slide_per_patient=keys.one_slide_per_patient or bool(keys.patient_rule),
        encoding=settings.encoding,
        sheet=settings.sheet,
    )
    table = read_cohort(path, query)
    refuse(list(table.problems))
    if slides is not None and not match(table.slide_ids, slides, settings.match_ids):
        raise other_cohort(table.slide_ids, slides, path)
    return table


def _of_slides(
    settings: PretrainSettings, table: CohortTable, cells: Sequence[str], slides: Collection[str], what: str
) -> dict[str, str]:
    """Slide id → cell. Raises: ExperimentError: some slides have none, and that is not allowed."""
    slide_of = match(table.slide_ids, slides, settings.match_ids)
    rows = zip(table.slide_ids, cells, strict=True)
    of_slide = {slide_of[row]: cell for row, cell in rows if row in slide_of and cell}
    missing = [name for name in slides if name not in of_slide]
    if missing and not settings.allow_missing:
        do = "Complete the table, or set data.allow_missing = true to pretrain without them."
        message, where = f"{len(missing)} slides have no {what}", f"[{settings.cohort_keys().table}] labels"
        raise ExperimentError(message, where=where, got=shorten_list(missing), do=do)
    return of_slide


def slides_tested_elsewhere(patients: Mapping[str, str], splits: Sequence[Path]) -> list[str]:
    """Sorted ids of the slides whose patients are tested in any fold of the folders `splits`.

    Raises: ArtifactError: a folder has no folds.
    """
    tested = set[str]()
    for path in splits:
        bags = read_patient_bags(path)
        for number in range(int(read_splits(path)["folds"])):
            fold = one_row_per_slide(read_fold(path, number), bags)
            rows = fold[fold["role"] == "test"]
            for slide, patient in zip(rows["slide_id"], rows["patient_id"], strict=True):
                tested |= person_ids(slide, patient)
    hit = {patient for slide, patient in patients.items() if person_ids(slide, patient) & tested}
    return sorted(slide for slide, patient in patients.items() if patient in hit)
