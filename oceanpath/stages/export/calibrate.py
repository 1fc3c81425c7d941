"""Temperature and threshold of each member, from its own inner validation rows only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oceanpath.artifacts.bundle.facts import Calibration, MemberFacts, ThresholdFacts
from oceanpath.artifacts.predictions import read_predictions
from oceanpath.stats.calibration import TEMPERATURES, fit_temperature
from oceanpath.tasks.base import Task
from oceanpath.tasks.classification import Classification

FEWEST_ROWS = 20
"""With fewer validation slides a temperature depends on single slides; chosen before any result was known."""
RAW = "No temperature scaling: the probabilities are the softmax outputs, averaged over the members."
SCALED = "The logits of each member are divided by its temperature before the softmax; the probabilities are averaged."
BEFORE_REFIT = "from predictions before the refit on training and validation patients"
"""Where temperature and threshold come from, if `train.refit_fold` is set."""
OUT_OF_FOLD = "from inner validation predictions of the models of the folds"
"""The same for one model of all patients."""
REPORTED = "The evaluation uses the probabilities of one member per slide, before temperature scaling."
REPORTED_FOLDS = "The evaluation uses the probabilities of the models of all folds, before temperature scaling."
REPORTED_SEVERAL = "The evaluation uses the probabilities of several members per slide, before temperature scaling."


def calibrate_members(train: Path, results: dict[str, Any], *, fit_temperatures: bool) -> list[MemberFacts]:
    """One entry per fold, in fold order.

    Args:
        train: The published folder of the train stage.
        results: Its cv_results.json.
        fit_temperatures: Whether temperatures are fitted.
    """
    task = Classification.from_record(results, train)
    members = []
    for entry in results["per_fold"]:
        number = int(entry["fold"])
        temperature, reason, rows = _temperature(train / f"fold_{number}", task, is_fitted=fit_temperatures)
        if "refit" in entry:
            reason = f"{reason or 'fitted'}; {BEFORE_REFIT}"
        if entry.get("is_out_of_fold"):
            reason = f"{reason or 'fitted'}; {OUT_OF_FOLD}"
        raw = entry.get("threshold") if len(task.classes) == 2 else None
        members.append(
            MemberFacts(
                fold=number,
                n_val=rows,
                temperature=temperature,
                reason=reason,
                raw_threshold=raw,
                threshold=None if raw is None else move_threshold(float(raw), temperature),
            )
        )
    return members


def describe_calibration(
    members: Sequence[MemberFacts], *, several: bool = False, is_single: bool = False
) -> Calibration:
    """How the served probabilities are computed, as text.

    `several`: the evaluation combines members of a slide; `is_single`: it is of more models than the one in the bundle.
    """
    fitted = any(member.temperature != 1.0 for member in members)
    method = "temperature" if fitted else "none"
    reported = REPORTED_SEVERAL if several else REPORTED
    reported = REPORTED_FOLDS if is_single else reported
    return Calibration(method=method, served=SCALED if fitted else RAW, reported=reported)


def ensemble_threshold(
    members: Sequence[MemberFacts], task: Task, evaluated: Sequence[str] = (), *, is_refit: bool = False
) -> ThresholdFacts:
    """The mean of the members' thresholds on their calibrated probability of the last class.

    `evaluated`: names of the external cohorts on which the ensemble is evaluated; `is_refit`: whether the only member
    was trained on all patients.
    """
    classes = task.record()["classes"]
    if len(classes) != 2:
        return ThresholdFacts(value=None, positive=None, reason="a threshold needs exactly two classes")
    thresholds = [member.threshold for member in members if member.threshold is not None]
    if not thresholds:
        reason = "no member has validation rows of both classes"
        return ThresholdFacts(value=None, positive=classes[-1], reason=reason)
    reason = f"mean of {len(thresholds)} of {len(members)} members, each determined on inner validation rows (Youden)"
    if is_refit:
        reason = f"determined {OUT_OF_FOLD} (Youden); not evaluated for this model"
    elif evaluated:
        reason += f"; evaluated on external cohorts: {', '.join(evaluated)}"
    elif len(members) > 1:
        reason += "; not evaluated for the ensemble"
    return ThresholdFacts(value=round(float(np.mean(thresholds)), 9), positive=classes[-1], reason=reason)


def move_threshold(raw: float, temperature: float) -> float:
    """The threshold on calibrated probabilities with the decisions of `raw` on raw ones: sigmoid(logit(raw) / T)."""
    if not 0.0 < raw < 1.0:
        return raw
    return 1.0 / (1.0 + math.exp(-math.log(raw / (1.0 - raw)) / temperature))


def _temperature(folder: Path, task: Classification, *, is_fitted: bool) -> tuple[float, str, int]:
    frame = read_predictions(folder / "preds_val.parquet", task)
    labels = task.targets(frame["label"].tolist())
    if not is_fitted:
        return 1.0, "disabled (export.calibrate)", len(frame)
    if len(frame) < FEWEST_ROWS:
        return 1.0, f"{len(frame)} validation slides; {FEWEST_ROWS} are needed", len(frame)
    if len(np.unique(labels)) < len(task.classes):
        return 1.0, "a class is missing among the validation slides", len(frame)
    # Log-probabilities are logits up to a constant per row, which does not change a softmax.
    logits = np.log(np.maximum(task.values(frame), np.finfo(np.float64).tiny))
    fitted = fit_temperature(logits, labels).value
    if fitted in TEMPERATURES:
        return (
            1.0,
            "no temperature is optimal, because the validation slides are separable or uninformative",
            len(frame),
        )
    return round(fitted, 6), "", len(frame)
