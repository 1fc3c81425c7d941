"""Problems of an external cohort that are known before any work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.external.settings import ExternalSettings

if TYPE_CHECKING:
    from oceanpath.stages.tables import ExpectedPatients


def preflight(settings: ExternalSettings, sources: ParentSources) -> Preview:
    """Compare the patients and the kind of features with those of the training cohort, and report missing classes."""
    from oceanpath.stages.external.independence import other_files, same_patients  # loads pandas

    where = f"[[data.external]] {settings.cohort}"
    own, training = _patients(sources, "split"), _patients(sources, "training.split")
    problems = [] if own is None or training is None else same_patients(own.patients, training.patients, where)
    folders = (settings.features, settings.training_features)
    if folders[0] is not None and folders[1] is not None and folders[0].is_dir() and folders[1].is_dir():
        external = (folders[0], settings.features_key)
        problems += other_files(external, (folders[1], settings.training_features_key), where)
    absent = () if own is None else own.absent
    notes = [f"{where}: no slide of class {name}; metrics that need every class are undefined" for name in absent]
    return Preview(tuple(problems), tuple(notes))


def _patients(sources: ParentSources, parent: str) -> ExpectedPatients | None:
    """The patients that a `split` assigned or will assign; None if unknown."""
    from oceanpath.stages.external.independence import labelled_slides
    from oceanpath.stages.tables import ExpectedPatients

    folder = sources.get(parent)
    if folder is None:
        expected: ExpectedPatients | None = sources.expected.get(parent)
        return expected
    slides = labelled_slides(folder)
    return ExpectedPatients(frozenset(slides["patient_id"]), _absent(folder, slides["label"].tolist()))


def _absent(folder: Path, labels: list[str]) -> tuple[str, ...]:
    """The classes without a label."""
    from oceanpath.artifacts.folds import read_splits
    from oceanpath.tasks.registry import read_task

    strata = read_task(read_splits(folder), folder).strata(labels)
    return tuple(name for number, name in enumerate(strata.names) if number not in set(strata.rows.tolist()))
