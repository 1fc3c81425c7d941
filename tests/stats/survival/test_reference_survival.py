"""The statistics of fixed survival times are the same for ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oceanpath.errors import StageError
from oceanpath.stats.survival.brier import brier_over_time, integrated_brier
from oceanpath.stats.survival.concordance import default_tau, harrell, uno
from oceanpath.stats.survival.cox import baseline_hazard, fit_ridge
from oceanpath.stats.survival.d_calibration import d_calibration
from oceanpath.stats.survival.dynamic_auc import dynamic_auc, mean_dynamic_auc
from oceanpath.stats.survival.groups import log_rank, rmst, rmst_difference
from oceanpath.stats.survival.kaplan_meier import censoring_curve, check_times, kaplan_meier
from oceanpath.stats.survival.measures import (
    PredictedSurvival,
    brier_measure,
    brier_scores,
    concordance_measure,
    dynamic_auc_measure,
    rmst_measure,
    within_folds_measure,
)

from ...reference import check

N = 40
ROWS = np.arange(N)
TIME = (ROWS * 7 % 11 + ROWS % 3 + 1).astype(np.float64)
"""With ties, also of events and censored rows."""
EVENT = (ROWS * 5 % 7 < 4) & (TIME < 12)
RISK = np.round(np.sin(2.3 * ROWS) - 0.1 * TIME, 1)
GROUP = np.sin(2.3 * ROWS) > 0.2
AT = np.array([2.0, 5.0, 9.0])
SURVIVAL = np.exp(-np.exp(RISK)[:, None] * AT / 10)
KAPLAN, CENSORING = kaplan_meier(TIME, EVENT), censoring_curve(TIME, EVENT)
COUNTS = np.stack([np.ones(N, np.int32), (ROWS % 3).astype(np.int32), (ROWS % 2).astype(np.int32)])


def predicted(at: np.ndarray) -> PredictedSurvival:
    free_later, reference = (np.tile(curve.at(at), (N, 1)) for curve in (CENSORING, KAPLAN))
    curves = np.exp(-np.exp(RISK)[:, None] * at / 10)
    return PredictedSurvival(TIME, EVENT, RISK, curves, at, CENSORING.at(TIME), free_later, reference)


def test_they_are_the_same_for_ever() -> None:
    check("survival", numbers())


def numbers() -> dict[str, Any]:
    """Name → numbers of the fixed rows."""
    ranked, table = (TIME, EVENT, RISK), predicted(AT)
    weights = {"harrell": EVENT.astype(float), "uno": np.where(EVENT & (TIME < 9), 2.0 + np.cos(ROWS), 0.0)}
    measures = [
        concordance_measure(ranked, weights),
        within_folds_measure("within", ranked, ROWS % 2),
        brier_measure(table),
        dynamic_auc_measure(table),
        rmst_measure("rmst", ranked[:2], GROUP, 9.0),
    ]
    areas = dynamic_auc(TIME, EVENT, RISK, CENSORING, AT)
    covariates = np.stack([np.sin(ROWS), np.cos(1.3 * ROWS)], axis=1)
    hazard = baseline_hazard(RISK, TIME, EVENT)
    return {
        "kaplan meier": KAPLAN,
        "censoring": CENSORING,
        "at": KAPLAN.at(np.array([0.0, 1.0, 2.5, 20.0])),
        "median": [KAPLAN.median(), CENSORING.median()],
        "harrell": harrell(*ranked),
        "uno": uno(*ranked, CENSORING, 9.0),
        "tau": default_tau(CENSORING),
        "brier": brier_over_time(TIME, EVENT, SURVIVAL, CENSORING, AT),
        "integrated brier": integrated_brier(TIME, EVENT, SURVIVAL, (KAPLAN, CENSORING), AT),
        "dynamic auc": areas,
        "mean dynamic auc": mean_dynamic_auc(areas, AT, KAPLAN),
        "d calibration": d_calibration(np.exp(-np.exp(RISK) * TIME / 10), EVENT),
        "d calibration in four": d_calibration(np.r_[0.0, 1.0, 0.25, 0.0], np.array([True, True, False, False]), 4),
        "log rank": log_rank(TIME, EVENT, GROUP),
        "rmst": [rmst(KAPLAN, tau) for tau in (0.5, 4.0, 9.0)],
        "rmst difference": rmst_difference(TIME, EVENT, GROUP, 9.0, 0.9),
        "ridge": fit_ridge(covariates, TIME, EVENT, 0.5),
        "baseline hazard": hazard,
        "baseline at": hazard.at(np.array([0.5, 3.0, 30.0])),
        "baseline survival": hazard.survival(np.array([0.0, 1.0]), AT),
        "measures": [measure(COUNTS) for measure in measures],
        "one horizon": brier_measure(predicted(np.array([5.0])))(COUNTS),
        "scores": brier_scores(table),
    }


def test_groups_without_events_are_not_compared() -> None:
    time, group = np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False])
    found = log_rank(time, np.zeros(4, bool), group)
    assert found.statistic is None and found.p is None
    same = rmst_difference(time, np.zeros(4, bool), group, 2.0)
    assert (same.value, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)


def test_exchanged_groups_have_the_opposite_difference_and_the_same_p() -> None:
    there, back = (rmst_difference(TIME, EVENT, group, 9.0) for group in (GROUP, ~GROUP))
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert there.p == pytest.approx(back.p) and 0 < there.p <= 1


def test_a_curve_that_is_right_for_everyone_has_no_scaled_score() -> None:
    time, event, at = np.array([1.0, 2.0, 3.0]), np.ones(3, bool), np.array([0.25, 0.5])
    curves = kaplan_meier(time, event), censoring_curve(time, event)
    found = integrated_brier(time, event, np.ones((3, 2)), curves, at)
    assert (found.ibs, found.kaplan_meier) == (0.0, 0.0) and np.isnan(found.scaled)


@pytest.mark.parametrize("survival", [[-0.1, 0.5], [0.5, 1.1], [0.5], [np.nan, 0.5]])
def test_only_probabilities_are_calibrated(survival: list[float]) -> None:
    with pytest.raises(StageError, match="not one probability"):
        d_calibration(np.array(survival), np.ones(2, bool))
    with pytest.raises(StageError, match="not one probability"):
        d_calibration(np.empty(0), np.empty(0, bool))


@pytest.mark.parametrize(
    ("time", "event"), [([1.0, -1.0], [True, True]), ([1.0, np.inf], [True, True]), ([1.0], [True, True]), ([], [])]
)
def test_times_that_cannot_be_used_are_refused(time: list[float], event: list[bool]) -> None:
    with pytest.raises(StageError):
        check_times(np.array(time), np.array(event, bool))
