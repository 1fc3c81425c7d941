from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.batching.base import Draw
from oceanpath.bags.batching.fixed import Fixed
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.dataset import Bag, BagDataset, collate
from oceanpath.errors import ArtifactError

from ..narrowing import required

Make = Callable[..., Store]


def test_a_bag_is_what_the_store_holds(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    dataset = BagDataset(make_store(bags, coords=True), [2, 0], labels=[1, 0])
    bag = dataset[0]
    assert (bag.slide_id, bag.label, len(dataset)) == ("slide_2", 1, 2)
    assert bag.features.dtype == np.float16
    assert np.array_equal(bag.features, bags["slide_2"].astype(np.float16))
    assert required(bag.coords)[3].tolist() == [768, 1536]


def test_a_cap_takes_the_same_rows_of_features_and_coords(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    dataset = BagDataset(make_store(bags, coords=True), [2], max_patches=4, seed=5)
    bag = dataset[Draw(0, 1)]
    rows = required(bag.coords)[:, 0] // 256
    assert len(rows) == 4
    assert np.array_equal(bag.features, bags["slide_2"].astype(np.float16)[rows])
    shown = {tuple(required(dataset[Draw(0, epoch)].coords)[:, 0]) for epoch in range(6)}
    assert len(shown) > 1


def test_a_capped_bag_does_not_depend_on_its_place_in_the_dataset(
    make_store: Make, bags: dict[str, np.ndarray]
) -> None:
    store = make_store(bags)
    alone = BagDataset(store, [2], max_patches=4)[Draw(0, 3)]
    among = BagDataset(store, [0, 1, 3, 2], max_patches=4)[Draw(3, 3)]
    assert np.array_equal(alone.features, among.features)


def test_collate_puts_bags_end_to_end(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    dataset = BagDataset(make_store(bags, coords=True), [0, 1, 2], labels=[1, 0, 1])
    batch = collate([dataset[i] for i in range(3)])
    assert batch.offsets.tolist() == [0, 3, 4, 12]
    assert batch.features.dtype == torch.float16
    assert required(batch.labels).tolist() == [1, 0, 1]
    assert batch.slide_ids == ("slide_0", "slide_1", "slide_2")
    assert np.array_equal(batch.features[4:].numpy(), bags["slide_2"].astype(np.float16))
    assert required(batch.coords).shape == (12, 2)
    batch.features.zero_()  # a copy: the store is mapped read-only


def test_worker_processes_deliver_the_same_batches(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    dataset = BagDataset(make_store(bags), [0, 1, 2, 3], labels=[0, 1, 0, 1], max_patches=2, seed=1)
    sampler = BatchSampler([2, 1, 2, 2], Fixed(), 3, seed=3)
    sampler.set_epoch(2)
    here, there = (
        list(DataLoader(dataset, batch_sampler=sampler, collate_fn=collate, num_workers=n, multiprocessing_context=how))
        for n, how in ((0, None), (1, multiprocessing.get_context("spawn")))
    )
    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours.features, theirs.features)
        assert ours.slide_ids == theirs.slide_ids


def test_only_the_path_of_the_store_travels(make_store: Make) -> None:
    store = make_store({"big": np.zeros((5000, 64))})
    store.features(0)
    dataset = pickle.loads(pickle.dumps(BagDataset(store, [0])))
    assert len(pickle.dumps(dataset)) < 2000
    assert dataset[0].features.shape == (5000, 64)


def test_an_empty_bag_is_refused_by_name() -> None:
    with pytest.raises(ArtifactError, match=r"lonely.*no patches"):
        collate([Bag(np.zeros((0, 3), np.float16), None, 0, "lonely")])


def test_labels_for_some_bags_only_are_refused() -> None:
    rows = np.zeros((1, 3), np.float16)
    with pytest.raises(ArtifactError, match="only some slides"):
        collate([Bag(rows, None, 0, "a"), Bag(rows, None, None, "b")])


def test_one_label_a_slide(make_store: Make, bags: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="2 slides but 1 labels"):
        BagDataset(make_store(bags), [0, 1], labels=[1])
