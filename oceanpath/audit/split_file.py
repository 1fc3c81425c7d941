"""The slides and patients in several roles of a split file of another tool."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from oceanpath.artifacts.audit_report import Finding
from oceanpath.artifacts.cohort.id_match import match
from oceanpath.artifacts.cohort.ids import describe_missing
from oceanpath.artifacts.cohort.table import TableQuery, read_cohort
from oceanpath.artifacts.split_files.base import SplitFile, in_fold_order
from oceanpath.audit.overlaps import COLUMNS, shared_units
from oceanpath.errors import ExperimentError, shorten_list

BARCODE_PARTS = 3
"""A TCGA barcode names the patient in its first parts: TCGA-05-4250."""


def audit_split_file(source: SplitFile, owner: dict[str, str]) -> list[Finding]:
    """The findings for a split file, from the patient of each of its slides."""
    rows = [(f"{row.repeat}:{row.fold}" if row.repeat else row.fold, row.name, row.role) for row in source.rows]
    order = {fold: number for number, fold in enumerate(in_fold_order(fold for fold, _, _ in rows))}
    rows.sort(key=lambda row: (order[row[0]], owner[row[1]], row[1]))
    roles = pd.DataFrame([(fold, name, owner[name], role) for fold, name, role in rows], columns=COLUMNS)
    units = ("slide", "patient") if source.unit == "slide" else ("patient",)
    return [shared_units(roles, unit) for unit in units]


def patients_by_barcode(source: SplitFile) -> dict[str, str]:
    """Slide → patient, by TCGA barcode; a file of patients names them itself.

    Raises: ExperimentError: an id is no TCGA barcode.
    """
    names = sorted({row.name for row in source.rows})
    if source.unit == "patient":
        return {name: name for name in names}
    if wrong := [name for name in names if not name.startswith("TCGA-") or name.count("-") < BARCODE_PARTS - 1]:
        got = f"{len(wrong)}: {shorten_list(wrong)}"
        raise ExperimentError(
            "slide ids are no TCGA barcodes", where=source.path, got=got, do="Name a table with --labels."
        )
    return {name: "-".join(name.split("-")[:BARCODE_PARTS]) for name in names}


def patients_by_table(source: SplitFile, labels: Path, slide_id: str, patient_id: str) -> dict[str, str]:
    """Slide → patient, from a table.

    Raises: ExperimentError: the table lacks a column, a slide of the split file, or the patient of one.
    """
    read = read_cohort(labels, TableQuery(slide_id=slide_id, patient_id=patient_id))
    if "patient_id" in read.absent:
        do = "Name it with --patient-id."
        raise ExperimentError(f"no column '{patient_id}'", where=labels, do=do)
    names = sorted({row.name for row in source.rows})
    same = match(names, read.slide_ids)
    patient_of = dict(zip(read.slide_ids, read.patients, strict=True))
    missing = [name for name in names if not patient_of.get(same.get(name, ""))]
    if missing:
        got = f"{len(missing)}: {describe_missing(missing, read.slide_ids)}"
        do = "Complete the table, or set --patient-rule tcga_barcode for TCGA barcodes."
        raise ExperimentError("slides of the split file have no patient in the table", where=labels, got=got, do=do)
    return {name: patient_of[same[name]] for name in names}
