"""The intervals of fixed rows are the same for ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from oceanpath.stats.clustered import ROUNDING, ClusteredVariance, StratumVariance, clustered_variance
from oceanpath.stats.confusion import confusion_measure
from oceanpath.stats.intervals.bca import bca_interval
from oceanpath.stats.intervals.defaults import area_influences, area_interval, decision_intervals, influence_interval
from oceanpath.stats.intervals.delta import BELOW_ONE, FISHER, LOG, LOGIT, delta_interval
from oceanpath.stats.intervals.logit_delong import logit_delong
from oceanpath.stats.intervals.registry import AUROC_METHODS, PROPORTION_METHODS, ScoredRows
from oceanpath.stats.intervals.smooth_metrics import SCALES, smooth_interval, smooth_intervals
from oceanpath.stats.intervals.wilson import design_effect, wilson
from oceanpath.stats.panel import decide
from oceanpath.stats.proper_scores import proper_measure
from oceanpath.stats.smooth import auprc_influence, sum_influences

from ...reference import check
from ..areas import existing
from ..reference_rows import BETTER, FOLDS, LABELS, PATIENTS, THREE, three_columns


def test_they_are_the_same_for_ever() -> None:
    check("intervals", numbers())


def influences() -> dict[str, Any]:
    measures = confusion_measure(LABELS, decide(BETTER), 2), proper_measure(LABELS, BETTER)
    found = {name: one for measure in measures for name, one in sum_influences(measure, LABELS).items()}
    return {**found, "auprc": existing(auprc_influence(LABELS, BETTER))}


def numbers() -> dict[str, Any]:
    """Name → numbers of the fixed rows."""
    samples = np.sin(np.arange(50)) * 0.1 + 0.7
    jackknifed = 0.7 + 0.02 * np.cos(np.arange(20) * 1.7)
    variance = clustered_variance(existing(area_influences(LABELS, BETTER)["auroc"]), PATIENTS)
    smooth = smooth_intervals(influences(), LABELS, decide(BETTER), PATIENTS)
    hits = decide(BETTER) == LABELS
    return {
        "bca": [bca_interval(0.71, samples, jackknifed, level) for level in (0.8, 0.95)],
        "bca one side": bca_interval(0.9, samples, jackknifed),
        "bca equal": bca_interval(0.7, np.r_[samples, 0.7, 0.7], np.full(5, 0.7)),
        "areas": {
            name: (area_interval(one, PATIENTS).method, area_interval(one, PATIENTS).ends(0.95))
            for name, one in area_influences(LABELS, BETTER, FOLDS).items()
        },
        "areas of three": list(area_influences(THREE, three_columns())),
        "by name": [influence_interval(name, one, PATIENTS).ends(0.9) for name, one in influences().items()],
        "decisions": {
            name: (one.method, one.ends(0.95))
            for name, one in decision_intervals(LABELS, decide(BETTER), 2, PATIENTS).items()
        },
        "decisions of three": list(decision_intervals(THREE, decide(three_columns()), 3, PATIENTS)),
        "delta": [delta_interval(0.3, variance, scale) for scale in (LOGIT, FISHER, LOG, BELOW_ONE)],
        "slopes": [scale.slope(0.3) for scale in (LOGIT, FISHER, LOG, BELOW_ONE)],
        "logit delong": [logit_delong(value, variance, 0.9) for value in (0.5, 0.8, 1.0)],
        "smooth": {name: (one.method, one.ends(0.95)) for name, one in smooth.items()},
        "scales": {name: (scale.low, scale.high) for name, scale in SCALES.items()},
        "wilson": [wilson(hits[:n], PATIENTS[:n]) for n in (1, 2, 10, 48)],
        "design effect": design_effect(BETTER[:, 1], PATIENTS),
        "methods": {
            name: method(ScoredRows(LABELS, BETTER[:, 1], PATIENTS, resamples=60, seed=3, confidence=0.9))
            for name, method in AUROC_METHODS.items()
        },
        "defaults of rows": ScoredRows(LABELS, BETTER[:, 1], PATIENTS),
        "methods of proportions": list(PROPORTION_METHODS),
    }


@pytest.mark.parametrize("value", [0.0, 1.0, ROUNDING, 1 - ROUNDING])
def test_a_value_at_the_end_of_its_range_has_no_interval(value: float) -> None:
    variance = ClusteredVariance((StratumVariance(0.01, 9, 0.1),), 0.0)
    assert "end of its range" in str(delta_interval(value, variance, LOGIT))
    assert not isinstance(delta_interval(0.5, variance, LOGIT), str)


def test_rows_without_variance_have_no_interval() -> None:
    none = ClusteredVariance((StratumVariance(0.0, 9, 0.0),), 0.0)
    assert "no information about the variance" in str(delta_interval(0.5, none, LOGIT))
    assert "no variance" in str(logit_delong(0.5, none))
    few = ClusteredVariance((StratumVariance(0.01, 3, 0.1),), 0.0)
    assert "fewer than 4 patients of a class" in str(logit_delong(0.5, few))


def test_a_resample_without_a_value_has_no_interval() -> None:
    known, undefined = np.linspace(0, 1, 9), np.r_[np.linspace(0, 1, 9), np.nan]
    for samples, left_out in ((undefined, known), (known, undefined)):
        assert bca_interval(0.5, samples, left_out) == "undefined in some resamples"


@pytest.mark.parametrize("name", SCALES)
def test_the_interval_of_a_metric_states_its_method(name: str) -> None:
    if name in influences():
        assert smooth_interval(name, influences()[name], PATIENTS).method == "delta method, patients clustered"
