"""The slides of a pretraining: those that train and those that validate."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.patient_bags import one_row_per_slide, read_patient_bags
from oceanpath.artifacts.split_manifest import SplitManifest
from oceanpath.errors import ExperimentError, StageError
from oceanpath.fit.seeds import derive
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.pretrain.patients import People, read_people, slides_tested_elsewhere
from oceanpath.stages.pretrain.settings import PretrainSettings

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

    @property
    def label_names(self) -> list[str]:
        """The different labels, sorted; none for methods without labels."""
        return sorted(set(self.labels.values()))


def label_table(settings: PretrainSettings, demo: Path | None) -> Path | None:
    """The table of labels of the cohort, if there is one; `demo` is the output of that stage."""
    path = settings.cohort_keys().labels
    return demo / "cohort.csv" if path is None and demo is not None and settings.features is None else path


def read_cohorts(
    settings: PretrainSettings, inputs: Inputs, slides: Collection[str], *, labelled: bool
) -> list[PretrainCohort]:
    """One cohort of the `slides` of the store, or one per fold.

    Raises: ExperimentError: slides without patients or, if `labelled`, without labels; no folds. StageError: too few
        patients.
    """
    if settings.rows == "fold_train":
        return _of_folds(settings, inputs.get("split"), labelled=labelled)
    people = read_people(settings, label_table(settings, inputs.get("demo")), slides, labelled=labelled)
    return [cohort_of(settings, people)]


def cohort_of(settings: PretrainSettings, people: People) -> PretrainCohort:
    """The cohort of all patients whom no experiment of `exclude` tests. Raises: StageError: too few patients."""
    excluded = slides_tested_elsewhere(people.patients, settings.exclude)
    patients = {name: people.patients[name] for name in sorted(people.patients.keys() - set(excluded))}
    validating = _validation_patients(sorted(set(patients.values())), settings)
    val_ids = [name for name, patient in patients.items() if patient in validating]
    rule = settings.cohort_keys().patient_rule or "table"
    return _cohort("", _manifest(settings, rule, patients, val_ids, excluded), people.labels)


def _of_folds(settings: PretrainSettings, split: Path | None, *, labelled: bool) -> list[PretrainCohort]:
    if split is None:
        do = 'Add [split], or set pretrain.rows = "manifest".'
        raise ExperimentError("fold_train needs the folds of this experiment", where="[pretrain] rows", do=do)
    cohorts, bags = [], read_patient_bags(split)
    for number in range(int(read_splits(split)["folds"])):
        fold = one_row_per_slide(read_fold(split, number), bags)
        seen = fold[fold["role"] != "test"]
        patients = dict(zip(seen["slide_id"], seen["patient_id"], strict=True))
        excluded = set(slides_tested_elsewhere(patients, settings.exclude))
        kept = {name: patient for name, patient in patients.items() if name not in excluded}
        validating = sorted(set(seen.loc[seen["role"] == "val", "slide_id"]) - excluded)
        labels = dict(zip(seen["slide_id"], seen["label"], strict=True)) if labelled else {}
        manifest = _manifest(settings, "table", kept, validating, sorted(excluded))
        cohorts.append(_cohort(f"fold_{number}", manifest, labels))
    return cohorts


def _cohort(folder: str, manifest: SplitManifest, labels: dict[str, str]) -> PretrainCohort:
    for role, ids in (("training", manifest.train_ids), ("validation", manifest.val_ids)):
        count = len({manifest.patients[name] for name in ids})
        if count < LEAST:
            got = f"{count}; {len(manifest.excluded)} slides are excluded" if manifest.excluded else count
            raise StageError(f"too few {role} patients", expected=f"at least {LEAST}", got=got)
    return PretrainCohort(folder, manifest, {name: labels[name] for name in manifest.patients if name in labels})


def _manifest(
    settings: PretrainSettings, rule: str, patients: dict[str, str], validating: Sequence[str], excluded: list[str]
) -> SplitManifest:
    training = sorted(patients.keys() - set(validating))
    return SplitManifest(settings.rows, rule, settings.seed, training, list(validating), patients, excluded)


def _validation_patients(patients: list[str], settings: PretrainSettings) -> set[str]:
    """A random fraction of the patients, at least two, because slides of one patient are no negatives of each other."""
    count = min(max(LEAST, round(len(patients) * settings.val_fraction)), max(0, len(patients) - LEAST))
    order = np.random.default_rng(derive(settings.seed, "pretrain", "val")).permutation(len(patients))
    return {patients[k] for k in order[:count]}
