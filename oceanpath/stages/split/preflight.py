"""Problems that would prevent a split, reported before any slide is opened."""

from __future__ import annotations

from pathlib import Path

from oceanpath.errors import ExperimentError, OceanPathError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.tables import ExpectedSlides


def preflight(settings: SplitSettings, sources: ParentSources) -> Preview:
    """Read the label table, join it with the slides that are expected, and assign the patients to folds.

    Blank and failing slides are not known yet. If the table has problems, all of its slides are expected.
    """
    if settings.labels is None and settings.cohort:
        do = "Set its key labels to a csv, tsv, parquet or xlsx file."
        raise ExperimentError("there is no label table", do=do)
    if settings.labels is None or not settings.labels.exists():
        return Preview()
    from oceanpath.stages.split.assign_folds import assigned_slides, choose_folds
    from oceanpath.stages.split.cohort import StoredSlides, join  # loads pandas
    from oceanpath.stages.split.patients import patients_of
    from oceanpath.stages.split.work import READ_STORED, read_stored, remarks

    expected, store = sources.expected.get("mmap"), sources.get("mmap")
    stored = None if expected is None else StoredSlides(expected.slides, left_out=expected.left_out)
    if store is not None:
        sources.check("mmap", READ_STORED)
        stored = read_stored(store)
    try:
        cohort = join(settings, settings.labels, stored)
        settings.final_target(cohort.frame["label"].tolist())
        patients = patients_of(cohort.frame, cohort.columns, settings)
        settings.target().for_cohort(cohort.frame["label"].tolist())
        folds = choose_folds(patients, settings)
    except OceanPathError as error:
        return Preview(error.each or (error,), expected=_slides_of_table(settings, settings.labels))
    absent = tuple(name for name in patients.strata if name not in set(patients.frame["stratum"]))
    expected = ExpectedSlides(assigned_slides(patients, folds), absent)
    return Preview(notes=tuple(remarks(cohort, settings)), expected=expected)


def _slides_of_table(settings: SplitSettings, labels: Path) -> ExpectedSlides | None:
    """The slides of a table with problems, as far as it can be read."""
    from oceanpath.artifacts.cohort.patient_rule import patients_of_slides
    from oceanpath.artifacts.cohort.table import read_cohort

    try:
        table = read_cohort(labels, settings.question())
        patients = table.slide_ids if settings.one_slide_per_patient else table.patients
        if settings.patient_rule:
            patients = list(patients_of_slides(table.slide_ids, settings.patient_rule).values())
    except OceanPathError:  # one of the problems that are reported already
        return None
    return ExpectedSlides({s: p for s, p in zip(table.slide_ids, patients, strict=True) if p})
