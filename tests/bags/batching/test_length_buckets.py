from __future__ import annotations

import numpy as np

from oceanpath.bags.batching.base import Batching
from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.length_buckets import LengthBuckets
from oceanpath.bags.batching.sampler import BatchSampler


def test_a_batch_has_bags_of_similar_length() -> None:
    lengths = np.random.default_rng(0).permutation(np.arange(1, 61)).tolist()
    for batch in BatchSampler(lengths, LengthBuckets(buckets=5), 4, seed=1):
        assert len({(lengths[draw.position] - 1) // 12 for draw in batch}) == 1
        assert len(batch) == 4


def padding(lengths: list[int], batching: Batching) -> float:
    batches = [[lengths[draw.position] for draw in batch] for batch in BatchSampler(lengths, batching, 16, seed=0)]
    return sum(max(batch) * len(batch) for batch in batches) / sum(lengths)


def test_padding_is_far_less_than_with_random_batches() -> None:
    lengths = np.exp(np.random.default_rng(0).normal(8, 0.8, 600)).astype(int).tolist()
    assert padding(lengths, Fixed()) > 2 > 1.2 > padding(lengths, LengthBuckets(buckets=30))
