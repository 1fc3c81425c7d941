import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from oceanpath.errors import StageError
from oceanpath.stats.mcnemar import mcnemar_counts, mcnemar_test


@pytest.mark.real
def test_published_cases(published):
    for case in published["mcnemar"]["cases"]:
        (_, b), (c, _) = case["table"]
        assert mcnemar_counts(b, c, exact=True).p == pytest.approx(case["exact_p"], abs=1e-6)
        if "p_cc" in case:
            found = mcnemar_counts(b, c)
            assert not found.exact and found.statistic == pytest.approx(case["chi2_cc"], abs=1e-5)
            assert found.p == pytest.approx(case["p_cc"], abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None, max_examples=60)
def test_order_does_not_matter_and_few_are_exact(b, c):
    found, turned = mcnemar_counts(b, c), mcnemar_counts(c, b)
    assert found.p == turned.p and 0 < found.p <= 1 and found.exact == (b + c < 25)
    if found.exact and b + c:
        assert found.p == pytest.approx(binomtest(b, b + c).pvalue)


def test_from_decisions():
    a, b = np.array([True, True, False, True]), np.array([False, True, True, False])
    found = mcnemar_test(a, b)
    assert (found.only_a, found.only_b) == (2, 1) and found.p == 1
    assert mcnemar_test(a, a).p == mcnemar_counts(0, 0, exact=False).p == 1


def test_different_rows_are_refused():
    with pytest.raises(StageError, match="different rows"):
        mcnemar_test(np.ones(2, bool), np.ones(3, bool))
