"""The batches of an epoch depend on (seed, epoch) alone, by every strategy of the registry."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.batching.base import Batching, Draw, Epoch
from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.length_buckets import LengthBuckets
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.token_budget import TokenBudget

LENGTHS = st.lists(st.integers(1, 5000), min_size=1, max_size=80)
STRATEGIES = st.one_of(
    st.just(Fixed()),
    st.builds(LengthBuckets, buckets=st.integers(1, 12)),
    st.builds(TokenBudget, budget=st.integers(1, 20_000), max_bags=st.integers(1, 9), padded=st.booleans()),
)


def positions(sampler: BatchSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    draws = [draw for batch in sampler for draw in batch]
    assert {draw.epoch for draw in draws} == {epoch}
    return [draw.position for draw in draws]


@given(LENGTHS, STRATEGIES, st.integers(1, 9), st.integers(0, 2**62), st.integers(0, 50))
@settings(deadline=None, max_examples=150)
def test_every_bag_is_in_one_batch_and_an_epoch_depends_on_seed_and_number(
    lengths, batching, size, seed, epoch
) -> None:
    used, fresh = (BatchSampler(lengths, batching, size, seed) for _ in range(2))
    positions(used, epoch + 1)
    for sampler in (used, fresh):
        sampler.set_epoch(epoch)
    batches = list(used)
    assert batches == list(fresh)
    assert len(batches) == len(used)
    assert all(batches)
    assert sorted(positions(used, epoch)) == list(range(len(lengths)))


def test_the_order_depends_on_seed_and_epoch_and_nothing_else() -> None:
    order = positions(BatchSampler([1] * 50, Fixed(), 4, 7), 3)
    sampler = BatchSampler([1] * 50, Fixed(), 4, 7)
    others = [positions(sampler, epoch) for epoch in range(3)]
    torch.manual_seed(99)
    np.random.seed(99)
    assert positions(sampler, 3) == order
    assert order not in others
    assert positions(BatchSampler([1] * 50, Fixed(), 4, 8), 3) != order


def test_a_new_sampler_draws_epoch_zero() -> None:
    fresh, set_to_zero = (BatchSampler([1] * 40, Fixed(), 4, seed=0) for _ in range(2))
    set_to_zero.set_epoch(0)
    assert list(fresh) == list(set_to_zero)


@pytest.mark.parametrize("batching", [Fixed(), LengthBuckets(), TokenBudget(budget=9)])
def test_balanced_draws_show_a_rare_class_as_often_as_a_common_one(batching: Batching) -> None:
    labels = [0] * 90 + [1] * 10
    sampler = BatchSampler([1] * 100, batching, 4, seed=0, balance=labels)
    drawn = np.concatenate([positions(sampler, epoch) for epoch in range(40)])
    assert len(drawn) == 4000
    assert 0.46 < np.mean(drawn >= 90) < 0.54


def test_one_label_per_position() -> None:
    with pytest.raises(ValueError, match="3 positions but 2 labels"):
        BatchSampler([1] * 3, Fixed(), 1, 0, balance=[0, 1])


def test_an_interrupted_epoch_is_resumed_and_the_next_one_is_complete() -> None:
    sampler = BatchSampler([1] * 10, Fixed(), 3, seed=0)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.resume(2, 3)
    assert len(sampler) == 1
    assert list(sampler) == whole[3:]
    assert len(sampler) == 4
    assert list(sampler) == whole


def test_the_total_counts_epochs_of_different_numbers_of_batches() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 40).tolist()
    sampler = BatchSampler(lengths, TokenBudget(budget=150), 4, seed=0)
    counts = []
    for epoch in range(8):
        sampler.set_epoch(epoch)
        counts.append(len(list(sampler)))
    assert len(set(counts)) > 1
    assert sampler.total(8) == sum(counts)


class TwoViews(Batching):
    """Two views of every second bag."""

    name: str = "two_views"

    def plan(self, epoch: Epoch) -> list[list[Draw]]:
        return [[draw, draw._replace(view=1)] for draw in epoch.draws if draw.position % 2 == 0]


def test_a_strategy_may_repeat_bags_and_leave_out_others() -> None:
    batches = list(BatchSampler([1] * 5, TwoViews(), 4, seed=0))
    assert sorted(batches) == [[Draw(k, 0, 0), Draw(k, 0, 1)] for k in (0, 2, 4)]
