"""Models from experiments and prediction tables, joined on their slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from oceanpath.artifacts.predictions import read_cv_results
from oceanpath.artifacts.tested_slides import average_models
from oceanpath.errors import ExperimentError, shorten_list
from oceanpath.evaluation.model_rows import VariantRows, check_same_task, match_seeds, read_test_rows
from oceanpath.evaluation.prediction_file import PredictionColumns, read_prediction_file
from oceanpath.tasks.base import Task

MARKS = ("selected", "seen_in_pretraining")


@dataclass(frozen=True)
class ComparedModel:
    """The test predictions of one model."""

    name: str
    task: Task
    frame: pd.DataFrame
    """One row per slide and repeat, indexed by both as text."""
    has_patients: bool = True
    marks: Sequence[str] = ()
    """Why its numbers are optimistic: those of `MARKS`."""


def read_model(name: str, path: Path, wanted: PredictionColumns) -> ComparedModel:
    """A folder that `train` published, or a table of predictions. Raises: OceanPathError: it is not valid."""
    if path.is_dir():
        task, frame = read_test_rows(path, name)
        results = read_cv_results(path)
        return ComparedModel(name, task, frame, marks=[mark for mark in MARKS if results.get(mark)])
    read = read_prediction_file(path, wanted)
    frame = read.rows.frame.assign(repeat=0, seed=0, n_seeds=1)
    has_patients = not any(note.startswith("no_patients") for note in read.notes)
    return ComparedModel(name, read.rows.task, frame.set_index(frame["slide_id"]).sort_index(), has_patients)


def join_models(models: Sequence[ComparedModel]) -> tuple[VariantRows, list[str]]:
    """The slides that all models predicted, and what a reader should know about the join.

    Raises:
        StageError: the models predict different targets.
        ExperimentError: no slide is common, or models disagree on a label or a patient.
    """
    for model in models[1:]:
        check_same_task(models[0].task, model.task, model.name)
    frames, notes = match_seeds({model.name: model.frame for model in models}), list[str]()
    if len({tuple(sorted(set(frame["repeat"]))) for frame in frames.values()}) > 1:
        frames = {model.name: _averaged(model) for model in models}
        notes.append("the models have different numbers of repeats, so each slide has the mean of all its predictions")
    common = sorted(set.intersection(*(set(frame.index) for frame in frames.values())))
    if not common:
        examples = {name: shorten_list(frame.index, 2) for name, frame in frames.items()}
        got = "; ".join(f"{name}: {shown}" for name, shown in examples.items())
        raise ExperimentError("the models have no common slide", got=got, do="Use the same slide ids in all of them.")
    for name, frame in frames.items():
        if dropped := sorted(set(frame.index) - set(common)):
            what = f"{len(dropped)} of {len(frame)} rows are left out, because another model lacks them"
            notes.append(f"{name}: {what}: {shorten_list(dropped)}")
    joined = {name: frame.loc[common] for name, frame in frames.items()}
    _check_agreement(joined, "label", [model.name for model in models])
    with_patients = [model.name for model in models if model.has_patients]
    _check_agreement(joined, "patient_id", with_patients)
    if with_patients:
        owner = joined[with_patients[0]]["patient_id"]
        joined = {name: frame.assign(patient_id=owner) for name, frame in joined.items()}
    else:
        notes.append("no_patients: no table names patients, so slides are counted as independent")
    notes += [f"{model.name} is {mark}: its numbers are optimistic" for model in models for mark in model.marks]
    return VariantRows.of(models[0].task, joined), notes


def _averaged(model: ComparedModel) -> pd.DataFrame:
    frame = average_models(model.frame.reset_index(drop=True), model.task.columns).assign(repeat=0, seed=0, n_seeds=1)
    return frame.set_index(frame["slide_id"]).sort_index()


def _check_agreement(frames: Mapping[str, pd.DataFrame], column: str, names: Sequence[str]) -> None:
    """Raise ExperimentError where models disagree on a column."""
    for name in names[1:]:
        own, other = frames[names[0]][column].astype(str), frames[name][column].astype(str)
        if (wrong := own != other).any():
            slide = own.index[wrong][0]
            got = f"{int(wrong.sum())} slides, first {slide}: {own[slide]} and {other[slide]}"
            do = "Correct the tables: the models must be tested on the same cohort."
            raise ExperimentError(f"{names[0]} and {name} disagree on {column}", where=name, got=got, do=do)
