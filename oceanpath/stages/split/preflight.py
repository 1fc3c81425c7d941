"""Problems that would prevent a split, reported before any slide is opened."""

from __future__ import annotations

from oceanpath.errors import ExperimentError
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.split.settings import SplitSettings
from oceanpath.stages.tables import ExpectedPatients


def preflight(settings: SplitSettings, sources: ParentSources) -> Preview:
    """Read the label table, join it with the slides that are expected, and assign the patients to folds.

    Raises: OceanPathError: as `join` and `choose_folds` do; blank and failing slides are not known yet.
    """
    if settings.labels is None and settings.cohort:
        where = f"[[data.external]] {settings.cohort}"
        do = "Set its key labels to a csv, tsv, parquet or xlsx file."
        raise ExperimentError("there is no label table", where=where, do=do)
    if settings.labels is None or not settings.labels.exists():
        return Preview()
    from oceanpath.stages.split.assign_folds import assigned_patients, choose_folds
    from oceanpath.stages.split.cohort import StoredSlides, join  # loads pandas
    from oceanpath.stages.split.patients import patients_of
    from oceanpath.stages.split.work import READ_STORED, read_stored, remarks

    expected, store = sources.expected.get("mmap"), sources.get("mmap")
    stored = None if expected is None else StoredSlides(expected.slides, left_out=expected.left_out)
    if store is not None:
        sources.check("mmap", READ_STORED)
        stored = read_stored(store)
    cohort = join(settings, settings.labels, stored)
    patients = patients_of(cohort.frame, cohort.columns, settings)
    folds = choose_folds(patients, settings)
    absent = tuple(name for name in patients.strata if name not in set(patients.frame["stratum"]))
    expected = ExpectedPatients(assigned_patients(patients, folds), absent)
    return Preview(notes=tuple(remarks(cohort, settings)), expected=expected)
