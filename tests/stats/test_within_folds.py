import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import ranking_measure
from oceanpath.stats.resample import bootstrap, draw_patients
from oceanpath.stats.within_folds import NAME, within_fold_measure


def pairs(labels, scores, folds):
    """Share of pairs of the same fold that are ranked rightly, one pair at a time."""
    won = [
        (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
        for i in np.flatnonzero(labels)
        for j in np.flatnonzero(~labels)
        if folds[i] == folds[j]
    ]
    return np.mean(won) if won else np.nan


def area(labels, probs, folds, weights=None):
    weights = np.ones((1, len(labels))) if weights is None else weights
    return within_fold_measure(labels, probs, folds)(weights)[NAME]


@pytest.mark.parametrize(("classes", "decimals"), [(2, None), (2, 1), (3, 1)])
def test_only_pairs_of_the_same_fold_count(cohort, classes, decimals):
    labels, probs, _ = cohort(60, classes=classes, decimals=decimals)
    folds = np.arange(60) // 7  # folds of several sizes
    judged = [1] if classes == 2 else range(classes)
    expected = np.mean([pairs(labels == c, probs[:, c], folds) for c in judged])
    assert area(labels, probs, folds)[0] == pytest.approx(expected, abs=1e-12)


def test_a_weight_is_the_same_as_repeating_the_row(cohort):
    labels, probs, _ = cohort(40, decimals=1)
    folds = np.arange(40) % 3
    weights = np.random.default_rng(0).integers(0, 3, (20, 40))
    found = area(labels, probs, folds, weights.astype(float))
    for row, value in zip(weights, found, strict=True):
        again = np.repeat(np.arange(40), row)
        assert value == pytest.approx(pairs(labels[again] == 1, probs[again, 1], folds[again]), abs=1e-12)


def test_models_on_other_scales_change_the_pooled_area_and_not_this_one(cohort):
    labels, probs, _ = cohort(90)
    folds = np.arange(90) % 3
    scores = probs[:, 1] / 4 + 0.25 * folds  # the same ranking within each fold
    shifted = np.stack([1 - scores, scores], axis=1)
    assert area(labels, shifted, folds)[0] == area(labels, probs, folds)[0]
    assert roc_auc_score(labels, scores) < roc_auc_score(labels, probs[:, 1]) - 0.05


def test_one_fold_is_the_pooled_area(cohort):
    labels, probs, patients = cohort(50, per_patient=2)
    drawn = draw_patients(patients, labels, resamples=100)
    one = np.zeros(50, int)
    found = bootstrap([ranking_measure(labels, probs), within_fold_measure(labels, probs, one)], drawn)
    assert found.values[NAME] == found.values["auroc"]
    assert np.array_equal(found.samples[NAME], found.samples["auroc"])


def test_folds_of_one_class_do_not_count_and_none_is_undefined(cohort):
    labels = np.array([0, 0, 1, 1, 0, 1])
    probs = np.stack([np.linspace(0.9, 0.4, 6), np.linspace(0.1, 0.6, 6)], axis=1)
    assert area(labels, probs, np.array([0, 0, 0, 0, 1, 1]))[0] == 1
    apart = within_fold_measure(labels, probs, labels)
    drawn = draw_patients(list("abcdef"), labels, resamples=100)
    estimate = bootstrap([apart], drawn).estimate(NAME)
    assert estimate.value is None and estimate.reason == "no fold holds both classes"


def test_resamples_without_a_pair_leave_no_interval_and_are_counted():
    labels, folds = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 2])
    probs = np.array([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9]])
    found = bootstrap([within_fold_measure(labels, probs, folds)], draw_patients(list("abcd"), labels, resamples=100))
    estimate = found.estimate(NAME)
    lost = int(np.isnan(found.samples[NAME]).sum())
    assert estimate.value == 1 and estimate.low is None and estimate.reason == f"undefined in {lost} resamples"


def test_every_row_has_a_fold(cohort):
    labels, probs, _ = cohort(10)
    with pytest.raises(StageError, match="without a fold"):
        within_fold_measure(labels, probs, np.zeros(9, int))
    with pytest.raises(StageError, match="not finite"):
        within_fold_measure(labels, np.full((10, 2), np.nan), np.zeros(10, int))
