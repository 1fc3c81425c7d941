from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.sampler import BagSampler


def epoch_of(sampler: BagSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    draws = list(sampler)
    assert {draw.epoch for draw in draws} == {epoch}
    return [draw.position for draw in draws]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 2**62), st.integers(0, 9))
def test_every_slide_once_an_epoch(count: int, seed: int, epoch: int) -> None:
    sampler = BagSampler(count, seed)
    assert sorted(epoch_of(sampler, epoch)) == list(range(count))
    assert len(sampler) == count


def test_order_depends_on_seed_and_epoch_and_nothing_else() -> None:
    order = epoch_of(BagSampler(50, 7), 3)
    sampler = BagSampler(50, 7)
    others = [epoch_of(sampler, epoch) for epoch in range(3)]
    torch.manual_seed(99)
    np.random.seed(99)
    assert epoch_of(sampler, 3) == order
    assert order not in others
    assert epoch_of(BagSampler(50, 8), 3) != order


def test_a_new_sampler_draws_epoch_zero() -> None:
    sampler = BagSampler(50, 7)
    first = [draw.position for draw in sampler]
    assert first == epoch_of(BagSampler(50, 7), 0)


def test_balanced_draws_show_a_rare_class_as_often_as_a_common_one() -> None:
    labels = [0] * 90 + [1] * 10
    sampler = BagSampler(100, 0, balance=labels)
    drawn = np.concatenate([epoch_of(sampler, epoch) for epoch in range(40)])
    assert len(drawn) == 4000
    assert 0.46 < np.mean(drawn >= 90) < 0.54
    assert epoch_of(BagSampler(100, 0, balance=labels), 5) == epoch_of(sampler, 5)


def test_one_label_a_slide() -> None:
    with pytest.raises(ValueError, match="3 positions but 2 labels"):
        BagSampler(3, 0, balance=[0, 1])
