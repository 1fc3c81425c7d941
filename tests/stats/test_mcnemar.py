import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from oceanpath.errors import StageError
from oceanpath.stats.mcnemar import mcnemar_counts, mcnemar_test

# Discordant counts, exact p; statistic and p with continuity correction. By R's mcnemar.test and the exact calculator
# of VassarStats, as the tests of statsmodels (BSD licence) give them.
PUBLISHED = [
    (121, 59, 4e-06, 20.67222, 5.450095e-06),
    (70, 59, 0.378688, 0.7751938, 0.3786151),
    (80, 59, 0.089452, 2.87769784, 0.08981434),
    (30, 60, 0.00206, None, None),
    (10, 30, 0.002221, None, None),
    (10, 10, 1.0, None, None),
]


@pytest.mark.parametrize(("b", "c", "exact", "statistic", "corrected"), PUBLISHED)
def test_published_cases(b, c, exact, statistic, corrected):
    assert mcnemar_counts(b, c, exact=True).p == pytest.approx(exact, abs=1e-6)
    if statistic is not None:
        found = mcnemar_counts(b, c)
        assert not found.exact and found.statistic == pytest.approx(statistic, abs=1e-5)
        assert found.p == pytest.approx(corrected, abs=1e-6)


def test_the_correction_never_makes_a_difference_of_its_own():
    """With equal counts the corrected difference is 0, not -1."""
    assert mcnemar_counts(20, 20, exact=False).statistic == 0
    assert mcnemar_counts(20, 21, exact=False).statistic == 0
    assert mcnemar_counts(20, 22, exact=False).statistic == pytest.approx(1 / 42)


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
