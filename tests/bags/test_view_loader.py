"""Batches of views: the same for any number of readers and any batch, computed only from the selected rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batch import Batch
from oceanpath.bags.batching.registry import parse_view_batching
from oceanpath.bags.batching.subsample_fixed_n import SubsampleFixedN
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbour_table import neighbour_table
from oceanpath.bags.resident import ResidentStore
from oceanpath.bags.view_loader import StoreFacts, ViewLoader, ViewSettings
from oceanpath.models.registry import build_aggregator, parse_model
from oceanpath.ssl.methods.base import embed
from tests.conftest import write_store

OFF = AugmentSettings.off()
SIZES = [1, 2, 5, 30, 200, 77, 120, 64, 9, 300, 41]


@pytest.fixture(params=["float16", "bfloat16", "float32"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(tmp_path) -> Store:
    return store_of(tmp_path)


def store_of(tmp_path, dtype: str = "float16", coords: bool = True) -> Store:
    random, bags, places = np.random.default_rng(0), {}, {}
    for k, n in enumerate(SIZES):
        bags[f"s{k:02d}"] = random.standard_normal((n, 8)).astype(np.float32)
        cells = np.sort(random.permutation(int(n * 1.5) + 4)[:n])
        places[f"s{k:02d}"] = (np.stack([cells % 20, cells // 20], axis=1) * 256).astype(np.int32)
    return write_store(tmp_path / f"store_{dtype}_{coords}", bags, places if coords else False, dtype)


def loader_of(store: Store, tmp_path, readers: int = 2, labels=None, **settings) -> ViewLoader:
    strategy = settings.pop("strategy", "subsample_fixed_n")
    table = {"strategy": strategy, **({"budget": 300} if "budget" in strategy or "packing" in strategy else {})}
    common: dict[str, Any] = {"augment": AugmentSettings(), "batch_size": 3, "seed": 4} | settings
    numbers = range(len(store))
    facts = StoreFacts(feature_deviation(store, numbers), neighbour_table(store, tmp_path / "side"))
    dataset = BagDataset(store, numbers, labels)
    return ViewLoader(dataset, ViewSettings(parse_view_batching(table), **common), facts, readers)


def same(a: Batch, b: Batch) -> bool:
    keys = ("features", "offsets", "coords", "views")
    pairs = [(getattr(a, key), getattr(b, key)) for key in keys]
    return a.slide_ids == b.slide_ids and all(x is y or torch.equal(x, y) for x, y in pairs)


def number_of(view: Batch) -> int:
    assert view.views is not None
    return int(view.views[0])


def epoch_of(loader: ViewLoader, epoch: int = 2) -> list[tuple[Batch, ...]]:
    loader.sampler.set_epoch(epoch)
    return list(loader)


@pytest.mark.parametrize("coords", [True, False])
@pytest.mark.parametrize("kind", [{}, {"local_views": 3}, {"is_blocks": True, "global_views": 1, "local_views": 4}])
def test_batches_are_the_same_for_any_number_of_readers(kind, coords, tmp_path, dtype) -> None:
    store = store_of(tmp_path, dtype, coords)
    one, four = (epoch_of(loader_of(store, tmp_path, readers, **kind)) for readers in (1, 4))
    assert len(one) == len(four)
    for a, b in zip(one, four, strict=True):
        assert all(same(x, y) for x, y in zip(a, b, strict=True))
        assert len(a) == sum(kind.get(key, default) for key, default in (("global_views", 2), ("local_views", 0)))
        assert a[0].features.dtype == getattr(torch, dtype)
        assert (a[0].coords is not None) == coords


def test_a_view_does_not_depend_on_its_batch(store, tmp_path) -> None:
    by_slide = []
    for size in (2, 5):
        rows = {}
        for batch in (view for views in epoch_of(loader_of(store, tmp_path, batch_size=size)) for view in views):
            for k, (first, last) in enumerate(batch.spans()):
                rows[batch.slide_ids[k], number_of(batch)] = batch.features[first:last]
        by_slide.append(rows)
    assert by_slide[0].keys() == by_slide[1].keys()
    assert len(by_slide[0]) == 2 * len(SIZES)
    assert all(torch.equal(by_slide[0][key], by_slide[1][key]) for key in by_slide[0])


@pytest.mark.parametrize("strategy", ["token_budget", "sequence_packing"])
def test_budgets_count_the_computed_rows_of_all_views(strategy: str, store, tmp_path) -> None:
    loader = loader_of(store, tmp_path, strategy=strategy, min_batch=1, augment=OFF)
    for views in epoch_of(loader):
        rows = sum(len(view.features) for view in views)
        assert rows <= 300 or len(views[0]) == 1
        assert rows == sum(2 * SIZES[int(name[1:])] for name in views[0].slide_ids)


@pytest.mark.parametrize("strategy", ["token_budget", "subsample_fixed_n", "multi_crop", "regional_crops"])
def test_no_batch_has_one_bag_and_no_bag_is_missing(strategy: str, store, tmp_path) -> None:
    batches = epoch_of(loader_of(store, tmp_path, strategy=strategy, batch_size=5))
    assert min(len(views[0]) for views in batches) >= 2
    assert sorted(name for views in batches for name in views[0].slide_ids) == store.slide_ids
    assert len({views[0].slide_ids == views[1].slide_ids for views in batches}) == 1


def test_views_without_augmentation_are_the_stored_bags(store, tmp_path) -> None:
    loader = loader_of(store, tmp_path, augment=OFF, labels=list(range(len(SIZES))))
    for views in epoch_of(loader):
        for view in views:
            assert view.labels is not None
            assert view.coords is not None
            for k, (first, last) in enumerate(view.spans()):
                number = store.number(view.slide_ids[k])
                assert view.labels[k] == number
                assert np.array_equal(view.features[first:last].numpy(), store.features(number))
                assert np.array_equal(view.coords[first:last].numpy(), store.coords(number))


def test_the_gpu_s_way_gives_the_same_views(store, tmp_path) -> None:
    """On a GPU the views of a batch are perturbed together; here the same code runs on the CPU."""
    usual, resident = loader_of(store, tmp_path), loader_of(ResidentStore(store), tmp_path)
    for a, b in zip(epoch_of(usual), epoch_of(resident), strict=True):
        assert all(same(x, y) for x, y in zip(a, b, strict=True))
    together = loader_of(ResidentStore(store), tmp_path)
    together.perturbs_together = True
    for a, b in zip(epoch_of(usual), epoch_of(together), strict=True):
        for x, y in zip(a, b, strict=True):
            assert torch.allclose(x.features.float(), y.features.float(), atol=4e-3)
            assert torch.equal(x.offsets, y.offsets)


def test_what_was_left_out_is_named(tmp_path) -> None:
    assert "spatial_crop" in loader_of(store_of(tmp_path, coords=False), tmp_path).left_out
    assert loader_of(store_of(tmp_path), tmp_path).left_out == []


@pytest.mark.parametrize("architecture", ["abmil", "static", "multihead_abmil", "perceiver"])
def test_padded_and_packed_strategies_give_the_embeddings_of_each_bag_alone(architecture, store, tmp_path) -> None:
    torch.manual_seed(0)
    model = build_aggregator(parse_model({"name": architecture}), 8).eval()
    with torch.no_grad():
        for strategy in ("sequence_packing", "pad_to_max_in_batch", "pad_to_global"):
            loader = loader_of(store, tmp_path, strategy=strategy)
            for view in (view for views in epoch_of(loader) for view in views):
                embeddings = embed(model, view)
                assert view.coords is not None
                padded = {"pad_to_max_in_batch": int(view.lengths.max()), "pad_to_global": 300}
                assert view.padded_to == padded.get(strategy)
                for k, (first, last) in enumerate(view.spans()):
                    coords = view.coords[None, first:last]
                    alone = model.forward_features(view.features[None, first:last], None, coords)[0]
                    assert torch.allclose(embeddings[k], alone[0], atol=1e-5)


def test_a_capped_dataset_and_too_few_bags_are_refused(store, tmp_path) -> None:
    facts, settings = StoreFacts(np.ones(8, np.float32)), ViewSettings(SubsampleFixedN(), AugmentSettings(), 3, 0)
    with pytest.raises(ValueError, match="limits the patches of a view"):
        ViewLoader(BagDataset(store, [0, 1], max_patches=4), settings, facts)
    for numbers in ([], [0]):
        with pytest.raises(ValueError, match=f"{len(numbers)} bags, but a batch needs 2"):
            ViewLoader(BagDataset(store, numbers), settings, facts)


def test_packing_computes_each_row_once(store, tmp_path) -> None:
    loader = loader_of(store, tmp_path, strategy="sequence_packing", augment=OFF)
    views = [view for views in epoch_of(loader) for view in views]
    assert sum(len(view.features) for view in views) == 2 * sum(SIZES)
    assert all(view.padded_to is None for view in views)
