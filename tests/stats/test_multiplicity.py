import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.errors import StageError
from oceanpath.stats.multiplicity import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_it_lies_between_the_raw_value_and_bonferroni_and_keeps_the_order(p):
    found = holm(p)
    assert all(raw <= adjusted <= min(1, raw * len(p)) + 1e-12 for raw, adjusted in zip(p, found, strict=True))
    ranked = [adjusted for _, adjusted in sorted(zip(p, found, strict=True))]
    assert ranked == sorted(ranked)


@pytest.mark.real
def test_published_values(published):
    case = published["multiple_testing"]
    assert sorted(holm(case["p"]))[:3] == pytest.approx(case["holm"], rel=1e-8)


def test_a_test_that_could_not_be_made_does_not_count():
    assert holm([0.01, None, 0.04]) == pytest.approx([0.02, None, 0.04])
    assert holm([]) == []


def test_no_probability_is_refused():
    with pytest.raises(StageError, match="outside"):
        holm([1.2])
