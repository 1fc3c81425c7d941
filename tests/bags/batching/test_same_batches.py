"""The batches of a seed are the same for ever, and the strategies have the published settings."""

from __future__ import annotations

import importlib
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from oceanpath.bags.augment.bag import SourceBag
from oceanpath.bags.batching.base import Batching, Draw, Epoch, chunks
from oceanpath.bags.batching.kinds import refusal
from oceanpath.bags.batching.merge import merge_small
from oceanpath.bags.batching.registry import BATCHINGS, VIEW_BATCHINGS, batching_class, parse_view_batching
from oceanpath.bags.batching.sampler import BatchSampler
from oceanpath.bags.batching.windows import Window

from ...published_settings import check_keys, read_reference
from ...reference import check
from ..augment.conftest import tissue

LENGTHS = [int(3 + 40 * (1 + np.sin(k * 1.9))) for k in range(23)]
LABELS = [int(k % 5 == 0) for k in range(23)]
BAG = SourceBag("slide", 300, 4, tissue(300), 256)
STRATEGIES: dict[str, dict[str, Any]] = {
    "fixed": {},
    "length_buckets": {"buckets": 3},
    "token_budget": {"budget": 120, "max_bags": 3},
    "sequence_packing": {"budget": 120, "open_batches": 2},
    **{name: {} for name in VIEW_BATCHINGS},
}


def make(name: str, **settings: Any) -> Batching:
    return parse_view_batching({"name": name, **settings})


def test_they_are_the_same_for_ever() -> None:
    check("batches", numbers())


def numbers() -> dict[str, Any]:
    """Name → batches of fixed bags."""
    found: dict[str, Any] = {}
    for name, settings in STRATEGIES.items():
        strategy = make(name, **settings)
        sampler = BatchSampler(LENGTHS, strategy, 4, 3)
        found[name] = [[[draw.position for draw in batch] for batch in sampler]]
        found[f"views, {name}"] = [
            strategy.limit(BAG, np.arange(0, 300, 2), np.random.default_rng(k)).tolist()[:12] for k in range(2)
        ]
        found[f"rows, {name}"] = [strategy.most_rows(n) for n in (1, 300, 5000)]
        found[f"padding, {name}"] = strategy.padded_length([3, 9, 5], 20)
        found[f"kinds, {name}"] = [list(strategy.kinds), strategy.needs_coords]
    padded = make("token_budget", budget=120, padded=True)
    found["padded"] = [[draw.position for draw in batch] for batch in BatchSampler(LENGTHS, padded, 4, 3)]
    balanced = BatchSampler(LENGTHS, make("fixed"), 4, 3, balance=LABELS)
    found["balanced"] = [[draw.position for draw in batch] for batch in balanced]
    merged = BatchSampler(LENGTHS, make("token_budget", budget=60), 4, 3, min_batch=3)
    found["merged"] = [[draw.position for draw in batch] for batch in merged]
    windows = BatchSampler(LENGTHS, make("fixed"), 4, 3, window=Window(6, [label == 1 for label in LABELS]))
    found["windows"] = [[draw.position for draw in batch] for batch in windows]
    found["ends"] = [windows.ends_loss(number) for number in range(len(windows))]
    return found


@pytest.mark.parametrize("name", [*BATCHINGS, *VIEW_BATCHINGS])
def test_keys_ranges_and_defaults_are_those_of_the_reference(name: str) -> None:
    strategy, schema = batching_class(name), read_reference()["properties"]
    tables = schema["pretrain"]["properties"]["batching"]["anyOf"]
    (published,) = [one for one in tables if one.get("title") == strategy.__name__]
    check_keys(strategy, published)
    assert published["properties"]["name"]["default"] == name
    required = sorted(key for key, field in strategy.model_fields.items() if field.is_required())
    assert sorted(published.get("required", [])) == required


@pytest.mark.parametrize("module", ["base", "regional_crops", "subsample_fixed_n"])
def test_settings_import_neither_numpy_nor_torch(module: str) -> None:
    names = vars(importlib.import_module(f"oceanpath.bags.batching.{module}")).keys()
    assert not names & {"np", "torch", "Generator", "NDArray", "SourceBag"}


