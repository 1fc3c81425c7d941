from __future__ import annotations

import pytest
import torch

from oceanpath.models.settings import StaticSettings
from oceanpath.models.static import StaticPooling


def build(pool: str) -> StaticPooling:
    torch.manual_seed(0)
    return StaticPooling(StaticSettings(pool=pool, hidden=8), 5).eval()


@torch.no_grad()
def test_mean_and_max_are_torch_s() -> None:
    h = torch.randn(2, 6, 5)
    mean, attention = build("mean").forward_features(h, return_attention=True)
    torch.testing.assert_close(mean, build("mean").patches(h).mean(dim=1))
    torch.testing.assert_close(attention, torch.full((2, 6), 1 / 6))
    torch.testing.assert_close(build("max").forward_features(h)[0], build("max").patches(h).amax(dim=1))


@torch.no_grad()
def test_attention_of_the_maximum_is_the_share_of_dimensions_a_patch_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("max")
    monkeypatch.setattr(model, "patches", torch.nn.Sequential(torch.nn.Identity()))
    h = torch.tensor([[[3.0, 0.0, 1.0, 5.0, 0.0], [1.0, 2.0, 1.0, 0.0, 0.0]]])
    _, attention = model.pool(h, None, None, True)
    torch.testing.assert_close(attention, torch.tensor([[(1 + 0 + 0.5 + 1 + 0.5) / 5, (0 + 1 + 0.5 + 0 + 0.5) / 5]]))
