"""Bags of a store as a torch dataset, and their concatenation to a `Batch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.cap import sample_rows
from oceanpath.errors import ArtifactError


class Bag(NamedTuple):
    """One slide: features [n, D] as stored (bfloat16 as float32), coords [n, 2] int32 or None, label, id."""

    features: NDArray[np.floating]
    coords: NDArray[np.int32] | None
    label: float | None
    slide_id: str


class BagDataset(Dataset[Bag]):
    """The slides `numbers` of a store, with their labels if known.

    An item is indexed by position (the whole bag, or the rows of epoch 0 if capped) or by `Draw`. Rows of an uncapped
    bag are views of mapped memory; only the store's path is sent to a worker process.
    """

    def __init__(
        self,
        store: Store,
        numbers: Sequence[int],
        labels: Sequence[float] | None = None,
        max_patches: int | None = None,
        seed: int = 0,
    ) -> None:
        if labels is not None and len(labels) != len(numbers):
            raise ValueError(f"{len(numbers)} slides but {len(labels)} labels")
        self.store, self.numbers = store, [int(number) for number in numbers]
        self.labels = None if labels is None else list(labels)
        self.max_patches, self.seed = max_patches, seed

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int | Draw) -> Bag:
        draw = index if isinstance(index, Draw) else Draw(index, 0)
        number = self.numbers[draw.position]
        features, coords = self.store.features(number), self.store.coords(number)
        if (rows := self.rows(draw)) is not None:
            features, coords = features[rows], None if coords is None else coords[rows]
        label = None if self.labels is None else self.labels[draw.position]
        return Bag(features, coords, label, self.store.slide_id(number))

    def length(self, position: int) -> int:
        """Number of patches of a draw of this position."""
        n = self.store.length(self.numbers[position])
        return n if self.max_patches is None else min(n, self.max_patches)

    def is_capped(self, position: int) -> bool:
        """Whether draws of this position are samples of the stored bag."""
        return self.max_patches is not None and self.store.length(self.numbers[position]) > self.max_patches

    def rows(self, draw: Draw) -> NDArray[np.int64] | None:
        """The sorted rows of the stored bag in a draw; None for all."""
        if self.max_patches is None or not self.is_capped(draw.position):
            return None
        number = self.numbers[draw.position]
        name, n = self.store.slide_id(number), self.store.length(number)
        return sample_rows(n, self.max_patches, self.seed, draw.epoch, name, draw.view)


def tensor_of(stored: NDArray[Any], store: Store) -> Tensor:
    """Stored features as a tensor of their type; bfloat16 is uint16 in numpy."""
    tensor = torch.from_numpy(stored)
    return tensor.view(torch.bfloat16) if store.index.feature_dtype == "bfloat16" else tensor


def collate(bags: Sequence[Bag]) -> Batch:
    """Concatenate bags with one copy.

    Raises: ArtifactError: a bag has no patches, or only some bags have coords or labels.
    """
    lengths = [len(bag.features) for bag in bags]
    if empty := [bag.slide_id for bag in bags if not len(bag.features)]:
        raise ArtifactError("a slide has no patches", where=empty[0])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    coords = [bag.coords for bag in bags if bag.coords is not None]
    labels = [bag.label for bag in bags if bag.label is not None]
    if len(coords) not in (0, len(bags)) or len(labels) not in (0, len(bags)):
        raise ArtifactError("only some slides of a batch have coords or labels", where=bags[0].slide_id)
    return Batch(
        features=torch.from_numpy(np.concatenate([bag.features for bag in bags])),
        offsets=torch.from_numpy(offsets),
        coords=torch.from_numpy(np.concatenate(coords)) if coords else None,
        labels=torch.tensor(labels) if labels else None,
        slide_ids=tuple(bag.slide_id for bag in bags),
    )
