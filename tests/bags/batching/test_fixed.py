from __future__ import annotations

import numpy as np
import pytest
from torch.utils.data import BatchSampler as TorchBatchSampler

from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.sampler import BatchSampler

LABELS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("balance", [None, LABELS])
def test_batches_are_those_of_torch_over_the_order_of_the_epoch(balance: list[int] | None) -> None:
    sampler = BatchSampler([1] * 11, Fixed(), 4, seed=5, balance=balance)
    rates = np.where(np.array(LABELS) == 0, 1 / 8, 1 / 3)
    for epoch in range(3):
        random = np.random.default_rng([5, epoch])
        order = random.permutation(11) if balance is None else random.choice(11, size=11, p=rates / rates.sum())
        sampler.set_epoch(epoch)
        found = [[draw.position for draw in batch] for batch in sampler]
        assert found == list(TorchBatchSampler(order.tolist(), 4, drop_last=False))
