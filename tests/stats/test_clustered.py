import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.stats.clustered import Influence, clustered_variance
from oceanpath.stats.discrimination import ranking_measure
from oceanpath.stats.placements import auroc_influence, mean_fold_influence, within_fold_influence
from oceanpath.stats.within_folds import NAME, within_fold_measure

from .areas import columns, delong_covariance, existing, influence_of


def obuchowski(positive, scores, patients):
    """Equations 2 to 5 of Obuchowski (1997), pair by pair."""
    wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
    area, (m, n) = wins.mean(), wins.shape
    v10, v01 = wins.mean(axis=1), wins.mean(axis=0)
    names = sorted(set(patients))
    ups = np.array([(v10[patients[positive] == name] - area).sum() for name in names])
    downs = np.array([(v01[patients[~positive] == name] - area).sum() for name in names])
    k10, k01, k = len(set(patients[positive])), len(set(patients[~positive])), len(names)
    s10, s01 = k10 / ((k10 - 1) * m) * (ups**2).sum(), k01 / ((k01 - 1) * n) * (downs**2).sum()
    s11 = k / (k - 1) * (ups * downs).sum()
    return s10 / m + s01 / n + 2 * s11 / (m * n)


@given(st.integers(0, 10_000), st.booleans())
@settings(deadline=None, max_examples=60)
def test_the_variance_is_obuchowskis_also_where_a_patient_has_both_classes(seed, mixed):
    random = np.random.default_rng(seed)
    patients = np.sort(random.integers(0, 9, 30))
    labels = random.integers(0, 2, 30) if mixed else patients % 2
    scores = np.round(random.random(30), 1)
    if min(len(set(patients[labels == c])) for c in (0, 1)) < 2:
        return
    _, numbers = np.unique(patients, return_inverse=True)
    found = clustered_variance(influence_of(labels, columns(scores)), numbers)
    assert found.total == pytest.approx(max(0, obuchowski(labels == 1, scores, patients)), abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=4, max_size=40))
@settings(deadline=None, max_examples=60)
def test_one_row_per_patient_is_delongs_variance(rows):
    positive, scores = np.array([p for p, _ in rows]), np.array([v / 6 for _, v in rows])
    if min(positive.sum(), (~positive).sum()) < 2:
        return
    influence = influence_of(positive.astype(int), columns(scores))
    found = clustered_variance(influence, np.arange(len(rows)))
    area, covariance = delong_covariance(positive, scores[None])
    assert influence.value == pytest.approx(area[0], abs=1e-12)
    assert found.total == pytest.approx(covariance[0, 0], abs=1e-12) and found.covariance == 0


def test_repeated_slides_change_nothing(cohort):
    labels, probs, _ = cohort(40)
    once = clustered_variance(influence_of(labels, probs), np.arange(40))
    five = clustered_variance(influence_of(np.repeat(labels, 5), np.repeat(probs, 5, axis=0)), np.arange(200) // 5)
    assert five.total == pytest.approx(once.total)
    assert [s.step for s in five.strata] == pytest.approx([s.step for s in once.strata])
    assert five.degrees_of_freedom() == pytest.approx(once.degrees_of_freedom())


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_the_variance_is_that_of_the_jackknife(cohort, classes):
    """The influence of a row is the derivative of the metric by its weight; the strata are the classes."""
    labels, probs, _ = cohort(240, classes=classes)
    folds = np.arange(240) // classes % 4
    for influence, measure, name in (
        (influence_of(labels, probs), ranking_measure(labels, probs), "auroc"),
        (existing(within_fold_influence(labels, probs, folds)), within_fold_measure(labels, probs, folds), NAME),
    ):
        weights = np.ones((240, 240)) - 1e-4 * np.eye(240)
        values = measure(weights)[name]
        slopes = (influence.value - values) / 1e-4
        centred = slopes - np.array([slopes[labels == c].mean() for c in range(classes)])[labels]
        assert influence.value == pytest.approx(measure(np.ones((1, 240)))[name][0])
        if name == "auroc":
            assert centred == pytest.approx(influence.rows, abs=2e-5)
        else:  # the pairs of a fold are fixed, not weighted
            assert np.corrcoef(centred, influence.rows)[0, 1] > 0.9


def test_a_difference_has_the_variance_of_its_rows(cohort):
    labels, probs, _ = cohort(60)
    other = columns(np.clip(probs[:, 1] + np.random.default_rng(0).normal(0, 0.2, 60), 0, 1))
    a, b = (influence_of(labels, p) for p in (probs, other))
    _, covariance = delong_covariance(labels == 1, np.stack([probs[:, 1], other[:, 1]]))
    expected = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert clustered_variance(a.minus(b), np.arange(60)).total == pytest.approx(expected)
    assert a.minus(b).value == a.value - b.value


def test_the_mean_of_folds_is_that_of_separate_areas(cohort):
    labels, probs, _ = cohort(90)
    folds = np.arange(90) // 2 % 3
    found = existing(mean_fold_influence(labels, probs, folds, np.arange(90)))
    own = [delong_covariance(labels[folds == k] == 1, probs[folds == k, 1][None]) for k in range(3)]
    assert found.value == pytest.approx(np.mean([area[0] for area, _ in own]))
    expected = sum(variance[0, 0] for _, variance in own) / 9
    assert clustered_variance(found, np.arange(90)).total == pytest.approx(expected, rel=0.03)


def test_why_the_mean_of_folds_does_not_exist(cohort):
    labels, probs, _ = cohort(20)
    assert "all classes" in str(mean_fold_influence(labels, probs, labels, np.arange(20)))
    alone = np.r_[0, 0, np.ones(18, int)]
    assert "two patients" in str(mean_fold_influence(labels, probs, alone, np.arange(20)))


def test_one_class_has_no_influence(cohort):
    assert auroc_influence(np.zeros(5, int), np.full((5, 2), 0.5)) is None
    assert within_fold_influence(np.array([0, 1]), np.full((2, 2), 0.5), np.array([0, 1])) is None


def test_constant_rows_have_no_variance():
    found = clustered_variance(Influence(0.5, np.zeros(6), np.full(6, 1 / 3), np.arange(6) % 2), np.arange(6))
    assert found.total == 0 and found.degrees_of_freedom() == 1
