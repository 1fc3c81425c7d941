"""A Vision Transformer of the size Ti/16 (Touvron et al. 2021) whose weights come from a seed: 5.5 M random numbers.

It is not trained and needs no download: it is used in tests and demonstrations, and as a baseline for trained encoders.
Weights are initialised as in its paper (normal with standard deviation 0.02, truncated at two standard deviations), in
a fixed order, from their own generator, so that they depend only on the seed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from oceanpath.slides.encoders.device import resolve_device
from oceanpath.slides.encoders.spec import EncoderOptions, EncoderSpec
from oceanpath.slides.encoders.torch_encoder import TorchEncoder

SEED = 0
WIDTH, DEPTH, HEADS, PATCH_PX, SIDE_PX = 192, 12, 3, 16, 224


class Block(nn.Module):
    """Attention, then two linear layers, each with a norm before it and a residual connection."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens [B, T, 192] → [B, T, 192]."""
        batch, count, _ = tokens.shape
        qkv = self.qkv(self.norm1(tokens)).view(batch, count, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*qkv.unbind(0)).transpose(1, 2).reshape(batch, count, WIDTH)
        tokens = tokens + self.proj(mixed)
        changed: Tensor = tokens + self.fc2(F.gelu(self.fc1(self.norm2(tokens))))
        return changed


class RandomViT(nn.Module):
    """The network: [B, 3, 224, 224] → tokens [B, 197, 192], class token first."""

    def __init__(self, seed: int = SEED) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, PATCH_PX, PATCH_PX)
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position_embedding = nn.Parameter(torch.zeros(1, 1 + (SIDE_PX // PATCH_PX) ** 2, WIDTH))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH)
        initialise(self, seed)

    def forward(self, pixels: Tensor) -> Tensor:
        """Tokens [B, 197, 192] of normalised pixels [B, 3, 224, 224]."""
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(patches), -1, -1), patches], dim=1) + self.position_embedding
        normed: Tensor = self.norm(self.blocks(tokens))
        return normed


@torch.no_grad()
def initialise(network: nn.Module, seed: int) -> None:
    """Initialise all weights except those of norms from `seed`, and biases with zeros."""
    generator = torch.Generator().manual_seed(seed)
    norms = {id(value) for part in network.modules() if isinstance(part, nn.LayerNorm) for value in part.parameters()}
    for name, value in network.named_parameters():
        if id(value) in norms:
            continue
        if name.endswith("bias"):
            value.zero_()
        else:
            nn.init.trunc_normal_(value, std=0.02, a=-0.04, b=0.04, generator=generator)


def build(spec: EncoderSpec, device: str, options: EncoderOptions) -> TorchEncoder:
    """The encoder. Raises: ExperimentError: no such device."""
    return TorchEncoder(spec, RandomViT(), resolve_device(device), options.precision, None)