def draws(*positions: int) -> list[Draw]:
    return [Draw(position, 0) for position in positions]


def test_what_remains_of_small_batches_is_added_to_those_with_the_fewest_patches() -> None:
    lengths = [50, 10, 40, 10, 1, 2, 7]
    batches = [draws(0, 1), draws(2, 3), draws(4), draws(5), draws(6)]
    merged = merge_small(batches, lengths, 2)
    assert merged == [draws(0, 1), draws(2, 3), draws(4, 5, 6)]
    # Two large batches of 60 and 50 patches; after a bag of 20 the other one has the fewest.
    merged = merge_small([draws(0, 1, 7), draws(2, 3, 8), draws(4), draws(6)], [50, 10, 40, 10, 20, 2, 7, 0, 0], 3)
    assert merged == [draws(0, 1, 7, 6), draws(2, 3, 8, 4)]
    assert merge_small([draws(0), draws(1)], lengths, 3) == [draws(0, 1)]
    assert batches[0] == draws(0, 1), "the given batches are not changed"


def test_batches_of_exactly_the_least_number_of_bags_stay() -> None:
    batches = [draws(0, 1, 2), draws(3, 4, 5)]
    assert merge_small(batches, [1] * 6, 3) == batches
    with pytest.raises(ValueError, match="2 bags, but a batch needs 3"):
        BatchSampler([1, 1], make("fixed"), 4, 0, min_batch=3)
    assert len(BatchSampler([1, 1, 1], make("fixed"), 4, 0, min_batch=3)) == 1
    for least, sizes in ((1, [2, 2, 1]), (2, [2, 3])):
        sampler = BatchSampler([1] * 5, make("fixed"), 2, 0, min_batch=least)
        assert sorted(map(len, sampler)) == sorted(sizes)


def test_chunks_have_the_stated_size_except_the_last() -> None:
    assert chunks(draws(0, 1, 2, 3, 4), 2) == [draws(0, 1), draws(2, 3), draws(4)]
    assert chunks([], 2) == []


def test_every_window_contains_a_required_bag_or_the_number_is_an_error() -> None:
    required = [False, False, False, False, True, True]
    window = Window(2, required)
    batches = [draws(0, 1), draws(2), draws(3), draws(4), draws(5)]
    assert window.ends(batches) == [0, 2, 4]
    with pytest.raises(ValueError, match="2 required bags for 3 windows"):
        window.spread(batches)
    spread = Window(3, required).spread(batches)
    assert sorted(draw.position for batch in spread for draw in batch) == [0, 1, 2, 3, 4, 5]
    ends = [-1, *Window(3, required).ends(spread)]
    for low, high in pairwise(ends):
        assert any(required[draw.position] for batch in spread[low + 1 : high + 1] for draw in batch)
    assert batches[0] == draws(0, 1), "the given batches are not changed"


def test_a_sequence_packing_closes_its_fullest_batch() -> None:
    strategy = make("sequence_packing", budget=10, open_batches=2)
    epoch = Epoch(draws(0, 1, 2, 3, 4), [6, 8, 9, 4, 2], 1, np.random.default_rng(0))
    assert sorted(strategy.plan(epoch)) == [draws(0, 3), draws(1), draws(2), draws(4)]


@pytest.mark.parametrize(
    ("name", "is_blocks", "coords", "words"),
    [
        ("jepa", True, False, ""),
        ("jepa", False, True, "m is trained on random views of the bag, and jepa makes a context and target blocks"),
        ("multi_crop", True, True, "m is trained on a context and target blocks, and multi_crop makes random views"),
        ("multi_crop", False, True, ""),
        ("fixed", True, True, ""),
        ("fixed", False, False, ""),
        ("regional_crops", False, False, "regional_crops needs the coordinates of patches, which the store does not"),
        ("regional_crops", False, True, ""),
    ],
)
def test_why_a_method_cannot_be_trained_with_a_strategy(name: str, is_blocks: bool, coords: bool, words: str) -> None:
    for batching in (make(name), batching_class(name)):
        found = refusal("m", is_blocks, batching, coords)
        assert found is None if not words else found is not None and found.startswith(words)
