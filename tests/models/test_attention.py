from __future__ import annotations

import pytest
import torch

from oceanpath.models import attention as attend
from oceanpath.models.perceiver import Perceiver
from oceanpath.models.settings import PerceiverSettings, TransformerSettings
from oceanpath.models.transformer import Transformer

from ..narrowing import required


@torch.no_grad()
def test_the_bias_is_minus_slope_times_distance_for_any_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 6, 4, dtype=torch.float64) for _ in range(3))
    places = torch.cat([3 * torch.rand(1, 6, 2, dtype=torch.float64), torch.ones(1, 6, 1, dtype=torch.float64)], -1)
    apart = torch.cdist(places[..., :2], places[..., :2])
    slopes = torch.tensor([2.0**-4, 2.0**-8], dtype=torch.float64)
    scores = q @ k.mT / 2 - slopes[None, :, None, None] * apart[:, None]
    for size in (1024, 4, 1):
        monkeypatch.setattr(attend, "QUERIES", size)
        torch.testing.assert_close(attend._attend(q, k, v, None, places), scores.softmax(-1) @ v)


@torch.no_grad()
def test_near_patches_count_more_and_a_moved_slide_is_the_same() -> None:
    torch.manual_seed(0)
    model = Transformer(TransformerSettings(hidden=16, heads=2), 5).eval()
    h, coords = torch.randn(1, 8, 5), torch.randint(0, 20_000, (1, 8, 2), dtype=torch.int32)
    here, _ = model.forward_features(h, None, coords)
    torch.testing.assert_close(model.forward_features(h, None, coords + 7_000)[0], here, atol=1e-6, rtol=0)
    assert not torch.allclose(model.forward_features(h, None, coords * 4)[0], here)


def test_gradients_pass_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = Transformer(TransformerSettings(hidden=16, heads=2, dropout=0.0), 5).double()
    h, coords = torch.randn(1, 8, 5, dtype=torch.float64), torch.randint(0, 9_000, (1, 8, 2), dtype=torch.int32)
    grads = []
    for size in (1024, 3):
        monkeypatch.setattr(attend, "QUERIES", size)
        model.zero_grad()
        model.forward_features(h, None, coords)[0].square().sum().backward()
        grads.append(required(model.get_parameter("patches.2.weight").grad).clone())
    torch.testing.assert_close(grads[0], grads[1])


@torch.no_grad()
def test_fourier_places_matter_but_not_where_the_slide_lies() -> None:
    torch.manual_seed(0)
    model = Perceiver(PerceiverSettings(hidden=16, heads=2, latents=3, positions="fourier"), 5).double().eval()
    h = torch.randn(1, 8, 5, dtype=torch.float64)
    coords = torch.randint(0, 20_000, (1, 8, 2), dtype=torch.int32)
    here, _ = model.forward_features(h, None, coords)
    torch.testing.assert_close(model.forward_features(h, None, coords + 512)[0], here)
    assert not torch.allclose(model.forward_features(h, None, coords.flip(1))[0], here)
    assert not torch.allclose(model.forward_features(h)[0], here)
