import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.multiplicity import holm

from ..narrowing import required


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_it_lies_between_the_raw_value_and_bonferroni_and_keeps_the_order(p):
    found = holm(p)
    assert all(raw <= adjusted <= min(1, raw * len(p)) + 1e-12 for raw, adjusted in zip(p, found, strict=True))
    ranked = [required(adjusted) for _, adjusted in sorted(zip(p, found, strict=True))]
    assert ranked == sorted(ranked)


def test_published_values():
    """By R's multtest, as the tests of statsmodels (BSD licence) give them: the three smallest of ten."""
    p = [
        *(0.838541367553, 0.642193923795, 0.680845947633, 0.967833824309, 0.71626938238, 0.177096952723),
        *(5.23656777208e-05, 0.0202732688798, 0.00028140506198, 0.0149877310796),
    ]
    smallest = [0.000523656777208, 0.00253264555782, 0.11990184886368]
    found = holm(p)
    assert [found[6], found[8], found[9]] == pytest.approx(smallest, rel=1e-8)


def test_a_test_that_could_not_be_made_does_not_count():
    assert holm([0.01, None, 0.04]) == pytest.approx([0.02, None, 0.04])
    assert holm([]) == []


def test_no_probability_is_refused():
    with pytest.raises(StageError, match="outside"):
        holm([1.2])
