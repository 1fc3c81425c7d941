"""Batches of views for pretraining."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from oceanpath.bags.augment.bag import Patches, SourceBag, View
from oceanpath.bags.augment.blocks import BlockAugmentor
from oceanpath.bags.augment.render import render
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.views import Augmentor, DualViewAugmentor, MultiCropAugmentor
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.base import Batching, Draw
from oceanpath.bags.batching.jepa import Jepa
from oceanpath.bags.batching.multi_crop import MultiCrop
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.dataset import BagDataset, tensor_of
from oceanpath.bags.loader import expected
from oceanpath.bags.neighbour_table import NeighbourTable
from oceanpath.bags.resident import ResidentStore


@dataclass(frozen=True)
class ViewSettings:
    """What decides the views and their batches."""

    batching: Batching
    augment: AugmentSettings
    batch_size: int
    seed: int
    global_views: int = 2
    """Number of views of the whole bag; with `is_blocks` the context alone."""
    local_views: int = 0
    """Number of small crops or, with `is_blocks`, of target blocks."""
    is_blocks: bool = False
    """Whether the views are a context and target blocks."""
    min_batch: int = 2
    """Minimum number of bags per batch."""
    is_disjoint: bool = False
    """Whether the views of a bag have no patch in common; context and target blocks never have."""


@dataclass(frozen=True)
class StoreFacts:
    """What is computed once per store."""

    deviation: NDArray[np.float32]
    """[D], see `oceanpath.bags.deviation`."""
    table: NeighbourTable | None = None
    """See `oceanpath.bags.neighbour_table`; None for a store without coordinates."""


def augmentor_of(settings: ViewSettings, has_coords: bool) -> Augmentor:
    """The augmentor of the wanted views: crops where there are local ones or the strategy is `multi_crop`."""
    batching, common = settings.batching, (settings.augment, settings.seed, has_coords)
    if settings.is_blocks:
        return BlockAugmentor(*common, settings.local_views, batching if isinstance(batching, Jepa) else Jepa())
    if settings.local_views or isinstance(batching, MultiCrop):
        crops = batching if isinstance(batching, MultiCrop) else MultiCrop()
        counts = settings.global_views, settings.local_views
        return MultiCropAugmentor(*common, *counts, crops, is_disjoint=settings.is_disjoint)
    return DualViewAugmentor(*common, settings.global_views, is_disjoint=settings.is_disjoint)


class ViewLoader:
    """Batches of views: a tuple of `Batch`, one per view, each with the same bags in the same order.

    They depend on the settings and the epoch alone, not on the number of readers or on the composition of a batch.
    Views are computed ahead by threads, or where the store is in the memory of a GPU, on that GPU.
    """

    def __init__(self, dataset: BagDataset, settings: ViewSettings, facts: StoreFacts, readers: int = 2) -> None:
        """Raises: ValueError: `dataset` is capped, or has fewer bags than a batch needs."""
        if dataset.max_patches is not None:
            raise ValueError("the batching strategy limits the patches of a view, not the dataset")
        _accept_read_only_memory()
        store = dataset.store
        self.dataset, self.settings, self.facts, self.readers = dataset, settings, facts, readers
        self.augmentor = augmentor_of(settings, store.has_coords)
        self.device = store.device if isinstance(store, ResidentStore) else torch.device("cpu")
        self.perturbs_together = self.device.type != "cpu"
        """Whether all views of a batch are perturbed at once: fewer launches on a GPU, more cache misses on a CPU."""
        self.deviation = torch.from_numpy(facts.deviation).to(self.device)
        most = [settings.batching.most_rows(dataset.length(position)) for position in range(len(dataset))]
        self.longest = max(most, default=0)
        lengths = [self.augmentor.most_rows(length) for length in most]
        self.batches = BatchSampler(
            lengths, settings.batching, settings.batch_size, settings.seed, min_batch=settings.min_batch
        )

    @property
    def sampler(self) -> BatchSampler:
        """The batches, whose epoch can be set."""
        return self.batches

    @property
    def left_out(self) -> list[str]:
        """Names of augmentations that are not applied, such as those that need coordinates."""
        return self.augmentor.left_out

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Batch, ...]]:
        return self.ahead(self.batches)

    def ahead(self, batches: Iterable[Sequence[Draw]]) -> Iterator[tuple[Batch, ...]]:
        """The views of these batches, computed by `readers` threads."""
        pending: deque[Future[tuple[Batch, ...]]] = deque()
        with ThreadPoolExecutor(self.readers) as threads:
            for draws in expected(self.dataset, batches):
                pending.append(threads.submit(self.views_of, draws))
                if len(pending) > self.readers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def views_of(self, draws: Sequence[Draw]) -> tuple[Batch, ...]:
        """The views of one batch."""
        bags = [self.bag_of(draw.position) for draw in draws]
        views = [
            self.augmentor.views(bag, draw.epoch, self.settings.batching.limit)
            for bag, draw in zip(bags, draws, strict=True)
        ]
        return tuple(
            self._batch(draws, number, [of_bag[number] for of_bag in views]) for number in range(len(views[0]))
        )

    def bag_of(self, position: int) -> SourceBag:
        """The bag of a position of the dataset."""
        store, number, table = self.dataset.store, self.dataset.numbers[position], self.facts.table
        spacing = 1 if table is None else int(table.spacing[number])
        return SourceBag(store.slide_id(number), store.length(number), store.dim, store.coords(number), spacing)

    def _batch(self, draws: Sequence[Draw], number: int, views: list[View]) -> Batch:
        lengths = [len(view.rows) for view in views]
        labels = self.dataset.labels
        coords = [view.coords for view in views if view.coords is not None]
        batch = Batch(
            features=self._features(draws, views, lengths),
            offsets=torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)),
            coords=torch.from_numpy(np.concatenate(coords)) if coords else None,
            labels=None if labels is None else torch.tensor([labels[draw.position] for draw in draws]),
            slide_ids=tuple(view.bag.slide_id for view in views),
            views=torch.full((len(views),), number),
            padded_to=self.settings.batching.padded_length(lengths, self.longest),
        )
        return batch if self.device.type == "cpu" else batch.to(self.device)

    def _features(self, draws: Sequence[Draw], views: list[View], lengths: list[int]) -> Tensor:
        store, perturbations = self.dataset.store, self.augmentor.steps.perturbations
        numbers = [self.dataset.numbers[draw.position] for draw in draws]
        if self.perturbs_together and isinstance(store, ResidentStore):
            starts = [store.starts[number] for number in numbers]
            rows = [view.rows + start for view, start in zip(views, starts, strict=True)]
            near = [self._near(number, view, start) for number, view, start in zip(numbers, views, starts, strict=True)]
            which = np.repeat(np.arange(len(views)), lengths)
            features = render(perturbations, self._patches(store.resident_features, rows, near, which), views)
            return features.to(store.resident_features.dtype)
        first, dtype = 0, tensor_of(np.empty(0, store.dtype), store).dtype
        features = torch.empty(sum(lengths), store.dim, dtype=dtype)
        for number, view, length in zip(numbers, views, lengths, strict=True):
            stored = tensor_of(store.stored(number), store)
            patches = self._patches(stored, [view.rows], [self._near(number, view, 0)], np.zeros(length, np.int64))
            features[first : first + length] = render(perturbations, patches, [view])
            first += length
        return features

    def _near(self, number: int, view: View, start: int) -> NDArray[np.int64] | None:
        table = self.facts.table
        return None if table is None else table.of(number)[view.rows].astype(np.int64) + start

    def _patches(
        self, stored: Tensor, rows: list[NDArray[np.int64]], near: list[Any], views: NDArray[np.int64]
    ) -> Patches:
        joined = None if near[0] is None else torch.from_numpy(np.concatenate(near)).to(self.device)
        at, which = (torch.from_numpy(array).to(self.device) for array in (np.concatenate(rows), views))
        return Patches(stored, at, joined, which, self.deviation)


def _accept_read_only_memory() -> None:
    """Trigger and ignore torch's warning about tensors in read-only memory, which it gives once; none is written to."""
    memory = np.zeros(1)
    memory.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        torch.from_numpy(memory)
