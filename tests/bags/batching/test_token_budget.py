from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from oceanpath.bags.batching.base import Draw, Epoch
from oceanpath.bags.batching.token_budget import TokenBudget

LENGTHS = st.lists(st.integers(1, 5000), min_size=1, max_size=80)


def batches_of(batching: TokenBudget, lengths: list[int]) -> list[list[int]]:
    draws = [Draw(k, 0) for k in range(len(lengths))]
    batches = batching.plan(Epoch(draws, lengths, 4, np.random.default_rng(0)))
    assert [draw for batch in batches for draw in batch] == draws
    return [[lengths[draw.position] for draw in batch] for batch in batches]


def cost(batch: list[int], padded: bool) -> int:
    return max(batch) * len(batch) if padded else sum(batch)


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 9), st.booleans())
@settings(deadline=None, max_examples=100)
def test_batches_stay_within_the_budget_and_a_longer_bag_is_alone(lengths, budget, most, padded) -> None:
    for batch in batches_of(TokenBudget(budget=budget, max_bags=most, padded=padded), lengths):
        assert len(batch) <= most
        assert cost(batch, padded) <= budget or len(batch) == 1


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 9), st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_batch_ends_only_where_one_more_bag_would_exceed_a_limit(lengths, budget, most, padded) -> None:
    batches = batches_of(TokenBudget(budget=budget, max_bags=most, padded=padded), lengths)
    for batch, following in pairwise(batches):
        assert len(batch) == most or cost([*batch, following[0]], padded) > budget


@pytest.mark.parametrize("settings", [{}, {"budget": 0}, {"budget": 5, "max_bags": 0}, {"budget": 5, "buckets": 3}])
def test_the_budget_is_required_and_limits_are_positive(settings: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        TokenBudget(**settings)


def test_by_default_padding_does_not_count() -> None:
    assert batches_of(TokenBudget(budget=11), [1, 10]) == [[1, 10]]
    assert batches_of(TokenBudget(budget=11, padded=True), [1, 10]) == [[1], [10]]
