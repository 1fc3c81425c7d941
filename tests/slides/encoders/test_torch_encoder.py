"""The input of a network for a patch, and the pooling of its output."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from oceanpath.errors import ExperimentError
from oceanpath.slides.encoders.spec import HALF, IMAGENET, EncoderSpec, View
from oceanpath.slides.encoders.torch_encoder import TorchEncoder, network_view

CPU = torch.device("cpu")
NOISE = np.random.default_rng(0).integers(0, 256, (2, 300, 300, 3)).astype(np.uint8)


class Means(nn.Module):
    """A network whose output anyone can compute: mean colours, as a vector, tokens or a map."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        means = pixels.mean(dim=(2, 3))
        if self.kind == "map_mean":
            return torch.stack([means, 3 * means], dim=2)[..., None]
        tokens = torch.stack([means, 9 * means, 2 * means, 4 * means], dim=1)
        return means if self.kind == "network" else tokens


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    ("side", "resize", "crop"), [(512, 256, 224), (300, 224, 224), (200, 224, 224), (256, 256, 224)]
)
def test_the_view_equals_timms_transform(
    timm: ModuleType, interpolation: Literal["bilinear", "bicubic"], side: int, resize: int, crop: int
) -> None:
    """Noise, the hardest case: at most one grey value apart, and that in one of fifty pixels."""
    patches = np.random.default_rng(1).integers(0, 256, (2, side, side, 3)).astype(np.uint8)
    mean, std = IMAGENET
    reported = {"input_size": (3, crop, crop), "interpolation": interpolation, "crop_pct": crop / resize}
    transform = timm.data.create_transform(**reported, mean=mean, std=std)
    theirs = torch.stack([transform(Image.fromarray(patch)) for patch in patches])
    ours = network_view(torch.from_numpy(patches), View(resize, crop, interpolation, mean, std))
    grey = (ours - theirs).abs() * torch.tensor(std).view(3, 1, 1) * 255
    assert ours.shape == (2, 3, crop, crop)
    assert grey.max() < 1.01 and (grey > 0.5).float().mean() < 0.02


def test_a_patch_of_the_right_size_is_only_normalised() -> None:
    seen = network_view(torch.from_numpy(NOISE), View(300, 300, "bicubic", *HALF))
    assert torch.equal(seen, (torch.from_numpy(NOISE).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5)


@pytest.mark.parametrize(
    ("pool", "prefix", "factors"),
    [("network", 1, (1,)), ("cls", 1, (1,)), ("cls_mean", 1, (1, 5)), ("cls_mean", 2, (1, 3)), ("map_mean", 1, (2,))],
)
def test_pooling(
    pool: Literal["network", "cls", "cls_mean", "map_mean"], prefix: int, factors: tuple[int, ...]
) -> None:
    view = View(300, 300, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    spec = EncoderSpec("means", "", 3 * len(factors), 300, "-", "-", view=view, pool=pool, prefix_tokens=prefix)
    encoder = TorchEncoder(spec, Means(pool), CPU, "float32", None)
    means = NOISE.mean(axis=(1, 2)) / 255
    expected = np.concatenate([factor * means for factor in factors], axis=1)
    result = encoder.encode(NOISE)
    assert result.dtype == np.float16 and np.abs(result - expected).max() < 2e-3
    assert encoder.encode(NOISE[:0]).shape == (0, spec.dim)


def test_a_spec_needs_a_view() -> None:
    with pytest.raises(ExperimentError, match="means: the encoder spec has no view"):
        TorchEncoder(EncoderSpec("means", "", 3, 300, "-", "-"), Means("network"), CPU, "auto", None)


def test_random_weights_depend_only_on_the_seed() -> None:
    from oceanpath.slides.encoders.random_vit_tiny import RandomViT

    torch.manual_seed(5)
    one = RandomViT(seed=1).state_dict()
    torch.manual_seed(6)
    again, other = RandomViT(seed=1).state_dict(), RandomViT(seed=2).state_dict()
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["blocks.3.qkv.weight"], other["blocks.3.qkv.weight"])
    assert sum(value.numel() for value in one.values()) == 5_524_416  # of ViT-Ti/16 without its classifier
