"""Problems of an external cohort that are known before any work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from oceanpath.errors import collected
from oceanpath.pipeline.stage import ParentSources, Preview
from oceanpath.stages.external.settings import ExternalSettings

if TYPE_CHECKING:
    from oceanpath.stages.tables import ExpectedSlides


def preflight(settings: ExternalSettings, sources: ParentSources) -> Preview:
    """Compare the patients and the kind of features with those of the training cohort, and report missing classes."""
    from oceanpath.stages.external import feature_kind, independence  # loads pandas

    own, training = _patients(sources, "split"), _patients(sources, "training.split")
    problems = [] if own is None or training is None else independence.same_patients(own.patients, training.patients)
    folders = (settings.features, settings.training_features)
    if folders[0] is not None and folders[1] is not None and folders[0].is_dir() and folders[1].is_dir():
        external = (folders[0], settings.features_key)
        problems += feature_kind.other_files(external, (folders[1], settings.training_features_key), settings.level)
    weights = independence.weight_files(sources.get("training.pretrain"), settings.aggregator_weights)
    if own is not None:
        with collected(problems):
            independence.seen_in_pretraining(weights, own.patients, allowed=settings.allows_seen_patients)
    absent = () if own is None else own.absent
    notes = [f"no slide of class {name}; metrics that need every class are undefined" for name in absent]
    return Preview(tuple(problems), tuple(notes))


def _patients(sources: ParentSources, parent: str) -> ExpectedSlides | None:
    """The slides that a `split` assigned or will assign; None if unknown."""
    from oceanpath.stages.external.cohorts import labelled_slides, patients_of
    from oceanpath.stages.tables import ExpectedSlides

    folder = sources.get(parent)
    if folder is None:
        expected: ExpectedSlides | None = sources.expected.get(parent)
        return expected
    slides = labelled_slides(folder)
    return ExpectedSlides(patients_of(slides), _absent(folder, slides["label"].tolist()))


def _absent(folder: Path, labels: list[str]) -> tuple[str, ...]:
    """The classes without a label."""
    from oceanpath.artifacts.folds import read_splits
    from oceanpath.tasks.registry import read_task

    strata = read_task(read_splits(folder), folder).strata(labels)
    return tuple(name for number, name in enumerate(strata.names) if number not in set(strata.rows.tolist()))
