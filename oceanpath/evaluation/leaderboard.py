"""Models of a workspace ranked by their main metric on the same slides, with seeds collapsed to their mean.

Models are compared where they were tested on the same slides with the same labels. The metric of a model is the mean
over its seeds (and repeats); its interval and its difference to the best model resample the patients of all seeds
jointly. A model shares the rank of a better one unless the interval of their difference excludes 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oceanpath.artifacts import predictions
from oceanpath.artifacts.external import ENSEMBLE
from oceanpath.artifacts.metrics import read_metrics
from oceanpath.errors import OceanPathError
from oceanpath.evaluation.model_rows import read_test_rows
from oceanpath.evaluation.options import IntervalOptions
from oceanpath.stats.paired import PairedDifference, paired_difference
from oceanpath.stats.repeats import mean_over_repeats
from oceanpath.stats.resample import Bootstrap, Resamples, draw_patients
from oceanpath.stats.seed_noise import seed_noise, spread
from oceanpath.tasks.base import Task
from oceanpath.tasks.evaluation import Floats
from oceanpath.tasks.registry import read_task

MARKS = ("selected", "seen_in_pretraining")


@dataclass(frozen=True)
class Entry:
    """The published predictions of one model for one cohort."""

    model: str
    seeds: tuple[int, ...]
    """Seeds of training. For an external cohort, the models of all seeds are one ensemble."""
    cohort: str
    """Name of the external cohort; "" for the cohort of the cross-validation."""
    folder: Path
    """What `train`, or `external`, published."""


@dataclass
class _Ranked:
    """A model on the slides of one cohort."""

    name: str
    seeds: list[int] = field(default_factory=list)
    values: list[list[Floats]] = field(default_factory=list)
    """Per seed, the values [n, K] of each repeat."""
    marks: set[str] = field(default_factory=set)


def leaderboard(entries: Sequence[Entry], options: IntervalOptions) -> tuple[list[dict[str, Any]], list[str]]:
    """One object per cohort and model, best first, and what could not be read.

    The keys are "cohort", "metric", "model", "rank", "seeds", "mean", "spread" (standard deviation over the seeds, null
    for one), "low", "high", "versus_best" (a record, null for the best; "is_within_seed_noise" where seeds are known),
    "n", "n_patients" and "marks".
    """
    cohorts: dict[tuple[str, ...], tuple[Task, pd.DataFrame, dict[str, _Ranked]]] = {}
    problems = []
    for entry in entries:
        try:
            task, frame, marks = _read(entry)
        except OceanPathError as error:
            problems.append(f"{entry.model}, seed {', '.join(map(str, entry.seeds))}: {error.render()}")
            continue
        slides = frame.drop_duplicates("slide_id").sort_values("slide_id")
        key = (entry.cohort, task.name, *task.columns, *slides["slide_id"], *slides["label"].astype(str))
        _, _, models = cohorts.setdefault(key, (task, slides, {}))
        model = models.setdefault(entry.model, _Ranked(entry.model))
        _add(model, entry, frame, task, len(slides))
        model.marks |= marks
    names = _cohort_names([(key[0], models) for key, (_, _, models) in cohorts.items()])
    rows = [
        row
        for name, (task, slides, models) in zip(names, cohorts.values(), strict=True)
        for row in _rank(name, task, slides, list(models.values()), options)
    ]
    return rows, problems


def _add(model: _Ranked, entry: Entry, frame: pd.DataFrame, task: Task, n: int) -> None:
    """Add the seeds of an entry that the model does not have: the same seed and settings give the same predictions."""
    groups = [(entry.seeds, frame)]
    if len(entry.seeds) == frame["n_seeds"].iloc[0]:
        groups = [((seed,), frame[frame["seed"] == number]) for number, seed in enumerate(entry.seeds)]
    for seeds, rows in groups:
        if set(seeds) <= set(model.seeds):
            continue
        model.seeds += [seed for seed in seeds if seed not in model.seeds]
        repeats = [rows[rows["repeat"] == number].sort_values("slide_id") for number in sorted(set(rows["repeat"]))]
        model.values.append([task.values(one) for one in repeats if len(one) == n])


def _read(entry: Entry) -> tuple[Task, pd.DataFrame, set[str]]:
    if entry.cohort:
        results = read_metrics(entry.folder)
        task = read_task(results, entry.folder)
        frame = predictions.read_predictions(entry.folder / ENSEMBLE, task).assign(repeat=0, seed=0, n_seeds=1)
    else:
        results = predictions.read_cv_results(entry.folder)
        task, frame = read_test_rows(entry.folder, entry.model)
    return task, frame.reset_index(drop=True), {mark for mark in MARKS if results.get(mark)}


def _cohort_names(cohorts: Sequence[tuple[str, dict[str, _Ranked]]]) -> list[str]:
    """The external cohort, or the first model that was tested on a cohort; each name once."""
    names, counts = [], defaultdict[str, int](int)
    for external, models in cohorts:
        name = external or f"cohort of {next(iter(models))}"
        counts[name] += 1
        names.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return names


def _rank(
    cohort: str, task: Task, slides: pd.DataFrame, models: Sequence[_Ranked], options: IntervalOptions
) -> list[dict[str, Any]]:
    targets, main = task.targets(slides["label"].tolist()), task.main_metric
    patients = slides["patient_id"].astype(str).tolist()
    drawn = draw_patients(patients, task.resampling_strata(targets), resamples=options.resamples, seed=options.seed)
    found = {model.name: _mean(task, model, targets, drawn) for model in models}
    order = sorted(models, key=lambda model: -(found[model.name].values[main] or 0.0))
    by_seed = {model.name: _by_seed(task, model, targets, drawn) for model in models}
    leader, rank, rows = order[0], 1, []
    for place, model in enumerate(order, 1):
        if _difference(found, model, leader, main, options).verdict == "worse":
            leader, rank = model, place
        estimate = found[model.name].estimate(main, options.confidence)
        versus = None if model is order[0] else _difference(found, model, order[0], main, options).record()
        noise = seed_noise(by_seed[model.name], by_seed[order[0].name])
        if versus is not None and versus["value"] is not None and noise is not None:
            versus["is_within_seed_noise"] = abs(versus["value"]) < noise
        rows.append(
            {
                "cohort": cohort,
                "metric": task.main_title,
                "model": model.name,
                "rank": rank,
                "seeds": sorted(model.seeds),
                "mean": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                "spread": spread(by_seed[model.name]),
                "versus_best": versus,
                "n": len(slides),
                "n_patients": drawn.counts.shape[1],
                "marks": sorted(model.marks),
            }
        )
    return rows


def _by_seed(task: Task, model: _Ranked, targets: Any, drawn: Resamples) -> list[float | None]:
    """The main metric of every seed."""
    return [_mean(task, replace(model, values=[one]), targets, drawn).values[task.main_metric] for one in model.values]


def _difference(
    found: dict[str, Bootstrap], model: _Ranked, other: _Ranked, main: str, options: IntervalOptions
) -> PairedDifference:
    return paired_difference(found[model.name], found[other.name], (main, main), options.confidence)


def _mean(task: Task, model: _Ranked, targets: Any, drawn: Resamples) -> Bootstrap:
    """The mean of the main metric over seeds and repeats, on the same resamples of patients."""
    every = [task.compare(targets, values, drawn) for seed in model.values for values in seed]
    # Percentiles for all models: an interval in closed form is that of one set of predictions.
    resampled = [replace(one, influences={}, closed={}) for one in every]
    rows = [np.arange(len(targets))] * len(every)
    return mean_over_repeats(resampled, rows, drawn, len(targets))
