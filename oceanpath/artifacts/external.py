"""An external cohort, scored by the models of a cross-validation.

    metrics.json                  as in `oceanpath.artifacts.metrics`, with "external": the name of the cohort; "level"
                                  has the metrics of the ensemble, "folds" those of the model of each fold
    member_predictions.parquet    one row per slide and model; `fold` is the fold of the model
    ensemble_predictions.parquet  one row per slide, the mean over all models; `fold` is 0

Both tables have the columns of `oceanpath.artifacts.predictions`; the role of every row is test. An operating point is
at the mean threshold of the models.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from oceanpath.artifacts import predictions
from oceanpath.artifacts.predictions import PredictedTask
from oceanpath.artifacts.tested_slides import FoldPlan, average_ensembles, read_plan
from oceanpath.errors import ArtifactError

MEMBERS, ENSEMBLE = "member_predictions.parquet", "ensemble_predictions.parquet"


def one_ensemble(models: int) -> FoldPlan:
    """The plan of models that all predict every slide."""
    return read_plan({"plan": [{"repeat": 0, "ensemble": 0, "name": ""}] * models})


def write_external(members: pd.DataFrame, out: Path, task: PredictedTask) -> pd.DataFrame:
    """Write the rows of all models and their means below `out`; returns the means."""
    predictions.write_predictions(members, out / MEMBERS, task)
    ensemble = average_members(members, task)
    predictions.write_predictions(ensemble, out / ENSEMBLE, task)
    return ensemble


def read_members(path: Path, task: PredictedTask) -> pd.DataFrame:
    """The rows of every model below `path`."""
    return predictions.read_predictions(path / MEMBERS, task)


def check_predictions(path: Path, task: PredictedTask) -> None:
    """Read both tables below `path`.

    Raises: ArtifactError: a table is damaged, a model lacks a slide, or the ensemble is not the mean of the models.
    """
    members, ensemble = read_members(path, task), predictions.read_predictions(path / ENSEMBLE, task)
    slides = members.groupby("fold")["slide_id"].agg(frozenset)
    if slides.nunique() != 1 or members.duplicated(["fold", "slide_id"]).any():
        raise ArtifactError("the models did not predict the same slides", where=path / MEMBERS)
    if not ensemble.equals(average_members(members, task)[predictions.columns(task)]):
        raise ArtifactError("the predictions of the ensemble are not the means of its models", where=path / ENSEMBLE)


def average_members(members: pd.DataFrame, task: PredictedTask) -> pd.DataFrame:
    """One row per slide: the mean over all models."""
    ordered = members.sort_values(["fold", "slide_id"], ignore_index=True)
    return average_ensembles(ordered, one_ensemble(int(members["fold"].max()) + 1), task.columns)
