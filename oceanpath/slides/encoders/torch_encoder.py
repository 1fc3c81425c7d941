"""A torch network as a patch encoder: resized and normalised on its device, pooled, float16.

On a CPU patches go through the network one by one: a row is then the same whatever its batch, bit for bit, for 0 to 8 %
more time than in batches of eight (a patch has hundreds of tokens, which fill the matrix products). A GPU takes a batch
at once; there a row is the same for batches of the same size, which is why batches are filled up and never cut short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from oceanpath.errors import ExperimentError
from oceanpath.slides.encoders.device import compute_dtype
from oceanpath.slides.encoders.spec import EncoderSpec, View

if TYPE_CHECKING:
    from oceanpath.slides.encoders.weights import Weights

CPU_BATCH, GPU_BATCH = 8, 128


class TorchEncoder:
    """A network on one device.

    Args:
        card: Name, feature length, view and pooling.
        network: Maps [B, 3, H, W] to what `card.pool` expects. It is moved to `device` and set to evaluate.
        device: Where it runs.
        precision: ``auto``, ``float32`` or ``bfloat16``.
        weights: Which weights it holds; None where they need no telling.
    """

    def __init__(
        self, card: EncoderSpec, network: nn.Module, device: torch.device, precision: str, weights: Weights | None
    ) -> None:
        if card.view is None:
            raise ExperimentError("the encoder does not say what it sees of a patch", where=card.name)
        self.name, self.dim, self.input_px = card.name, card.dim, card.input_px
        self.revision, self.weights_sha256 = (weights.revision, weights.sha256) if weights else ("", "")
        self.device, self.dtype = device, compute_dtype(device, precision)
        on_cpu = device.type == "cpu"
        self.batch_size, self.threads = (CPU_BATCH, torch.get_num_threads()) if on_cpu else (GPU_BATCH, 0)
        self._card, self._view = card, card.view
        self._network = network.eval().requires_grad_(False).to(device)

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of patches [B, P, P, 3]."""
        features: NDArray[np.float16] = self.encode_tensor(torch.from_numpy(patches).to(self.device)).cpu().numpy()
        return features

    @torch.inference_mode()
    def encode_tensor(self, patches: Tensor) -> Tensor:
        """Features [B, dim], float16, of uint8 patches [B, P, P, 3]; both on the device of the encoder."""
        step = 1 if self.device.type == "cpu" else max(1, len(patches))
        starts = range(0, max(1, len(patches)), step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            rows = [self._pooled(self._network(see(patches[i : i + step], self._view))) for i in starts]
        return torch.cat(rows).half()

    def _pooled(self, found: Tensor) -> Tensor:
        if self._card.pool == "map_mean":
            return found.float().mean(dim=(2, 3))
        if self._card.pool == "cls":
            return found[:, 0].float()
        if self._card.pool == "cls_mean":
            return torch.cat([found[:, 0].float(), found[:, self._card.prefix_tokens :].float().mean(dim=1)], dim=1)
        return found.float()


def see(patches: Tensor, view: View) -> Tensor:
    """What a network sees of uint8 patches [B, P, P, 3]: float32 [B, 3, crop, crop].

    Resizing is that of the image library which these networks were trained and are published with: rows first, then
    columns, each rounded to whole grey values of 0 to 255. In one step bicubic interpolation would overshoot.
    """
    pixels, side = patches.permute(0, 3, 1, 2).float(), view.resize_px
    if pixels.shape[-1] != side:
        for size in ((pixels.shape[-2], side), (side, side)):
            pixels = F.interpolate(pixels, size=size, mode=view.interpolation, antialias=True)
            pixels = pixels.add_(0.5).floor_().clamp_(0, 255)  # halves go up there
    start = round((view.resize_px - view.crop_px) / 2)
    stop = start + view.crop_px
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (view.mean, view.std))
    return (pixels[..., start:stop, start:stop] / 255 - mean) / std
