"""ResNet-50 (He et al. 2016) with ImageNet weights, up to its third stage, averaged: 1024 features (CLAM, 2021).

The weights file is that of the whole network, from torchvision or timm, which use the same tensor names.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from oceanpath.slides.encoders.checkpoint import load_weights, read_state
from oceanpath.slides.encoders.device import resolve_device
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.timm_library import missing_package_reported
from oceanpath.slides.encoders.torch_encoder import TorchEncoder
from oceanpath.slides.encoders.weights import find_weights
from oceanpath.torchvision_import import import_torchvision


class ThreeStages(nn.Module):
    """The stem and the first three stages of a ResNet: [B, 3, H, W] → [B, 1024, H / 16, W / 16]."""

    def __init__(self, whole: Any) -> None:
        super().__init__()
        self.stem = nn.Sequential(whole.conv1, whole.bn1, whole.relu, whole.maxpool)
        self.stages = nn.Sequential(whole.layer1, whole.layer2, whole.layer3)

    def forward(self, pixels: Tensor) -> Tensor:
        """The map of the third stage."""
        maps: Tensor = self.stages(self.stem(pixels))
        return maps


def build(spec: EncoderSpec, device: str, options: EncoderOptions) -> TorchEncoder:
    """The encoder; raises as `oceanpath.slides.encoders.timm_networks.build` does."""
    where = resolve_device(device)
    with missing_package_reported(spec.name):
        whole = import_torchvision().models.resnet50(weights=None)
    weights = find_weights(spec, options)
    load_weights(whole, read_state(weights.path), spec.name, weights.path)
    return TorchEncoder(spec, ThreeStages(whole), where, options.precision, weights)
