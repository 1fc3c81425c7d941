"""Every window of batches contains a required bag, and an epoch still contains every bag once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.length_buckets import LengthBuckets
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.windows import Window


@given(st.lists(st.booleans(), min_size=4, max_size=60), st.integers(1, 7), st.integers(2, 20), st.booleans())
@settings(deadline=None, max_examples=100)
def test_every_window_contains_a_required_bag(required: list[bool], size: int, window: int, is_bucketed: bool) -> None:
    batching = LengthBuckets(buckets=3) if is_bucketed else Fixed()
    required = [True] * (1 + len(required) // (window - 1)) + required
    sampler = BatchSampler(range(1, len(required) + 1), batching, size, 3, window=Window(window, required))
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        ends = [number for number in range(len(batches)) if sampler.ends_loss(number)]
        assert ends[-1] == len(batches) - 1
        for low, high in zip([-1, *ends[:-1]], ends, strict=True):
            positions = [draw.position for batch in batches[low + 1 : high + 1] for draw in batch]
            assert any(required[position] for position in positions)
            assert len(positions) >= min(window, len(required))
        assert sorted(draw.position for batch in batches for draw in batch) == list(range(len(required)))


def test_without_windows_every_batch_ends_a_loss() -> None:
    sampler = BatchSampler([1] * 9, Fixed(), 2, 3)
    assert all(sampler.ends_loss(number) for number in range(len(sampler)))


def test_too_few_required_bags_are_an_error() -> None:
    sampler = BatchSampler([1] * 12, Fixed(), 2, 3, window=Window(4, [True, True] + [False] * 10))
    with pytest.raises(ValueError, match="2 required bags for 3 windows"):
        sampler.set_epoch(0)
        list(sampler)
