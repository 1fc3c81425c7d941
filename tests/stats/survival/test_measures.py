"""Metrics by weights equal the functions for single tables, and a weight of two equals a row that appears twice."""

from __future__ import annotations

import numpy as np
import pytest

from oceanpath.stats.survival.brier import integrated_brier
from oceanpath.stats.survival.concordance import harrell, uno
from oceanpath.stats.survival.cox import baseline_hazard, fit_ridge
from oceanpath.stats.survival.dynamic_auc import dynamic_auc, mean_dynamic_auc
from oceanpath.stats.survival.groups import rmst_difference
from oceanpath.stats.survival.kaplan_meier import censoring_curve, kaplan_meier
from oceanpath.stats.survival.measures import (
    PredictedSurvival,
    brier_measure,
    concordance_measure,
    dynamic_auc_measure,
    rmst_measure,
    within_folds_measure,
)

AT = np.array([2.0, 5.0, 9.0])
RANDOM = np.random.default_rng(5)
N = 60
TIME = np.ceil(RANDOM.exponential(8, N)) + 1.0  # with ties
EVENT = RANDOM.random(N) < 0.6
RISK = np.round(RANDOM.normal(size=N), 1)
SURVIVAL = np.exp(-np.exp(RISK)[:, None] * AT / 10)
TRAIN = kaplan_meier(TIME[::2], EVENT[::2]), censoring_curve(TIME[::2], EVENT[::2])
TAU = 9.0


def rows(own: np.ndarray) -> PredictedSurvival:
    kaplan, censoring = TRAIN
    constant = [np.tile(curve.at(AT), (len(own), 1)) for curve in (censoring, kaplan)]
    return PredictedSurvival(TIME[own], EVENT[own], RISK[own], SURVIVAL[own], AT, censoring.at(TIME[own]), *constant)


def measured(own: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    table, ranked = rows(own), (TIME[own], EVENT[own], RISK[own])
    counted = EVENT[own] & (TIME[own] < TAU)
    weights = {"harrell": EVENT[own].astype(float), "uno": np.where(counted, 1 / table.free**2, 0.0)}
    group = RISK[own] > 0
    measures = [
        concordance_measure(ranked, weights),
        within_folds_measure("within", ranked, own % 2),
        brier_measure(table),
        dynamic_auc_measure(table),
        rmst_measure("rmst", ranked[:2], group, TAU),
    ]
    return {name: float(value[0]) for measure in measures for name, value in measure(counts[None]).items()}


def test_with_equal_weights_they_are_the_functions_for_tables() -> None:
    found, at = measured(np.arange(N), np.ones(N, np.int32)), AT
    brier = integrated_brier(TIME, EVENT, SURVIVAL, TRAIN, at)
    assert found["harrell"] == pytest.approx(harrell(TIME, EVENT, RISK).value, abs=1e-6)
    assert found["uno"] == pytest.approx(uno(TIME, EVENT, RISK, TRAIN[1], TAU).value, abs=1e-6)
    assert (found["ibs"], found["ibs_scaled"]) == pytest.approx((brier.ibs, brier.scaled), abs=1e-12)
    areas = dynamic_auc(TIME, EVENT, RISK, TRAIN[1], at)
    expected = mean_dynamic_auc(areas, at, kaplan_meier(TIME, EVENT))
    assert found["auc_dynamic"] == pytest.approx(expected, abs=1e-12)
    assert found["rmst"] == pytest.approx(rmst_difference(TIME, EVENT, RISK > 0, TAU).value, abs=1e-12)


def test_a_weight_is_the_number_of_equal_rows_except_for_pairs_of_a_row_with_itself() -> None:
    counts = RANDOM.integers(0, 3, N).astype(np.int32)
    weighted, repeated = measured(np.arange(N), counts), np.repeat(np.arange(N), counts)
    found = measured(repeated, np.ones(len(repeated), np.int32))
    drawn = {name for name in found if name != "auc_dynamic"}  # its weights over time are those of all rows
    assert {name: weighted[name] for name in drawn} == pytest.approx({name: found[name] for name in drawn}, abs=1e-6)


def test_ridge_regression_is_a_stationary_point_and_finds_the_risk() -> None:
    x = RANDOM.normal(size=(400, 3))
    time, event = np.ceil(RANDOM.exponential(20 * np.exp(-x[:, 0]))), RANDOM.random(400) < 0.7
    found = fit_ridge(x, time, event, 1.0)
    assert found == pytest.approx([1.0, 0.0, 0.0], abs=0.25)
    sums = []
    for step in (-1e-4, 0.0, 1e-4):
        moved = found + np.array([step, 0.0, 0.0])
        eta = x @ moved
        terms = [eta[i] - np.log(np.exp(eta[time >= time[i]]).sum()) for i in np.flatnonzero(event)]
        sums.append(-sum(terms) + (moved**2).sum() / 2)
    assert sums[1] < sums[0] and sums[1] < sums[2]


def test_baseline_hazard_of_equal_risks_is_that_of_nelson_and_aalen() -> None:
    hazard = baseline_hazard(np.full(N, 700.0), TIME, EVENT)
    steps = [(EVENT & (at == TIME)).sum() / (at <= TIME).sum() for at in hazard.times]
    assert hazard.log_hazard + 700 == pytest.approx(np.log(np.cumsum(steps)), abs=1e-9)
    assert hazard.survival(np.array([700.0]), np.array([0.5]))[0, 0] == 1.0
