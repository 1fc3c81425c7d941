"""Fourier features of patch coordinates: Jaegle et al., ICML 2021, section 3.2, but with log-spaced wavelengths."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

WAVES = (512.0, 100_000.0)
"""Shortest and longest wavelength of the Fourier features, in level-0 pixels."""


class FourierCoords(nn.Module):
    """Level-0 coordinates [..., 2] → [..., width]: sine and cosine at log-spaced wavelengths, then one linear layer."""

    turns: Tensor

    def __init__(self, bands: int, width: int) -> None:
        super().__init__()
        waves = torch.logspace(math.log10(WAVES[0]), math.log10(WAVES[1]), bands)
        self.register_buffer("turns", 2 * math.pi / waves, persistent=False)
        self.linear = nn.Linear(4 * bands, width)

    def forward(self, coords: Tensor) -> Tensor:
        """Features of coordinates relative to the smallest ones of the bag."""
        angles = (coords.to(self.linear.weight.dtype).unsqueeze(-1) * self.turns).flatten(-2)
        features: Tensor = self.linear(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return features
