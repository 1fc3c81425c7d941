"""Every method with every batching strategy: it is trained, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from oceanpath.artifacts.store.reader import Store
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.batching.kinds import refusal
from oceanpath.bags.batching.registry import BATCHINGS, OTHER_NAMES, VIEW_BATCHINGS, batching_class, parse_view_batching
from oceanpath.bags.dataset import BagDataset
from oceanpath.bags.deviation import feature_deviation
from oceanpath.bags.neighbour_table import neighbour_table
from oceanpath.bags.view_loader import StoreFacts, ViewLoader, ViewSettings
from oceanpath.ssl.methods.base import StepContext
from oceanpath.ssl.methods.registry import METHODS
from tests.conftest import write_store

from .bags import DIM, small_method

STRATEGIES = sorted({*BATCHINGS, *VIEW_BATCHINGS, *OTHER_NAMES})
SIZES = [1, 2, 9, 30, 64, 17, 5]
REFUSED = {(method, "jepa") for method in METHODS if method != "jepa"} | {("jepa", "multi_crop")}


@pytest.fixture(params=[True, False], ids=["coords", "no coords"])
def store(request, tmp_path: Path) -> Store:
    random = np.random.default_rng(0)
    bags = {f"s{k}": random.standard_normal((n, DIM)) for k, n in enumerate(SIZES)}
    grid = {name: np.stack([np.arange(len(bag)) % 6, np.arange(len(bag)) // 6], axis=1) for name, bag in bags.items()}
    coords = {name: cells.astype(np.int32) * 256 for name, cells in grid.items()}
    return write_store(tmp_path / "store", bags, coords if request.param else False)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_pair_is_trained_or_refused(strategy: str, store: Store, tmp_path: Path) -> None:
    numbers = range(len(store))
    facts = StoreFacts(feature_deviation(store, numbers), neighbour_table(store, tmp_path / "side"))
    batching = parse_view_batching({"name": strategy, **({"budget": 60} if strategy == "token_budget" else {})})
    for name in METHODS:
        method = small_method(name)
        reason = refusal(name, method.views.is_blocks, batching, store.has_coords)
        no_coords = strategy == "regional_crops" and not store.has_coords
        assert (reason is not None) == ((name, strategy) in REFUSED or no_coords), name
        if reason is not None:
            assert strategy in reason
            continue
        wanted = method.views
        counts = wanted.global_views, wanted.local_views, wanted.is_blocks
        settings = ViewSettings(batching, AugmentSettings(), 3, 0, *counts, min_batch=method.least_bags)
        loader = ViewLoader(BagDataset(store, numbers, [k % 2 for k in numbers]), settings, facts)
        seen: list[str] = []
        for step, views in enumerate(loader):
            context = StepContext(step, 9, patients=torch.arange(len(views[0])))
            method.begin_step(context)
            loss = method.loss(views, context).value
            loss.backward()
            assert torch.isfinite(loss), name
            assert len(views) == wanted.global_views + wanted.local_views
            seen += views[0].slide_ids
        assert sorted(seen) == store.slide_ids, name
        gradients = [parameter.grad for parameter in method.aggregator.parameters()]
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients), name


def test_the_default_strategy_of_each_method_is_one_of_its_own() -> None:
    for name, entry in METHODS.items():
        default = batching_class(entry.settings.default_batching["name"])
        assert refusal(name, small_method(name).views.is_blocks, default) is None
