"""Every strategy shows every bag once an epoch, and counts what is computed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.batching import BATCHINGS, Batching, BatchSampler, BucketBatching, PadToMaxInBatch, TokenBudget

LENGTHS = st.lists(st.integers(1, 5000), min_size=1, max_size=80)
STRATEGIES = st.one_of(
    st.builds(PadToMaxInBatch, st.integers(1, 9)),
    st.builds(BucketBatching, st.integers(1, 9), st.integers(1, 12)),
    st.builds(TokenBudget, st.integers(1, 20_000), st.integers(1, 9), st.booleans()),
)


@given(LENGTHS, STRATEGIES, st.integers(0, 2**31), st.integers(0, 50))
@settings(deadline=None, max_examples=150)
def test_every_bag_is_in_one_batch_and_an_epoch_is_a_function_of_seed_and_number(
    lengths, batching, seed, epoch
) -> None:
    sampler, again = (BatchSampler(lengths, batching, seed) for _ in range(2))
    sampler.set_epoch(epoch + 1)
    list(sampler)
    for one in (sampler, again):
        one.set_epoch(epoch)
    batches = list(sampler)
    assert batches == list(again)
    assert len(batches) == len(sampler)
    assert sorted(draw.position for batch in batches for draw in batch) == list(range(len(lengths)))
    assert {draw.epoch for batch in batches for draw in batch} == {epoch}
    assert all(batches)


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 9), st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_budget_is_kept_in_computed_rows_and_a_longer_bag_comes_alone(lengths, budget, most, padded) -> None:
    batching, lengths = TokenBudget(budget, most, padded), np.array(lengths)
    for batch in batching.plan(lengths, np.random.default_rng(0)):
        own = lengths[batch]
        computed = int(own.max()) * len(own) if padded else int(own.sum())
        assert batching.computed(own) == computed
        assert len(batch) <= most
        assert computed <= budget or len(batch) == 1


@given(LENGTHS, st.integers(1, 20_000), st.integers(1, 9), st.booleans())
@settings(deadline=None, max_examples=100)
def test_a_batch_ends_only_where_one_more_bag_would_cost_too_much(lengths, budget, most, padded) -> None:
    order = np.random.default_rng(0).permutation(len(lengths)).tolist()
    batches, left = [], order
    while left:
        size = 1
        while size < min(most, len(left)):
            own = [lengths[k] for k in left[: size + 1]]
            if (max(own) * len(own) if padded else sum(own)) > budget:
                break
            size += 1
        batches.append(left[:size])
        left = left[size:]
    found = TokenBudget(budget, most, padded).plan(np.array(lengths), np.random.default_rng(0))
    assert [batch.tolist() for batch in found] == batches


def test_buckets_hold_bags_of_like_length() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1, 61))
    for batch in BucketBatching(4, 5).plan(lengths, np.random.default_rng(1)):
        assert len(set(((lengths[batch] - 1) // 12).tolist())) == 1
        assert len(batch) == 4


def test_an_interrupted_epoch_goes_on_where_it_was_and_the_next_one_is_whole() -> None:
    sampler = BatchSampler([1] * 10, PadToMaxInBatch(3), seed=0)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.resume(2, 3)
    assert len(sampler) == 1
    assert list(sampler) == whole[3:]
    assert len(sampler) == 4
    assert list(sampler) == whole


def test_a_new_sampler_draws_epoch_zero() -> None:
    fresh, set_to_zero = (BatchSampler([1] * 40, PadToMaxInBatch(4), seed=0) for _ in range(2))
    set_to_zero.set_epoch(0)
    assert list(fresh) == list(set_to_zero)


def test_buckets_pad_less_and_packed_budgets_not_at_all() -> None:
    lengths = np.exp(np.random.default_rng(0).normal(8, 0.8, 600)).astype(int).tolist()
    padding = [
        BatchSampler(lengths, batching, seed=0).padding()
        for batching in (PadToMaxInBatch(16), BucketBatching(16, 30), TokenBudget(50_000))
    ]
    assert padding[0] > 2 > 1.2 > padding[1] > padding[2] == 1


def test_epochs_and_seeds_differ() -> None:
    sampler = BatchSampler([1] * 40, PadToMaxInBatch(4), seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(BatchSampler([1] * 40, PadToMaxInBatch(4), seed=1)) != first


def test_the_registry_names_each_strategy() -> None:
    assert sorted(BATCHINGS) == ["bucket_batching", "pad_to_max_in_batch", "token_budget"]
    assert all(issubclass(kind, Batching) and kind.name == name for name, kind in BATCHINGS.items())


@pytest.mark.parametrize("wrong", [lambda: PadToMaxInBatch(0), lambda: TokenBudget(0), lambda: BucketBatching(1, 0)])
def test_sizes_are_positive(wrong) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        wrong()
