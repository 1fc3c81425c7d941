"""Facts of the bundle about its model, from the stages that published them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts.bag_unit import unit_of
from oceanpath.artifacts.bundle.facts import CohortFacts, EstimateFacts, FinalFacts, Performance
from oceanpath.artifacts.bundle.training_slides import TrainingSlides
from oceanpath.artifacts.bundle.value_facts import ValuePerformance
from oceanpath.artifacts.features.files import find_features, read_meta
from oceanpath.artifacts.patient_bags import one_row_per_slide
from oceanpath.artifacts.predictions import read_embeddings
from oceanpath.artifacts.store.patients import bags_of, slides_of
from oceanpath.artifacts.store.reader import Store
from oceanpath.pipeline.stage import Inputs
from oceanpath.stages.export.card import NAMES
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Targets
from oceanpath.tasks.registry import read_task

NOT_EVALUATED = (
    "The ensemble itself was not evaluated, because every patient of the cohort is in the training or validation data "
    "of some members."
)
EVALUATED = (
    "The ensemble itself was evaluated on external cohorts only (see below), because every patient of the training "
    "cohort is in the training or validation data of some members."
)
OF_MEMBERS = (
    "{ensemble} The metrics are those of single members: every slide was predicted once, by the member whose "
    "training and validation data exclude its patient."
)
OF_THE_MODEL = (
    "The metrics are those of the model in this bundle, on patients outside its training and validation data."
)
OF_INNER_ENSEMBLES = (
    "{ensemble} The metrics are those of smaller ensembles: every slide was predicted by the mean of the members "
    "of its outer fold, whose training and validation data exclude its patient."
)
OF_THE_FOLDS = (
    "The bundle has {description}. The metrics are those of the models of all folds: every slide was predicted by "
    "models whose training and validation data exclude its patient."
)
OF_REPEATS = (
    "The metrics are means over {repeats}, and each is of members whose training and validation data exclude "
    "the tested patients. With the mean of all such members of a slide ({models} of {members}), the "
    "slide-level {title} is {value}."
)


def describe_cohort(train: Path, folds: Iterable[int], store: Store, task: Task) -> CohortFacts:
    """Slides and patients of the training and inner validation sets of these folds; patches are those of a bag."""
    bags = _fitted_slides(train, folds).drop_duplicates("slide_id")
    lengths = np.asarray([store.length(store.number(name)) for name in bags["slide_id"]])
    slides = one_row_per_slide(bags, bags_of(store))
    strata = task.strata(slides["label"].tolist())
    return CohortFacts(
        slides=len(slides),
        patients=int(slides["patient_id"].nunique()),
        slides_per_class={name: int((strata.rows == i).sum()) for i, name in enumerate(strata.names)},
        patches_median=int(np.median(lengths)),
        patches_max=int(lengths.max()),
    )


def training_patients(train: Path, folds: Iterable[int]) -> dict[str, str]:
    """Slide → patient of the training and inner validation sets of these folds."""
    kept = _fitted_slides(train, folds)
    return dict(zip(kept["slide_id"], kept["patient_id"], strict=True))


def training_targets(train: Path, folds: Iterable[int], task: Task) -> Targets:
    """Targets of the slides of the training and inner validation sets of these folds, each slide once."""
    return task.targets(_fitted_slides(train, folds).drop_duplicates("slide_id")["label"].tolist())


def _fitted_slides(train: Path, folds: Iterable[int]) -> pd.DataFrame:
    """The rows of the training and inner validation sets of these folds; a slide may be in several folds."""
    tables = pd.concat([read_embeddings(train / f"fold_{number}")[1] for number in folds])
    return tables[tables["role"] != "test"]


def hash_slides(inputs: Inputs, names: Sequence[str], store: Store) -> TrainingSlides:
    """Hashes of the slides of these bags of a store: of their features and, if `extract` made them, of their files."""
    bags, slides = bags_of(store), slides_of(store)
    names = [slide for name in names for slide in bags.get(name, (name,))]
    extract = inputs.get("extract")
    features = {} if extract is None else find_features(extract)
    files = [features[name] for name in names if name in features]
    if extract is not None:
        inputs.check("extract", [file.relative_to(extract).as_posix() for file in files])
    digests = [read_meta(file).slide_digest for file in files]
    return TrainingSlides.of((slides.stored(slides.number(name)) for name in names), digests)


def describe_performance(
    metrics: Mapping[str, Any], members: int, *, has_external: bool = False, final: FinalFacts | None = None
) -> Performance:
    """The metrics of the evaluation with their intervals, and their meaning.

    Args:
        metrics: metrics.json.
        members: Number of models in the bundle.
        has_external: Whether they are evaluated on external cohorts.
        final: The choice of a single model.
    """
    baselines = {name: estimate_facts(group["auroc"]) for name, group in metrics["floor"].items()}
    return Performance(
        meaning=_meaning(metrics, members, has_external=has_external, final=final) + _seen(metrics),
        selected=bool(metrics["selected"]),
        slide=_level(metrics["level"]["slide"]),
        patient=_level(metrics["level"]["patient"]),
        floor_auroc=baselines,
        decisions=_decisions(metrics["operating_point"], unit_of(metrics)),
    )


def _decisions(point: Mapping[str, Any] | None, unit: str) -> dict[str, EstimateFacts]:
    """Sensitivity and specificity of an operating point; of each label, if there are several."""
    own = {} if point is None else point.get(unit, {})
    return {name: estimate_facts(own[name]) for name in own if name.startswith(("sensitivity", "specificity"))}


def describe_values(
    metrics: Mapping[str, Any],
    members: int,
    task: Task,
    *,
    has_external: bool = False,
    final: FinalFacts | None = None,
) -> ValuePerformance:
    """As `describe_performance`, for a task without classes: all its metrics, and the main metric of its baselines."""
    slide, patient = metrics["level"]["slide"], metrics["level"]["patient"]
    return ValuePerformance(
        meaning=_meaning(metrics, members, has_external=has_external, final=final) + _seen(metrics),
        selected=bool(metrics["selected"]),
        main_metric=task.main_metric,
        slide={name: estimate_facts(record) for name, record in slide.items()},
        patient={name: estimate_facts(record) for name, record in patient.items()},
        baselines={name: estimate_facts(group[task.main_metric]) for name, group in metrics["floor"].items()},
        decisions=_decisions(metrics["operating_point"], unit_of(metrics)),
    )


def _meaning(metrics: Mapping[str, Any], members: int, *, has_external: bool, final: FinalFacts | None) -> str:
    """What the metrics of the evaluation estimate."""
    if final is not None:
        return OF_THE_FOLDS.format(description=final.description)
    if members == 1:
        return OF_THE_MODEL
    ensemble = EVALUATED if has_external else NOT_EVALUATED
    if metrics.get("ensemble") is not None:
        return _of_repeats(metrics, members)
    return (OF_INNER_ENSEMBLES if metrics["scheme"] == "nested" else OF_MEMBERS).format(ensemble=ensemble)


def _of_repeats(metrics: Mapping[str, Any], members: int) -> str:
    """The meaning of metrics of several repeats, with the result of the mean of all models of a slide."""
    task, ensemble = read_task(metrics, "metrics.json"), metrics["ensemble"]
    models, record = ensemble["models"], ensemble[unit_of(metrics)][task.main_metric]
    value = "undefined" if record["value"] is None else f"{record['value']:.3f}"
    if record.get("low") is not None:
        value += f" ({record['low']:.3f} to {record['high']:.3f})"
    counts, repeats = f"from {models['fewest']} to {models['most']}", f"{metrics['repeats']} repeats"
    if "seeds" in metrics:
        repeats = f"{metrics['repeats']} trainings with different seeds"
        counts = str(models["most"]) if models["fewest"] == models["most"] else counts
    names = {"repeats": repeats, "models": counts, "members": members}
    return OF_REPEATS.format(title=task.main_title, value=value, **names)


def _seen(metrics: Mapping[str, Any]) -> str:
    """A sentence for metrics of patients that were used for pretraining."""
    seen = metrics.get("seen_in_pretraining")
    return f" {seen} of the tested patients were used for pretraining, so no metric is unbiased." if seen else ""


def _level(group: Mapping[str, Any]) -> dict[str, EstimateFacts]:
    return {name: estimate_facts(group[name]) for name in NAMES if name in group}


def estimate_facts(record: Mapping[str, Any]) -> EstimateFacts:
    """A record of metrics.json."""
    kept = {key: record.get(key) for key in ("value", "low", "high", "n")}
    return EstimateFacts(**kept, reason=record.get("reason") or "")
