"""A torch network as a patch encoder: resized and normalised on its device, pooled, float16.

On a CPU patches are encoded one by one: a row is then identical in every batch, bit for bit, for 0 to 8 % more time
than in batches of eight (a patch has hundreds of tokens, enough for efficient matrix products). A GPU encodes a whole
batch; rows are identical for batches of the same size, which is why incomplete batches are padded.
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
        spec: Name, feature length, preprocessing and pooling.
        network: Maps [B, 3, H, W] to what `spec.pool` expects. It is moved to `device` and set to evaluation mode.
        device: The device.
        precision: ``auto``, ``float32`` or ``bfloat16``.
        weights: Source of its weights; None if there is nothing to record.
    """

    def __init__(
        self, spec: EncoderSpec, network: nn.Module, device: torch.device, precision: str, weights: Weights | None
    ) -> None:
        if spec.view is None:
            raise ExperimentError("the encoder spec has no view", where=spec.name)
        self.name, self.dim, self.input_px = spec.name, spec.dim, spec.input_px
        self.revision, self.weights_sha256 = (weights.revision, weights.sha256) if weights else ("", "")
        self.device, self.dtype = device, compute_dtype(device, precision)
        on_cpu = device.type == "cpu"
        self.batch_size, self.threads = (CPU_BATCH, torch.get_num_threads()) if on_cpu else (GPU_BATCH, 0)
        self._spec, self._view = spec, spec.view
        self._network = network.eval().requires_grad_(False).to(device)

    def encode(self, patches: NDArray[np.uint8]) -> NDArray[np.float16]:
        """Features [B, dim] of patches [B, P, P, 3]."""
        features: NDArray[np.float16] = self._encode(torch.from_numpy(patches).to(self.device)).cpu().numpy()
        return features

    @torch.inference_mode()
    def _encode(self, patches: Tensor) -> Tensor:
        """Features [B, dim], float16, of uint8 patches [B, P, P, 3]; both on the device of the encoder."""
        step = 1 if self.device.type == "cpu" else max(1, len(patches))
        starts = range(0, max(1, len(patches)), step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype is torch.bfloat16):
            rows = [self._pooled(self._network(network_view(patches[i : i + step], self._view))) for i in starts]
        return torch.cat(rows).half()

    def _pooled(self, output: Tensor) -> Tensor:
        if self._spec.pool == "map_mean":
            return output.float().mean(dim=(2, 3))
        if self._spec.pool == "cls":
            return output[:, 0].float()
        if self._spec.pool == "cls_mean":
            return torch.cat([output[:, 0].float(), output[:, self._spec.prefix_tokens :].float().mean(dim=1)], dim=1)
        return output.float()


def network_view(patches: Tensor, view: View) -> Tensor:
    """The network's input for uint8 patches [B, P, P, 3]: float32 [B, 3, crop, crop].

    Resizing follows Pillow, with which these networks were trained and published: rows first, then columns, each
    rounded to integers from 0 to 255. In a single step, bicubic interpolation would overshoot.
    """
    pixels, side = patches.permute(0, 3, 1, 2).float(), view.resize_px
    if pixels.shape[-1] != side:
        for size in ((pixels.shape[-2], side), (side, side)):
            pixels = F.interpolate(pixels, size=size, mode=view.interpolation, antialias=True)
            pixels = pixels.add_(0.5).floor_().clamp_(0, 255)  # rounds half up, as Pillow does
    start = round((view.resize_px - view.crop_px) / 2)
    stop = start + view.crop_px
    mean, std = (torch.tensor(values, device=pixels.device).view(3, 1, 1) for values in (view.mean, view.std))
    return (pixels[..., start:stop, start:stop] / 255 - mean) / std
