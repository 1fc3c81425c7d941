"""Perturbations equal their formulas, and the same views are the same alone and in a batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from oceanpath.bags.augment.bag import Patches, SourceBag, View
from oceanpath.bags.augment.base import Perturbation
from oceanpath.bags.augment.feature_dropout import FeatureDropout
from oceanpath.bags.augment.gaussian_noise import GaussianNoise
from oceanpath.bags.augment.geometry import cells_of
from oceanpath.bags.augment.local_feature_smooth import LocalFeatureSmooth
from oceanpath.bags.augment.noise_table import SIZE, noise_rows
from oceanpath.bags.augment.render import render
from oceanpath.bags.augment.settings import AugmentSettings
from oceanpath.bags.augment.spatial_feature_interpolation import SpatialFeatureInterpolation
from oceanpath.bags.augment.tissue_region_mixup import TissueRegionMixup
from oceanpath.bags.augment.views import DualViewAugmentor
from oceanpath.bags.neighbours import nearest_rows

N, ROWS = 400, np.arange(0, 400, 2)


@pytest.fixture
def bag(bag_of: Callable[..., SourceBag]) -> SourceBag:
    return bag_of(N)


@pytest.fixture
def stored() -> Tensor:
    return torch.randn(N, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float32) * 3 + 1


def patches_of(bag: SourceBag, stored: Tensor, rows: np.ndarray = ROWS) -> Patches:
    near = torch.from_numpy(nearest_rows(bag.positions)[rows].astype(np.int64))
    return Patches(
        stored,
        torch.from_numpy(rows),
        near,
        torch.zeros(len(rows), dtype=torch.int64),
        stored.float().std(dim=0, correction=0),
    )


def rendered(one: Perturbation, bag: SourceBag, stored: Tensor, draws: tuple[np.ndarray, ...]) -> Tensor:
    view = View(bag, ROWS, bag.positions[ROWS], {"one": draws})
    return render([("one", one)], patches_of(bag, stored), [view])


def applied(one: Perturbation, bag: SourceBag, stored: Tensor) -> tuple[tuple[np.ndarray, ...], Tensor]:
    draws = one.draw(bag, ROWS, np.random.default_rng(0))
    return draws, rendered(one, bag, stored, draws)


def test_smoothing_blends_with_the_mean_of_the_nearest(bag, stored) -> None:
    one = LocalFeatureSmooth(k=5, alpha=(0.2, 0.2), share=0.5)
    (weights,), values = applied(one, bag, stored)
    means = stored[nearest_rows(bag.positions, 5)[ROWS].astype(np.int64)].mean(dim=1)
    expected = stored[ROWS].lerp(means, torch.from_numpy(weights).unsqueeze(1))
    assert torch.allclose(values, expected, atol=1e-6)
    assert 70 < (weights > 0).sum() < 130
    assert np.allclose(weights[weights > 0], 0.2)


def test_interpolation_moves_towards_one_of_the_nearest(bag, stored) -> None:
    (t, ranks), values = applied(SpatialFeatureInterpolation(k=3), bag, stored)
    others = nearest_rows(bag.positions)[ROWS].astype(np.int64)[np.arange(len(ROWS)), ranks]
    assert torch.allclose(values, stored[ROWS].lerp(stored[others], torch.from_numpy(t).unsqueeze(1)), atol=1e-6)
    assert set(ranks) == {0, 1, 2}
    assert t.max() <= 0.25
    assert t[t > 0].min() >= 0.05


def test_interpolation_follows_smoothing(bag, stored) -> None:
    smooth, move = LocalFeatureSmooth(k=4, share=1.0), SpatialFeatureInterpolation(share=1.0)
    draws = {"a": smooth.draw(bag, ROWS, np.random.default_rng(0)), "b": move.draw(bag, ROWS, np.random.default_rng(1))}
    values = render([("a", smooth), ("b", move)], patches_of(bag, stored), [View(bag, ROWS, None, draws)])
    near = nearest_rows(bag.positions)[ROWS].astype(np.int64)
    (alpha,), (t, ranks) = draws["a"], draws["b"]
    smoothed = stored[ROWS].lerp(stored[near[:, :4]].mean(dim=1), torch.from_numpy(alpha).unsqueeze(1))
    others = stored[near[np.arange(len(ROWS)), ranks]]
    assert torch.allclose(values, smoothed.lerp(others, torch.from_numpy(t).unsqueeze(1)), atol=1e-5)


def test_mixup_blends_with_the_mean_of_another_cell(bag, stored) -> None:
    (cells, others, weights), values = applied(TissueRegionMixup(share=0.6), bag, stored)
    assert np.array_equal(cells, cells_of(bag.positions[ROWS], 4))
    view = stored[ROWS]
    for i in range(len(ROWS)):
        mean = view[cells == others[i]].mean(dim=0)
        assert torch.allclose(values[i], view[i] + float(weights[i]) * (mean - view[i]), atol=1e-5)
        if weights[i] > 0:
            assert others[i] != cells[i]
            assert (cells == others[i]).sum() >= 4
    assert (weights > 0).mean() > 0.4


def test_noise_has_its_share_of_the_deviation_of_each_feature(bag) -> None:
    scale = torch.logspace(-3, 3, 16)
    stored = torch.randn(N, 16) * scale
    _, values = applied(GaussianNoise(share=0.1), bag, stored)
    noise = (values - stored[ROWS]) / stored.std(dim=0, correction=0)
    assert noise.std(dim=0).sub(0.1).abs().max() < 0.02
    assert noise.mean().abs() < 0.01
    correlation = torch.corrcoef(noise.T) - torch.eye(16)
    assert correlation.abs().max() < 0.35


def test_noise_continues_at_the_beginning_of_the_table_and_is_the_same_in_a_batch() -> None:
    width, rows = 1024, 900
    starts = torch.tensor([0.999, 0.0, 0.5], dtype=torch.float64)
    views = torch.arange(3).repeat_interleave(torch.tensor([rows, 7, 2 * SIZE // width]))
    together = noise_rows(starts, views, width)
    assert together.std() == pytest.approx(1, abs=0.01)
    for k in range(3):
        own = views[views == k] * 0
        alone = noise_rows(starts[k : k + 1], own, width)
        assert torch.equal(alone, together[views == k])
        assert len(torch.unique(alone[:rows, 0])) > min(rows, len(alone)) * 0.99


def test_dropout_removes_the_same_features_of_all_patches(bag, stored) -> None:
    (removed,), values = applied(FeatureDropout(rate=0.3), bag, stored)
    assert 0 < removed.sum() < 16
    assert torch.equal(values == 0, torch.from_numpy(removed == 1).expand(len(ROWS), 16))
    assert torch.equal(values[:, removed[0] == 0], stored[ROWS][:, removed[0] == 0])


@pytest.mark.parametrize("name", [name for name, _ in AugmentSettings().perturbations()])
def test_draws_of_zero_change_nothing(name: str, bag, stored) -> None:
    one = getattr(AugmentSettings(), name)
    draws = tuple(np.zeros_like(array) for array in one.draw(bag, ROWS, np.random.default_rng(0)))
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        assert torch.equal(rendered(one, bag, stored.to(dtype), draws).to(dtype), stored.to(dtype)[ROWS])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_a_batch_of_views_equals_each_view_alone(dtype: torch.dtype, bag_of) -> None:
    settings = AugmentSettings()
    bags = [bag_of(n, slide_id=f"s{n}") for n in (1, 40, 300)]
    stored = torch.randn(341, 16).to(dtype)
    starts, views, alone = [0, 1, 41], [], []
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for bag, start in zip(bags, starts, strict=True):
        view = DualViewAugmentor(settings, 3, True).views(bag, 5)[0]
        own = patches_of(bag, stored[start : start + bag.length], view.rows)
        own = Patches(own.stored, own.rows, own.neighbours, own.views, torch.ones(16))
        alone.append(render(settings.perturbations(), own, [view]))
        views.append(view)
        assert own.neighbours is not None
        parts.append((own.rows + start, own.neighbours + start, torch.full((len(view.rows),), len(parts))))
    rows, near, which = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    together = render(settings.perturbations(), Patches(stored, rows, near, which, torch.ones(16)), views)
    assert torch.allclose(together.float(), torch.cat(alone).float(), atol=1e-6 if dtype == torch.float32 else 2e-2)
    assert not torch.equal(together, stored[rows])


def test_stored_features_are_never_changed(bag) -> None:
    for dtype in (torch.float16, torch.float32):
        stored = torch.randn(N, 16).to(dtype)
        before = stored.clone()
        view = DualViewAugmentor(AugmentSettings(), 0, True).views(bag, 0)[0]
        render(AugmentSettings().perturbations(), patches_of(bag, stored, view.rows), [view])
        assert torch.equal(stored, before)
