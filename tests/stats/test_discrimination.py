import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from oceanpath.errors import StageError
from oceanpath.stats.discrimination import auprc, auroc, pr_curve, ranking_measure, roc_curve

from ..narrowing import required

ties = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=40)


def two_columns(scores):
    scores = np.asarray(scores, float)
    return np.stack([1 - scores, scores], axis=1)


def both_classes(rows):
    return 0 < sum(positive for positive, _ in rows) < len(rows)


@given(ties.filter(both_classes))
@settings(deadline=None, max_examples=60)
def test_areas_are_those_of_pair_counting_and_of_sklearn(rows):
    y, s = np.array([p for p, _ in rows]), np.array([v / 6 for _, v in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in s[y] for b in s[~y]]
    assert auroc(y.astype(int), two_columns(s)).value == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auprc(y.astype(int), two_columns(s)).value == pytest.approx(average_precision_score(y, s), abs=1e-12)


@given(ties.filter(both_classes), st.integers(0, 1000))
@settings(deadline=None, max_examples=40)
def test_a_weight_is_the_same_as_repeating_the_row(rows, seed):
    y, s = np.array([p for p, _ in rows]).astype(int), np.array([v / 6 for _, v in rows])
    weights = np.random.default_rng(seed).integers(0, 4, (3, len(y)))
    found = ranking_measure(y, two_columns(s))(weights.astype(float))
    for r, counts in enumerate(weights):
        yr, sr = np.repeat(y, counts), np.repeat(s, counts)
        if len(set(yr)) < 2:
            assert np.isnan(found["auroc"][r])
            continue
        assert found["auroc"][r] == pytest.approx(roc_auc_score(yr, sr), abs=1e-12)
        assert found["auprc"][r] == pytest.approx(average_precision_score(yr, sr), abs=1e-12)


@given(ties.filter(both_classes))
@settings(deadline=None, max_examples=30)
def test_a_monotone_transform_changes_nothing_and_a_reversal_mirrors(rows):
    y, s = np.array([p for p, _ in rows]).astype(int), np.array([v / 6 for _, v in rows])
    area = required(auroc(y, two_columns(s)).value)
    assert auroc(y, two_columns(s**3)).value == pytest.approx(area, abs=1e-12)
    assert auroc(y, two_columns(1 - s)).value == pytest.approx(1 - area, abs=1e-12)


def test_many_classes_are_the_mean_of_one_against_the_rest(cohort):
    labels, probs, _ = cohort(90, classes=4)
    expected = roc_auc_score(labels, probs, multi_class="ovr", average="macro")
    assert auroc(labels, probs).value == pytest.approx(expected, abs=1e-12)


def test_a_class_without_rows_leaves_the_mean_of_the_others(cohort):
    labels, probs, _ = cohort(60, classes=3)
    wide = np.insert(probs, 1, 0.0, axis=1)
    shifted = np.where(labels >= 1, labels + 1, labels)
    assert auroc(shifted, wide).value == pytest.approx(auroc(labels, probs).value, abs=1e-12)


@pytest.mark.real
def test_published_areas_of_asah(asah, published):
    for name, area in published["auc_delong_aSAH"]["auc"].items():
        scores = asah[name] / asah[name].max()
        assert auroc(asah["poor"].astype(int), two_columns(scores)).value == pytest.approx(area, abs=1e-10)


def test_curves_are_those_of_sklearn(cohort):
    labels, probs, _ = cohort(80, decimals=1)
    roc, (fpr, tpr, _) = (
        roc_curve(labels == 1, probs[:, 1]),
        sklearn_roc_curve(labels, probs[:, 1], drop_intermediate=False),
    )
    assert np.allclose(roc.x, fpr) and np.allclose(roc.y, tpr) and np.isfinite(roc.thresholds).all()
    pr, (precision, recall, cuts) = pr_curve(labels == 1, probs[:, 1]), precision_recall_curve(labels, probs[:, 1])
    assert np.allclose(pr.x[::-1], recall[:-1]) and np.allclose(pr.y[::-1], precision[:-1])
    assert np.allclose(pr.thresholds[::-1], cuts)


def test_one_class_has_no_area_and_says_why():
    found = auroc(np.ones(3, int), two_columns([0.2, 0.5, 0.6]))
    assert found.value is None and "one class" in found.reason
    with pytest.raises(StageError, match="both classes"):
        roc_curve(np.ones(3, bool), np.array([0.2, 0.5, 0.6]))


@pytest.mark.parametrize(
    ("labels", "probs", "said"),
    [
        ([0, 1], [[0.5, 0.5]], "disagree"),
        ([], np.empty((0, 2)), "disagree"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "not finite"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "no class number"),
    ],
)
def test_rows_that_disagree_are_refused(labels, probs, said):
    with pytest.raises(StageError, match=said):
        auroc(np.array(labels, int), np.array(probs, float))
