import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from oceanpath.errors import StageError
from oceanpath.stats.regression import regression_measure


@given(st.integers(0, 10_000), st.sampled_from([1e-6, 1.0, 1e6]))
@settings(deadline=None, max_examples=200)
def test_all_metrics_are_those_of_scikit_learn_and_scipy_also_on_repeated_rows(seed, scale):
    random = np.random.default_rng(seed)
    y = np.round(random.normal(size=30), 1) * scale
    p = np.round(y / scale + random.normal(size=30), 1) * scale
    weights = random.integers(0, 3, (2, 30)).astype(float)
    measure = regression_measure(y, p)
    found = measure(weights)
    for r, row in enumerate(weights.astype(int)):
        a, b = np.repeat(y, row), np.repeat(p, row)
        assert found["r2"][r] == pytest.approx(r2_score(a, b), abs=1e-9)
        assert found["mae"][r] == pytest.approx(mean_absolute_error(a, b))
        assert found["pearson"][r] == pytest.approx(pearsonr(a, b)[0], abs=1e-9)
    assert measure(np.ones((1, 30)))["spearman"][0] == pytest.approx(spearmanr(y, p)[0])


def test_rows_that_do_not_vary_are_undefined():
    found = regression_measure(np.full(5, 2.0), np.arange(5.0))(np.ones((1, 5)))
    assert np.isnan([found["r2"][0], found["pearson"][0], found["spearman"][0]]).all() and found["mae"][0] == 1.2


@pytest.mark.parametrize(("y", "p"), [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0])])
def test_rows_that_disagree_are_refused(y, p):
    with pytest.raises(StageError, match="disagree"):
        regression_measure(np.array(y), np.array(p))
