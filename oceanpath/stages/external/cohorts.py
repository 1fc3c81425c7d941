"""The external cohort and the training cohort, after every check that they are independent and of the same kind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from oceanpath.artifacts.folds import read_fold, read_splits
from oceanpath.artifacts.patient_bags import one_row_per_slide
from oceanpath.artifacts.store.patients import bags_of, open_bags, slides_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.errors import refuse
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.external.feature_kind import other_features
from oceanpath.stages.external.independence import same_patients, same_slides, seen_in_pretraining, weight_files
from oceanpath.stages.external.settings import ExternalSettings


class LabelledStore(NamedTuple):
    """The bags of a cohort and its slides."""

    store: Store
    slides: pd.DataFrame
    """As `labelled_slides` returns them."""


class Cohorts(NamedTuple):
    """Both cohorts."""

    external: LabelledStore
    training: LabelledStore
    seen: list[str]
    """Patients of the external cohort who were used for pretraining, if that is allowed."""


def labelled_slides(split: Path) -> pd.DataFrame:
    """The slides of all folds, one row per slide; `fitted` states whether any fold trains or validates on it."""
    rows = pd.concat([read_fold(split, number) for number in range(read_splits(split)["folds"])])
    fitted = set(rows.loc[rows["role"] != "test", "slide_id"])
    slides = rows.drop_duplicates("slide_id").sort_values("slide_id", ignore_index=True).drop(columns="role")
    return slides.assign(fitted=slides["slide_id"].isin(fitted))


def patients_of(slides: pd.DataFrame) -> dict[str, str]:
    """Slide → patient."""
    return dict(zip(slides["slide_id"], slides["patient_id"], strict=True))


def read_cohorts(settings: ExternalSettings, inputs: Inputs) -> Cohorts:
    """Both cohorts.

    Raises: ExperimentError: they share patients or slides, or their features are not of the same kind. GateError:
        patients were used for pretraining. ArtifactError: an input is damaged.
    """
    external, training = (
        LabelledStore(
            open_bags(inputs[f"{of}mmap"], inputs[f"{of}split"], check=inputs.verify),
            labelled_slides(inputs[f"{of}split"]),
        )
        for of in ("", "training.")
    )
    where, patients = f"[[data.external]] {settings.cohort}", patients_of(external.slides)
    problems = same_patients(patients, patients_of(training.slides), where)
    kinds = [(store.dim, store.index.encoder) for store, _ in (external, training)]
    problems += other_features(kinds[0], kinds[1], where)
    if external.store.dim == training.store.dim:
        trained = one_row_per_slide(training.slides, bags_of(training.store))["slide_id"].tolist()
        problems += same_slides(slides_of(external.store), slides_of(training.store), trained, where)
    refuse(problems)
    weights = weight_files(inputs.get("training.pretrain"), settings.aggregator_weights)
    seen = seen_in_pretraining(weights, patients, allowed=settings.allows_seen_patients, where=where)
    return Cohorts(external, training, seen)
