"""Fourier features of numbers in 0 … 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def fourier_features(numbers: Tensor, bands: int) -> Tensor:
    """[..., P] → [..., 2 P bands] float32: sine and cosine at the frequencies π 2^k."""
    frequencies = math.pi * 2.0 ** torch.arange(bands, device=numbers.device)
    angles = (numbers.float().unsqueeze(-1) * frequencies).flatten(-2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
