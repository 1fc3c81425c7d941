"""The strategies of pretraining: names, what a view contains, budgets, padding, and batches of at least two bags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from oceanpath.bags.augment.bag import SourceBag
from oceanpath.bags.batching.base import Draw, Epoch
from oceanpath.bags.batching.kinds import refusal
from oceanpath.bags.batching.length_buckets import LengthBuckets
from oceanpath.bags.batching.merge import merge_small
from oceanpath.bags.batching.pad_to_global import PadToGlobal
from oceanpath.bags.batching.pad_to_max_in_batch import PadToMaxInBatch
from oceanpath.bags.batching.regional_crops import RegionalCrops
from oceanpath.bags.batching.registry import (
    BATCHINGS,
    OTHER_NAMES,
    VIEW_BATCHINGS,
    SelectedBatching,
    SelectedViewBatching,
    batching_class,
    parse_view_batching,
)
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.sequence_packing import SequencePacking
from oceanpath.bags.batching.subsample_fixed_n import SubsampleFixedN
from oceanpath.bags.batching.token_budget import TokenBudget

NINE = [
    "pad_to_max_in_batch",
    "pad_to_global",
    "token_budget",
    "bucket_batching",
    "subsample_fixed_n",
    "regional_crops",
    "sequence_packing",
    "multi_crop",
    "jepa",
]
LENGTHS = st.lists(st.integers(1, 3000), min_size=1, max_size=80)


def strategy(name: str):
    return parse_view_batching({"strategy": name, **({"budget": 4000} if name == "token_budget" else {})})


def planned(batching, lengths: list[int], size: int = 4) -> list[list[int]]:
    draws = [Draw(k, 0) for k in range(len(lengths))]
    batches = batching.plan(Epoch(draws, lengths, size, np.random.default_rng(0)))
    return [[draw.position for draw in batch] for batch in batches]


@given(LENGTHS, st.sampled_from(NINE), st.integers(1, 9), st.integers(1, 5), st.integers(0, 30))
def test_every_bag_is_in_one_batch_and_no_batch_is_too_small(lengths, name, size, least, epoch) -> None:
    if len(lengths) < least:
        with pytest.raises(ValueError, match=f"{len(lengths)} bags, but a batch needs {least}"):
            BatchSampler(lengths, strategy(name), size, 0, min_batch=least)
        return
    sampler = BatchSampler(lengths, strategy(name), size, 0, min_batch=least)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert sorted(draw.position for batch in batches for draw in batch) == list(range(len(lengths)))
    assert min(map(len, batches)) >= least
    assert len(batches) == len(sampler)


def test_two_hundred_bags_in_ten_buckets_of_batches_of_32_are_all_used() -> None:
    lengths = np.random.default_rng(0).integers(10, 9000, 200).tolist()
    batches = list(BatchSampler(lengths, LengthBuckets(), 32, 0, min_batch=2))
    assert sum(map(len, batches)) == 200


def test_epochs_have_different_batches() -> None:
    for name in NINE:
        sampler = BatchSampler(list(range(1001, 1061)), strategy(name), 4, 0)
        seen = set()
        for epoch in range(4):
            sampler.set_epoch(epoch)
            seen.add(tuple(frozenset(draw.position for draw in batch) for batch in sampler))
        assert len(seen) == 4, name


def test_small_batches_are_joined_and_the_rest_goes_where_the_fewest_patches_are() -> None:
    draws = [Draw(k, 0) for k in range(7)]
    lengths = [9000, 8000, 50, 60, 1, 1, 7000]
    batches = [[draws[0]], [draws[2], draws[3]], [draws[1]], [draws[4], draws[5]], [draws[6]]]
    merged = merge_small(batches, lengths, 2)
    assert [[draw.position for draw in batch] for batch in merged] == [[2, 3], [4, 5, 6], [0, 1]]
    assert merge_small(batches, lengths, 99) == [[draws[k] for k in (0, 2, 3, 1, 4, 5, 6)]]


@given(LENGTHS, st.integers(1, 6000), st.integers(1, 8))
def test_packing_exceeds_its_budget_only_by_a_single_long_bag(lengths, budget, opened) -> None:
    for batch in planned(SequencePacking(budget=budget, open_batches=opened), lengths):
        assert len(batch) == 1 or sum(lengths[k] for k in batch) <= budget


def test_packing_fills_its_batches_better_than_a_budget_in_random_order() -> None:
    lengths = np.random.default_rng(0).lognormal(7, 0.8, 500).astype(int).tolist()
    packed, random = (len(planned(kind, lengths)) for kind in (SequencePacking(budget=8192), TokenBudget(budget=8192)))
    assert packed <= 1.1 * sum(lengths) / 8192 + 1
    assert packed < random


def test_a_fixed_number_of_patches_is_a_random_sample() -> None:
    bag, rows = SourceBag("s", 900, 4), np.arange(0, 900, 3)
    for n in (1, 50, 300, 900):
        limited = SubsampleFixedN(patches=n).limit(bag, rows, np.random.default_rng(0))
        assert len(limited) == min(n, 300) <= SubsampleFixedN(patches=n).most_rows(900)
        assert np.isin(limited, rows).all()
    first = [SubsampleFixedN(patches=5).limit(bag, rows, np.random.default_rng(seed))[0] for seed in range(40)]
    assert len(set(first)) > 20


@given(st.integers(0, 2**30), st.integers(1, 20))
def test_a_region_is_a_square_of_patches(seed: int, side: int) -> None:
    coords = np.stack(np.meshgrid(np.arange(40), np.arange(25)), axis=-1).reshape(-1, 2).astype(np.int32) * 224
    bag, crops = SourceBag("s", 1000, 4, coords, 224), RegionalCrops(side=side)
    region = coords[crops.limit(bag, np.arange(1000), np.random.default_rng(seed))]
    assert len(region) == side**2 == crops.most_rows(1000)
    assert (np.ptp(region, axis=0) == 224 * (side - 1)).all()


def test_a_region_is_never_empty_and_prefers_filled_ones() -> None:
    line = np.stack([np.arange(500) * 256, np.zeros(500)], axis=1)
    block = np.stack(np.meshgrid(np.arange(300, 330), np.arange(300, 330)), axis=-1).reshape(-1, 2) * 256
    coords = np.concatenate([line, block]).astype(np.int32)
    bag = SourceBag("s", len(coords), 4, coords, 256)
    sizes = [len(RegionalCrops().limit(bag, np.arange(len(coords)), np.random.default_rng(s))) for s in range(30)]
    assert min(sizes) >= 77
    alone = RegionalCrops().limit(SourceBag("s", 1, 4, coords[:1], 256), np.arange(1), np.random.default_rng(0))
    assert alone.tolist() == [0]


def test_padding_is_to_the_batch_or_to_the_longest_of_all() -> None:
    assert PadToMaxInBatch().padded_length([3, 9, 4], 50) == 9
    assert PadToGlobal().padded_length([3, 9, 4], 50) == 50
    for name in set(NINE) - {"pad_to_max_in_batch", "pad_to_global"}:
        assert strategy(name).padded_length([3, 9, 4], 50) is None


def test_all_nine_names_are_known_by_name_and_by_table() -> None:
    assert {OTHER_NAMES.get(name, name) for name in NINE} == {*BATCHINGS, *VIEW_BATCHINGS} - {"fixed"}
    pretrain = TypeAdapter(SelectedViewBatching)
    for name in set(NINE) - {"token_budget"}:
        for value in (name, {"name": name}, {"strategy": name}):
            assert type(pretrain.validate_python(value)) is batching_class(name)
    assert pretrain.validate_python({"strategy": "token_budget", "budget": 9}) == TokenBudget(budget=9)
    assert set(pretrain.json_schema()["anyOf"][0]["enum"]) == {*BATCHINGS, *VIEW_BATCHINGS}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("multi_crops", "unknown batching strategy; expected multi_crop"),
        ({"name": "jepa", "strategy": "jepa"}, "expected the name of a batching strategy"),
        ({"strategy": "subsample_fixed_n", "patches": 0}, "patches"),
        ({"strategy": "multi_crop", "local_area": [0.5, 0.2]}, "lower end is above"),
    ],
)
def test_wrong_strategies_of_pretraining_are_named(value, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(SelectedViewBatching).validate_python(value)


def test_supervised_training_refuses_what_is_for_pretraining_only() -> None:
    for name in VIEW_BATCHINGS:
        with pytest.raises(ValidationError, match=f"{name} is for pretraining only"):
            TypeAdapter(SelectedBatching).validate_python(name)
    assert TypeAdapter(SelectedBatching).validate_python("bucket_batching") == LengthBuckets()


def test_a_method_and_a_strategy_agree_or_the_reason_is_given() -> None:
    assert {name for name in NINE if refusal("jepa", True, strategy(name))} == {"multi_crop"}
    assert {name for name in NINE if refusal("dino", False, strategy(name))} == {"jepa"}
    assert refusal("byol", False, batching_class("jepa")) == (
        "byol is trained on random views of the bag, and jepa makes a context and target blocks"
    )
    assert refusal("jepa", True, batching_class("multi_crop")) == (
        "jepa is trained on a context and target blocks, and multi_crop makes random views of the bag"
    )
    assert refusal("dino", False, RegionalCrops(), has_coords=False) == (
        "regional_crops needs the coordinates of patches, which the store does not have"
    )
