"""Base class of loaders, independent of the location of bags."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.dataset import BagDataset

READ_AHEAD = 32
"""Number of batches whose bags are fetched in advance if they are remote."""


def expected(dataset: BagDataset, batches: Iterable[Sequence[Draw]]) -> Iterator[list[Draw]]:
    """The same batches. The store learns of the bags of the next `READ_AHEAD` batches, see `Store.expect`."""
    waiting: deque[list[Draw]] = deque()
    for draws in batches:
        waiting.append(list(draws))
        dataset.store.expect(dataset.numbers[draw.position] for draw in waiting[-1])
        if len(waiting) > READ_AHEAD:
            yield waiting.popleft()
    yield from waiting


class Loader(ABC):
    """The batches of a dataset, concatenated bags. They depend on the draws alone."""

    def __init__(self, dataset: BagDataset, batches: Iterable[Sequence[Draw]]) -> None:
        """The bags, and the draws of each batch, which are iterated in every epoch."""
        self.dataset, self.batches = dataset, batches

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # only callers of len() need batches of known number

    @abstractmethod
    def __iter__(self) -> Iterator[Batch]: ...

    def _batch(self, draws: Sequence[Draw], features: Tensor, offsets: Tensor, coords: Tensor | None) -> Batch:
        """The batch of `draws` from its rows."""
        labels, positions = self.dataset.labels, [draw.position for draw in draws]
        views = [draw.view for draw in draws]
        return Batch(
            features=features,
            offsets=offsets,
            coords=coords,
            labels=None if labels is None else torch.tensor([labels[position] for position in positions]),
            slide_ids=tuple(self.dataset.store.slide_id(self.dataset.numbers[position]) for position in positions),
            views=torch.tensor(views) if any(views) else None,
        )
